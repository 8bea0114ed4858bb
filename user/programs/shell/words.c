#include "words.h"
#include "peal/glob.h"

/* One word on its way. Without `words` nothing is added: only its end is looked for. */
struct scan {
    struct words *words;
    const struct word_values *values;
    text source;
    size_t at;
    bool is_in_word;
    bool is_pattern;
    size_t word_start;
};

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_part(char c)
{
    return is_name_start(c) || is_digit(c);
}

bool words_is_name(text name)
{
    if (name.length == 0 || !is_name_start(name.bytes[0])) return false;
    for (size_t i = 1; i < name.length; i++)
        if (!is_name_part(name.bytes[i])) return false;
    return true;
}

static bool is_number(text name)
{
    for (size_t i = 0; i < name.length; i++)
        if (!is_digit(name.bytes[i])) return false;
    return name.length > 0;
}

/* ?, !, # and @ */
static bool is_special_name(char c)
{
    return peal_text_find(TEXT("?!#@"), c, 0) < 4;
}

static bool is_variable(text name)
{
    return words_is_name(name) || is_number(name) ||
           (name.length == 1 && is_special_name(name.bytes[0]));
}

static bool is_at_end(const struct scan *scan)
{
    return scan->at >= scan->source.length;
}

static bool ends_word(char c)
{
    return peal_text_find(TEXT(" \t\r\n|&;<>"), c, 0) < 9;
}

/* ---- adding ---- */

static enum words_error word_begin(struct scan *scan)
{
    if (scan->is_in_word || scan->words == nullptr) return WORDS_OK;
    if (scan->words->count == WORDS_MAX) return WORDS_TOO_MANY;
    scan->is_in_word = true;
    scan->word_start = scan->words->used_bytes;
    return WORDS_OK;
}

static enum words_error add_bytes(struct scan *scan, text piece)
{
    enum words_error begun = word_begin(scan);
    struct words *words = scan->words;
    if (begun != WORDS_OK || words == nullptr) return begun;
    if (piece.length > WORDS_BYTES_MAX - words->used_bytes) return WORDS_TOO_MANY;
    for (size_t i = 0; i < piece.length; i++)
        words->bytes[words->used_bytes++] = piece.bytes[i];
    return WORDS_OK;
}

/* As a pattern that matches nothing but itself: the word may become one. */
static enum words_error add_quoted(struct scan *scan, text piece)
{
    enum words_error error = word_begin(scan);
    for (size_t i = 0; error == WORDS_OK && i < piece.length; i++) {
        bool is_special = peal_text_find(TEXT("*?[]!-\\"), piece.bytes[i], 0) < 7;
        if (is_special) error = add_bytes(scan, TEXT("\\"));
        if (error == WORDS_OK) error = add_bytes(scan, peal_text_slice(piece, i, 1));
    }
    return error;
}

static void word_end(struct scan *scan)
{
    struct words *words = scan->words;
    if (!scan->is_in_word) return;
    text word = {words->bytes + scan->word_start, words->used_bytes - scan->word_start};
    bool is_pattern = scan->is_pattern && glob_is_pattern(word);
    if (!is_pattern) word = glob_plain(word, words->bytes + scan->word_start);
    words->is_pattern[words->count] = is_pattern;
    words->items[words->count++] = word;
}

enum words_error words_add_plain(struct words *words, text word)
{
    struct scan scan = {.words = words};
    enum words_error error = word_begin(&scan);
    if (error == WORDS_OK) error = add_bytes(&scan, word);
    if (error != WORDS_OK) return error;
    words->is_pattern[words->count] = false;
    words->items[words->count++] =
        (text){words->bytes + scan.word_start, words->used_bytes - scan.word_start};
    return WORDS_OK;
}

text words_take_last(struct words *words)
{
    return words->items[--words->count];
}

/* ---- variables ---- */

static text name_in_braces(struct scan *scan)
{
    size_t end = peal_text_find(scan->source, '}', scan->at);
    text name = peal_text_slice(scan->source, scan->at, end - scan->at);
    scan->at = end + 1;
    return name;
}

/* A name, one digit, or one of the special ones. */
static text name_plain(struct scan *scan)
{
    size_t start = scan->at;
    if (is_at_end(scan)) return TEXT("");
    char c = scan->source.bytes[scan->at];
    if (is_digit(c) || is_special_name(c))
        scan->at++;
    else
        while (!is_at_end(scan) && is_name_part(scan->source.bytes[scan->at]))
            scan->at++;
    return peal_text_slice(scan->source, start, scan->at - start);
}

