/* `test` and `[`: what `if` and `while` ask. 0 is yes, 1 no, 2 not understood. */
#include "peal/output.h"
#include "shell.h"

#define ANSWER_YES 0u
#define ANSWER_NO  1u

static uint32_t answer(bool is_so)
{
    return is_so ? ANSWER_YES : ANSWER_NO;
}

/* What the path names; ABI_KIND_NONE: nothing. */
static void describe(const struct shell *shell, text path, struct abi_stat *out_stat)
{
    peal_raw_handle handle;
    *out_stat = (struct abi_stat){.kind = ABI_KIND_NONE};
    if (shell_raw_open(shell, path, ABI_RIGHT_CLOSE | ABI_RIGHT_STAT, ABI_OPEN_MUST_EXIST,
                       &handle) != ABI_STATUS_OK)
        return;
    if (!is_ok(peal_raw_stat(handle, out_stat))) out_stat->kind = ABI_KIND_NONE;
    peal_raw_close(handle);
}

/* -e PATH and its like; false: there is no such question. */
static bool ask_one(const struct shell *shell, text question, text about, uint32_t *out_answer)
{
    struct abi_stat stat;
    if (peal_text_equal(question, TEXT("-z")) || peal_text_equal(question, TEXT("-n"))) {
        *out_answer = answer((about.length == 0) == (question.bytes[1] == 'z'));
        return true;
    }
    bool is_known = question.length == 2 && question.bytes[0] == '-' &&
                    peal_text_find(TEXT("efds"), question.bytes[1], 0) < 4;
    if (!is_known) return false;
    describe(shell, about, &stat);
    bool is_file = stat.kind == ABI_KIND_FILE, is_folder = stat.kind == ABI_KIND_DIRECTORY;
    switch (question.bytes[1]) {
    case 'f':
        *out_answer = answer(is_file);
        break;
    case 'd':
        *out_answer = answer(is_folder);
        break;
    case 's':
        *out_answer = answer(is_file && stat.size_bytes > 0);
        break;
    default:
        *out_answer = answer(is_file || is_folder);
        break;
    }
    return true;
}

struct comparison {
    text name;
    bool (*holds)(uint64_t a, uint64_t b);
};

static bool is_equal(uint64_t a, uint64_t b)
{
    return a == b;
}
static bool is_other(uint64_t a, uint64_t b)
{
    return a != b;
}
static bool is_less(uint64_t a, uint64_t b)
{
    return a < b;
}
static bool is_at_most(uint64_t a, uint64_t b)
{
    return a <= b;
}
static bool is_greater(uint64_t a, uint64_t b)
{
    return a > b;
}
static bool is_at_least(uint64_t a, uint64_t b)
{
    return a >= b;
}

static const struct comparison comparisons[] = {
    {TEXT("-eq"), is_equal},   {TEXT("-ne"), is_other},   {TEXT("-lt"), is_less},
    {TEXT("-le"), is_at_most}, {TEXT("-gt"), is_greater}, {TEXT("-ge"), is_at_least},
};

/* A = B and its like. */
static bool ask_two(text a, text question, text b, uint32_t *out_answer)
{
    uint64_t first, second;
    if (peal_text_equal(question, TEXT("="))) {
        *out_answer = answer(peal_text_equal(a, b));
        return true;
    }
    if (peal_text_equal(question, TEXT("!="))) {
        *out_answer = answer(!peal_text_equal(a, b));
        return true;
    }
    for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++) {
        if (!peal_text_equal(question, comparisons[i].name)) continue;
        if (!peal_text_to_number(a, &first) || !peal_text_to_number(b, &second)) return false;
        *out_answer = answer(comparisons[i].holds(first, second));
        return true;
    }
    return false;
}

uint32_t shell_test(struct shell *shell, const text *words, uint32_t count)
{
    uint32_t result = ANSWER_NO;
    bool has_bracket = peal_text_equal(words[0], TEXT("["));
    bool is_closed = peal_text_equal(words[count - 1], TEXT("]"));
    if (has_bracket && !is_closed) {
        peal_error("[: is not closed: write [ A = B ]");
        return CODE_USAGE;
    }
    words++;
    count -= 1 + has_bracket;
    bool is_inverted = count > 1 && peal_text_equal(words[0], TEXT("!"));
    words += is_inverted;
    count -= is_inverted;
    bool is_understood = count <= 1;
    if (count == 1) result = answer(words[0].length > 0);
    if (count == 2) is_understood = ask_one(shell, words[0], words[1], &result);
    if (count == 3) is_understood = ask_two(words[0], words[1], words[2], &result);
    if (is_understood) return is_inverted ? !result : result;
    peal_error("test: not understood; `help test` tells what can be asked");
    return CODE_USAGE;
}
