#include "peal/file.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "hexdump FILE [offset [length]]\n"
    "Prints the bytes of a file in hexadecimal, and the printable ones as text.\n"
    "Numbers are decimal, or hexadecimal after 0x.\n";

#define LINE_BYTES 16u

static void print_line(uint64_t offset, const uint8_t *bytes, size_t length)
{
    peal_print("%08lx ", offset);
    for (size_t i = 0; i < LINE_BYTES; i++) {
        if (i % 8 == 0) peal_print(" ");
        if (i < length)
            peal_print("%02x ", bytes[i]);
        else
            peal_print("   ");
    }
    peal_print(" |");
    for (size_t i = 0; i < length; i++)
        peal_print("%c", bytes[i] >= ' ' && bytes[i] < 127 ? bytes[i] : '.');
    peal_print("|\n");
}

static status dump(text path, uint64_t offset, uint64_t length)
{
    static uint8_t chunk[4096];
    file_result opened = peal_path_open_file(path, RIGHTS_READ);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    while (length > 0) {
        size_t wanted = length < sizeof(chunk) ? length : sizeof(chunk);
        size_result read = peal_file_read_at(file_borrow(&file), (span){chunk, wanted}, offset);
        TRY(read.status);
        if (read.value == 0) break;
        for (size_t at = 0; at < read.value; at += LINE_BYTES)
            print_line(offset + at, chunk + at,
                       read.value - at < LINE_BYTES ? read.value - at : LINE_BYTES);
        offset += read.value;
        length -= read.value;
    }
    return OK;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    uint64_t offset = 0, length = UINT64_MAX;
    if (arguments.count < 2 || arguments.count > 4) return peal_usage_error("a file is needed");
    if (arguments.count > 2 && !peal_text_to_number(peal_argument(arguments, 2), &offset))
        return peal_usage_error("the offset is a number");
    if (arguments.count > 3 && !peal_text_to_number(peal_argument(arguments, 3), &length))
        return peal_usage_error("the length is a number");
    status dumped = dump(peal_argument(arguments, 1), offset, length);
    if (is_ok(dumped)) return 0;
    peal_error_path(peal_argument(arguments, 1), dumped);
    return EXIT_CODE_FAILED;
}
