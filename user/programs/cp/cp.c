#include "peal/file.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "cp FILE console\n"
    "Copies a file to the console.\n"
    "File systems are read-only so far, so the console is the only place to copy to.\n";

static status copy(text from, stream_ref to)
{
    static uint8_t chunk[64u << 10];
    file_result opened = peal_path_open_file(from, RIGHTS_READ);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    for (;;) {
        size_result read = peal_file_read(file_borrow(&file), SPAN_OF(chunk));
        TRY(read.status);
        if (read.value == 0) return OK;
        TRY(peal_stream_write_all(to, (view){chunk, read.value}));
    }
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    if (arguments.count != 3) return peal_usage_error("a file and `console` are needed");
    if (!peal_text_equal(peal_argument(arguments, 2), TEXT("console")))
        return peal_usage_error("file systems are read-only so far: the only target is `console`");
    status copied = copy(peal_argument(arguments, 1), peal_granted_stream(TEXT("stdout")));
    if (is_ok(copied)) return 0;
    peal_error_path(peal_argument(arguments, 1), copied);
    return EXIT_CODE_FAILED;
}
