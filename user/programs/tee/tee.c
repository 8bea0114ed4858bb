#include "peal/input.h"
#include "peal/options.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] = "tee [-a] FILE\n"
                            "Copies standard input to standard output and to the file.\n"
                            "  -a   behind what is in the file, instead of replacing it\n";

static status copy(file_ref file)
{
    static uint8_t chunk[64u << 10];
    for (;;) {
        size_result read = peal_input_read(peal_granted_stream(TEXT("stdin")), SPAN_OF(chunk));
        TRY(read.status);
        if (read.value == 0) return OK;
        view piece = {chunk, read.value};
        TRY(peal_stream_write_all(stream_of_file(file), piece));
        TRY(peal_stream_write_all(peal_granted_stream(TEXT("stdout")), piece));
    }
}

static status copy_to(text path, bool appends)
{
    file_result opened = peal_path_open_file(path, RIGHTS_WRITE);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    if (appends)
        TRY(peal_file_seek(file_borrow(&file), 0, ABI_SEEK_END).status);
    else
        TRY(peal_file_truncate(file_borrow(&file), 0));
    TRY(copy(file_borrow(&file)));
    return peal_raw_close_telling(TAKE(file).raw);
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct peal_options options = {.arguments = arguments, .letters = "a"};
    text value;
    bool appends = false;
    while (peal_option_next(&options, &value) != 0)
        appends = true;
    if (options.is_wrong) return EXIT_CODE_USAGE;
    if (arguments.count != options.next + 1) return peal_usage_error("one file is needed");
    text path = peal_argument(arguments, options.next);
    status copied = copy_to(path, appends);
    if (is_ok(copied)) return 0;
    peal_error_path(path, copied);
    return EXIT_CODE_FAILED;
}
