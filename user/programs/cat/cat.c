#include "peal/file.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "cat [file]...\n"
    "Prints files one after the other; without any, what is typed, up to Ctrl-D.\n";

#define CHUNK_BYTES  (64u << 10)
#define END_OF_INPUT 4 /* Ctrl-D */

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

/* A console gives bytes as they are typed, without showing them: that is done here. */
static status print_typed(void)
{
    stream_ref in = peal_granted_stream(TEXT("stdin"));
    for (;;) {
        size_result read = peal_stream_read(in, SPAN_OF(chunk));
        TRY(read.status);
        if (read.value == 0) return OK;
        for (uint64_t i = 0; i < read.value; i++) {
            if (chunk[i] == END_OF_INPUT) return OK;
            peal_print("%c", chunk[i] == '\r' ? '\n' : chunk[i]);
        }
        peal_flush();
    }
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    int code = 0;
    if (arguments.count == 1) {
        status printed = print_typed();
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
