#include "peal/bytes.h"
#include "peal/heap.h"
#include "peal/input.h"
#include "peal/options.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "sort [-nru] [file]...\n"
    "Prints the lines of all files, or of standard input, in order of their bytes.\n"
    "  -n   by the number a line begins with\n"
    "  -r   backwards\n"
    "  -u   of equal lines only the first\n";

/* All lines, each on the heap. */
static text *lines;
static size_t line_count, line_capacity;
static bool is_numeric, is_backwards, is_unique;

static status add_line(text line)
{
    if (line_count == line_capacity) {
        size_t capacity = 2 * line_capacity + 1024;
        text *larger = peal_resize(lines, capacity * sizeof(*larger));
        if (larger == nullptr) return FAIL(OUT_OF_MEMORY);
        lines = larger;
        line_capacity = capacity;
    }
    char *copy = peal_allocate(line.length + 1);
    if (copy == nullptr) return FAIL(OUT_OF_MEMORY);
    memcpy(copy, line.bytes, line.length);
    lines[line_count++] = (text){copy, line.length};
    return OK;
}

static status add_lines(void *context, stream_ref from, text name)
{
    OWNED(line_reader) reader = {.from = from};
    text line;
    (void)context, (void)name;
    while (line_reader_next(&reader, &line))
        TRY(add_line(line));
    return reader.status;
}

/* The number a line begins with, and 0 when it begins with none; large ones are all the same. */
static int64_t number_of(text line)
{
    size_t at = 0;
    while (at < line.length && line.bytes[at] == ' ')
        at++;
    bool is_negative = at < line.length && line.bytes[at] == '-';
    int64_t number = 0;
    for (at += is_negative; at < line.length && line.bytes[at] >= '0' && line.bytes[at] <= '9';
         at++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, line.bytes[at] - '0', &number))
            return is_negative ? INT64_MIN : INT64_MAX;
    return is_negative ? -number : number;
}

static int compare(text a, text b)
{
    int order = 0;
    if (is_numeric) {
        int64_t x = number_of(a), y = number_of(b);
        order = (x > y) - (x < y);
    }
    if (order == 0) order = peal_text_compare(a, b);
    return is_backwards ? -order : order;
}

/* Merges from[start..middle) and from[middle..end) into `to`. */
static void merge(const text *from, text *to, size_t start, size_t middle, size_t end)
{
    size_t left = start, right = middle;
    for (size_t at = start; at < end; at++) {
        bool takes_left = left < middle && (right == end || compare(from[left], from[right]) <= 0);
        to[at] = takes_left ? from[left++] : from[right++];
    }
}

/* Merge sort from below: runs of 1, 2, 4, ... */
static status sort_lines(void)
{
    text *other = peal_allocate((line_count + 1) * sizeof(*other));
    if (other == nullptr) return FAIL(OUT_OF_MEMORY);
    for (size_t run = 1; run < line_count; run *= 2) {
        for (size_t start = 0; start < line_count; start += 2 * run) {
            size_t middle = start + run < line_count ? start + run : line_count;
            size_t end = middle + run < line_count ? middle + run : line_count;
            merge(lines, other, start, middle, end);
        }
        text *sorted = other;
        other = lines;
        lines = sorted;
    }
    peal_release(other);
    return OK;
}

static void print_lines(void)
{
    for (size_t i = 0; i < line_count; i++) {
        if (is_unique && i > 0 && compare(lines[i - 1], lines[i]) == 0) continue;
        peal_print("%.*s\n", TEXT_ARGUMENTS(lines[i]));
    }
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct peal_options options = {.arguments = arguments, .letters = "nru"};
    text value;
    for (char letter; (letter = peal_option_next(&options, &value)) != 0;) {
        if (letter == 'n') is_numeric = true;
        if (letter == 'r') is_backwards = true;
        if (letter == 'u') is_unique = true;
    }
    if (options.is_wrong) return EXIT_CODE_USAGE;
    int code = peal_for_each_input(arguments, options.next, add_lines, nullptr);
    status sorted = sort_lines();
    if (!is_ok(sorted)) {
        peal_error_status(TEXT("sorting"), sorted);
        return EXIT_CODE_FAILED;
    }
    print_lines();
    return code;
}