/* All arguments with blanks between. */
static enum words_error add_arguments(struct scan *scan)
{
    enum words_error error = WORDS_OK;
    for (uint32_t i = 0; error == WORDS_OK && i < scan->values->argument_count; i++) {
        if (i > 0) error = add_bytes(scan, TEXT(" "));
        if (error == WORDS_OK) error = add_quoted(scan, scan->values->arguments[i]);
    }
    return error;
}

/* Behind a $. */
static enum words_error add_variable(struct scan *scan)
{
    text name, value = TEXT("");
    if (!is_at_end(scan) && scan->source.bytes[scan->at] == '{') {
        scan->at++;
        if (peal_text_find(scan->source, '}', scan->at) == scan->source.length)
            return WORDS_BRACE_OPEN;
        name = name_in_braces(scan);
    } else {
        name = name_plain(scan);
    }
    if (!is_variable(name)) return WORDS_BAD_VARIABLE;
    if (scan->words == nullptr) return WORDS_OK;
    if (peal_text_equal(name, TEXT("@"))) return add_arguments(scan);
    if (!scan->values->look_up(scan->values->context, name, &value) || value.length == 0)
        return WORDS_OK;
    return add_quoted(scan, value);
}

/* ---- quotes ---- */

/* Behind the opening '. */
static enum words_error add_single_quoted(struct scan *scan)
{
    size_t end = peal_text_find(scan->source, '\'', scan->at);
    if (end == scan->source.length) return WORDS_QUOTE_OPEN;
    text inside = peal_text_slice(scan->source, scan->at, end - scan->at);
    scan->at = end + 1;
    return add_quoted(scan, inside);
}

/* Behind the opening ". */
static enum words_error add_double_quoted(struct scan *scan)
{
    enum words_error error = word_begin(scan);
    while (error == WORDS_OK && !is_at_end(scan)) {
        char c = scan->source.bytes[scan->at++];
        if (c == '"') return WORDS_OK;
        if (c == '$') {
            error = add_variable(scan);
            continue;
        }
        if (c == '\\' && !is_at_end(scan)) c = scan->source.bytes[scan->at++];
        error = add_quoted(scan, (text){&c, 1});
    }
    return error == WORDS_OK ? WORDS_QUOTE_OPEN : error;
}

/* Behind a \. */
static enum words_error add_escaped(struct scan *scan)
{
    if (is_at_end(scan)) return WORDS_OK;
    char c = scan->source.bytes[scan->at++];
    return c == '\n' ? WORDS_OK : add_quoted(scan, (text){&c, 1});
}

static enum words_error add_next(struct scan *scan)
{
    char c = scan->source.bytes[scan->at++];
    switch (c) {
    case '$':
        return add_variable(scan);
    case '\'':
        return add_single_quoted(scan);
    case '"':
        return add_double_quoted(scan);
    case '\\':
        return add_escaped(scan);
    case '*':
    case '?':
    case '[':
        scan->is_pattern = true;
        break;
    default:
        break;
    }
    return add_bytes(scan, (text){&c, 1});
}

/* ---- whole words ---- */

enum words_error words_find_end(text source, size_t start, size_t *out_end)
{
    struct scan scan = {.source = source, .at = start};
    enum words_error error = WORDS_OK;
    while (error == WORDS_OK && !is_at_end(&scan) && !ends_word(source.bytes[scan.at]))
        error = add_next(&scan);
    *out_end = scan.at;
    return error;
}

static bool is_all_arguments(text raw)
{
    return peal_text_equal(raw, TEXT("$@")) || peal_text_equal(raw, TEXT("\"$@\""));
}

enum words_error words_add(struct words *words, text raw, const struct word_values *values)
{
    enum words_error error = WORDS_OK;
    if (is_all_arguments(raw)) {
        for (uint32_t i = 0; error == WORDS_OK && i < values->argument_count; i++)
            error = words_add_plain(words, values->arguments[i]);
        return error;
    }
    struct scan scan = {.words = words, .values = values, .source = raw};
    size_t used_bytes = words->used_bytes;
    while (error == WORDS_OK && !is_at_end(&scan))
        error = add_next(&scan);
    if (error == WORDS_OK)
        word_end(&scan);
    else
        words->used_bytes = used_bytes;
    return error;
}

const char *words_error_message(enum words_error error)
{
    switch (error) {
    case WORDS_OK:
        return "fine";
    case WORDS_QUOTE_OPEN:
        return "a quote is not closed: end it with the same ' or \" that began it";
    case WORDS_BRACE_OPEN:
        return "${ is not closed: write ${NAME}";
    case WORDS_TOO_MANY:
        return "too many words: a command takes 4096 arguments and 64 KiB";
    case WORDS_BAD_VARIABLE:
        return "$ needs a name: $NAME, ${NAME}, $1, $# or $?. To mean the character, write '$'";
    }
    return "unknown error";
}
