/* Rights, kinds and sizes in words. */
#include "peal/output.h"
#include <abi/ops.h>

uint64_t peal_right_by_name(text name)
{
#define RIGHT(NAME, right_name, bit, meaning) \
    if (peal_text_equal(name, TEXT(#right_name))) return ABI_RIGHT_##NAME;
#include <abi/rights.def>
#undef RIGHT
    return 0;
}

void peal_format_rights(struct writer *writer, uint64_t rights)
{
    if ((rights & ABI_RIGHTS_ALL) == ABI_RIGHTS_ALL) {
        writer_write(writer, TEXT("all"));
        return;
    }
    bool is_first = true;
#define RIGHT(NAME, right_name, bit, meaning)    \
    if (rights & ABI_RIGHT_##NAME) {             \
        if (!is_first) writer_byte(writer, ','); \
        writer_write(writer, TEXT(#right_name)); \
        is_first = false;                        \
    }
#include <abi/rights.def>
#undef RIGHT
    if (is_first) writer_write(writer, TEXT("none"));
}

text peal_kind_name(uint32_t kind)
{
    switch (kind) {
#define KIND(NAME, kind_name, number, summary) \
    case number:                               \
        return TEXT(#kind_name);
#include <abi/kinds.def>
#undef KIND
    default:
        return TEXT("unknown");
    }
}

text peal_not_executable_reason(uint32_t detail)
{
    switch (detail) {
#define NOT_EXECUTABLE(NAME, number, words) \
    case number:                            \
        return TEXT(words);
#include <abi/not_executable.def>
#undef NOT_EXECUTABLE
    default:
        return TEXT("");
    }
}

void peal_format_bytes(struct writer *writer, uint64_t bytes)
{
    static const char units[] = "BKMGTPE";
    uint32_t unit = 0;
    uint64_t tenths = bytes > UINT64_MAX / 10 ? UINT64_MAX : bytes * 10;
    while (tenths >= 10240) {
        tenths /= 1024;
        unit++;
    }
    if (unit == 0)
        writer_format(writer, "%lu", (unsigned long)bytes);
    else if (tenths < 100)
        writer_format(writer, "%lu.%lu%c", (unsigned long)(tenths / 10),
                      (unsigned long)(tenths % 10), units[unit]);
    else
        writer_format(writer, "%lu%c", (unsigned long)(tenths / 10), units[unit]);
}
