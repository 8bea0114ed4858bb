#include "peal/bytes.h"
#include "peal/heap.h"
#include "peal/input.h"
#include "peal/options.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "tail [-n LINES] [file]...\n"
    "Prints the last 10 lines, or so many, of files or of standard input.\n";

#define LINES_MAX 100000u

/* The last lines seen, in a ring: each on the heap. */
struct kept {
    text *lines;
    uint32_t capacity;
    uint64_t seen;
};

static uint64_t lines_wanted = 10;
static bool shows_names;

static void kept_drop(struct kept *kept)
{
    for (uint32_t i = 0; kept->lines != nullptr && i < kept->capacity; i++)
        peal_release((void *)(uintptr_t)kept->lines[i].bytes);
    peal_release(kept->lines);
}

/* The line, with what ended it, in place of the oldest one. */
static status keep(struct kept *kept, text line, bool has_newline)
{
    text *slot = &kept->lines[kept->seen % kept->capacity];
    char *copy = peal_allocate(line.length + 1);
    if (copy == nullptr) return FAIL(OUT_OF_MEMORY);
    memcpy(copy, line.bytes, line.length);
    copy[line.length] = '\n';
    peal_release((void *)(uintptr_t)slot->bytes);
    *slot = (text){copy, line.length + has_newline};
    kept->seen++;
    return OK;
}

static void print_kept(const struct kept *kept)
{
    uint64_t first = kept->seen > kept->capacity ? kept->seen - kept->capacity : 0;
    for (uint64_t i = first; i < kept->seen; i++)
        peal_print_text(kept->lines[i % kept->capacity]);
}

static status print_end(void *context, stream_ref from, text name)
{
    OWNED(line_reader) reader = {.from = from};
    __attribute__((cleanup(kept_drop))) struct kept kept = {.capacity = (uint32_t)lines_wanted};
    text line;
    (void)context;
    if (shows_names) peal_print("==> %.*s <==\n", TEXT_ARGUMENTS(name));
    if (lines_wanted == 0) return OK;
    kept.lines = peal_allocate_zeroed(kept.capacity, sizeof(*kept.lines));
    if (kept.lines == nullptr) return FAIL(OUT_OF_MEMORY);
    while (line_reader_next(&reader, &line))
        TRY(keep(&kept, line, reader.had_newline));
    print_kept(&kept);
    return reader.status;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct peal_options options = {.arguments = arguments, .letters = "n:"};
    text value;
    while (peal_option_next(&options, &value) != 0) {
        if (!peal_text_to_number(value, &lines_wanted) || lines_wanted > LINES_MAX)
            return peal_usage_error("how many lines is a number up to 100000");
    }
    if (options.is_wrong) return EXIT_CODE_USAGE;
    shows_names = arguments.count > options.next + 1;
    return peal_for_each_input(arguments, options.next, print_end, nullptr);
}
