#include "peal/input.h"
#include "peal/options.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] = "wc [-lwc] [file]...\n"
                            "Counts lines, words and bytes of files, or of standard input.\n"
                            "  -l -w -c   only lines, words, bytes\n";

struct counts {
    uint64_t lines, words, bytes;
};

static bool shows_lines, shows_words, shows_bytes, shows_names;
static struct counts total;
static uint32_t input_count;

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* *is_in_word goes over from one piece to the next. */
static void count_piece(const uint8_t *bytes, size_t length, bool *is_in_word,
                        struct counts *counts)
{
    counts->bytes += length;
    for (size_t i = 0; i < length; i++) {
        bool was_in_word = *is_in_word;
        *is_in_word = !is_blank(bytes[i]);
        if (*is_in_word && !was_in_word) counts->words++;
        if (bytes[i] == '\n') counts->lines++;
    }
}

static void print_counts(const struct counts *counts, text name)
{
    if (shows_lines) peal_print("%8lu", counts->lines);
    if (shows_words) peal_print("%8lu", counts->words);
    if (shows_bytes) peal_print("%8lu", counts->bytes);
    peal_print("%s%.*s\n", name.length > 0 ? "  " : "", TEXT_ARGUMENTS(name));
}

static status count_input(void *context, stream_ref from, text name)
{
    static uint8_t chunk[64u << 10];
    bool is_in_word = false;
    struct counts counts = {0};
    (void)context;
    for (;;) {
        size_result read = peal_input_read(from, SPAN_OF(chunk));
        TRY(read.status);
        if (read.value == 0) break;
        count_piece(chunk, read.value, &is_in_word, &counts);
    }
    total.lines += counts.lines;
    total.words += counts.words;
    total.bytes += counts.bytes;
    input_count++;
    print_counts(&counts, shows_names ? name : TEXT(""));
    return OK;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct peal_options options = {.arguments = arguments, .letters = "lwc"};
    text value;
    for (char letter; (letter = peal_option_next(&options, &value)) != 0;) {
        if (letter == 'l') shows_lines = true;
        if (letter == 'w') shows_words = true;
        if (letter == 'c') shows_bytes = true;
    }
    if (options.is_wrong) return EXIT_CODE_USAGE;
    if (!shows_lines && !shows_words && !shows_bytes)
        shows_lines = shows_words = shows_bytes = true;
    shows_names = options.next < arguments.count;
    int code = peal_for_each_input(arguments, options.next, count_input, nullptr);
    if (input_count > 1) print_counts(&total, TEXT("total"));
    return code;
}
