#include "peal/input.h"
#include "peal/options.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "write [-as] FILE [WORD...]\n"
    "Writes the words and a newline to the file, or standard input up to its end (Ctrl-D).\n"
    "  -a   behind what is there, instead of replacing it\n"
    "  -s   end only when it is on the medium\n";

static status write_piece(file_ref file, view piece)
{
    while (piece.length > 0) {
        size_result written = peal_file_append(file, piece);
        TRY(written.status);
        if (written.value == 0 || written.value > piece.length) return FAIL(IO_ERROR);
        piece = (view){(const uint8_t *)piece.bytes + written.value, piece.length - written.value};
    }
    return OK;
}

static status write_words(file_ref file, struct peal_arguments arguments, uint32_t first)
{
    static char line[64u << 10];
    struct writer out = WRITER(line);
    for (uint32_t i = first; i < arguments.count; i++) {
        if (i > first) writer_byte(&out, ' ');
        writer_write(&out, peal_argument(arguments, i));
    }
    writer_byte(&out, '\n');
    return out.is_truncated ? FAIL(OUT_OF_RANGE) : write_piece(file, view_of(writer_text(&out)));
}

static status write_input(file_ref file)
{
    static uint8_t chunk[64u << 10];
    for (;;) {
        size_result read = peal_input_read(peal_granted_stream(TEXT("stdin")), SPAN_OF(chunk));
        TRY(read.status);
        if (read.value == 0) return OK;
        TRY(write_piece(file, (view){chunk, read.value}));
    }
}

static status write_all(struct peal_arguments arguments, uint32_t first, bool appends, bool syncs)
{
    file_result opened = peal_path_open_file(peal_argument(arguments, first), RIGHTS_WRITE);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    if (!appends) TRY(peal_file_truncate(file_borrow(&file), 0));
    if (arguments.count > first + 1)
        TRY(write_words(file_borrow(&file), arguments, first + 1));
    else
        TRY(write_input(file_borrow(&file)));
    if (syncs) TRY(peal_file_sync(file_borrow(&file)));
    return peal_raw_close_telling(TAKE(file).raw);
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct peal_options options = {.arguments = arguments, .letters = "as"};
    text value;
    bool appends = false, syncs = false;
    for (char letter; (letter = peal_option_next(&options, &value)) != 0;) {
        if (letter == 'a') appends = true;
        if (letter == 's') syncs = true;
    }
    if (options.is_wrong) return EXIT_CODE_USAGE;
    if (options.next >= arguments.count) return peal_usage_error("a file is needed");
    status written = write_all(arguments, options.next, appends, syncs);
    if (is_ok(written)) return 0;
    peal_error_path(peal_argument(arguments, options.next), written);
    return EXIT_CODE_FAILED;
}
