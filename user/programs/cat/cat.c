#include "peal/input.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] = "cat [file]...\n"
                            "Prints files one after the other; without any, its standard input. At "
                            "the console that is what\n"
                            "is typed, up to Ctrl-D.\n";

#define CHUNK_BYTES (64u << 10)

static uint8_t chunk[CHUNK_BYTES];

static status print_file(text path)
{
    file_result opened = peal_path_open_file(path, RIGHTS_READ);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    stream_ref out = peal_granted_stream(TEXT("stdout"));
    for (;;) {
        size_result read = peal_file_read(file_borrow(&file), SPAN_OF(chunk));
        TRY(read.status);
        if (read.value == 0) return OK;
        TRY(peal_stream_write_all(out, (view){chunk, read.value}));
    }
}

static status print_input(void)
{
    stream_ref out = peal_granted_stream(TEXT("stdout"));
    stream_ref in = peal_granted_stream(TEXT("stdin"));
    for (;;) {
        size_result read = peal_input_read(in, SPAN_OF(chunk));
        TRY(read.status);
        if (read.value == 0) return OK;
        if (in.kind == ABI_KIND_CONSOLE && out.kind == ABI_KIND_CONSOLE) continue; /* it is shown */
        TRY(peal_stream_write_all(out, (view){chunk, read.value}));
    }
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    int code = 0;
    if (arguments.count == 1) {
        status printed = print_input();
        if (!is_ok(printed)) {
            peal_error_status(TEXT("stdin"), printed);
            code = EXIT_CODE_FAILED;
        }
    }
    for (uint32_t i = 1; i < arguments.count; i++) {
        status printed = print_file(peal_argument(arguments, i));
        if (is_ok(printed)) continue;
        peal_error_path(peal_argument(arguments, i), printed);
        code = EXIT_CODE_FAILED;
    }
    return code;
}
