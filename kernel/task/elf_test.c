#include "base/address.h"
#include "base/bytes.h"
#include "support/test.h"
#include "task/elf.h"
#include <abi/ops.h>
#include <string.h>

/* A program as linkers make them: headers and constants, code, data with a .bss behind it. */
struct program {
    uint8_t bytes[ELF_HEADER_BYTES_MAX];
    size_t head_bytes;
    uint64_t file_bytes;
};

enum { R = 4, RX = 5, RW = 6 };

static uint8_t *header_of(struct program *program, uint32_t segment)
{
    return program->bytes + 64 + (size_t)segment * 56;
}

static void set_segment(struct program *program, uint32_t index, uint32_t flags, uint64_t offset,
                        uint64_t address, uint64_t file_bytes, uint64_t memory_bytes)
{
    uint8_t *header = header_of(program, index);
    store_le32(header, 1);
    store_le32(header + 4, flags);
    store_le64(header + 8, offset);
    store_le64(header + 16, address);
    store_le64(header + 24, address);
    store_le64(header + 32, file_bytes);
    store_le64(header + 40, memory_bytes);
    store_le64(header + 48, PAGE_BYTES);
}

static struct program good_program(void)
{
    struct program program = {.head_bytes = ELF_HEADER_BYTES_MAX, .file_bytes = 0x3800};
    uint8_t *bytes = program.bytes;
    memcpy(bytes,
           "\x7f"
           "ELF\x02\x01\x01",
           7);
    store_le16(bytes + 16, 3);
    store_le16(bytes + 18, 62);
    store_le32(bytes + 20, 1);
    store_le64(bytes + 24, 0x1010);
    store_le64(bytes + 32, 64);
    store_le16(bytes + 52, 64);
    store_le16(bytes + 54, 56);
    store_le16(bytes + 56, 3);
    set_segment(&program, 0, R, 0, 0, 0x800, 0x800);
    set_segment(&program, 1, RX, 0x1000, 0x1000, 0x1234, 0x1234);
    set_segment(&program, 2, RW, 0x2300, 0x3300, 0x500, 0x2000);
    return program;
}

static status layout_of(const struct program *program, struct elf_layout *layout,
                        enum abi_not_executable *reason)
{
    return elf_read_layout(program->bytes, program->head_bytes, program->file_bytes, layout,
                           reason);
}

TEST(a_good_program_is_laid_out_in_pages)
{
    struct program program = good_program();
    struct elf_layout layout;
    enum abi_not_executable reason = ABI_NOT_EXECUTABLE_NONE;
    CHECK_STATUS(OK, layout_of(&program, &layout, &reason));
    CHECK_EQUAL(3, layout.segment_count);
    CHECK_EQUAL(0x1010, layout.entry);
    CHECK_EQUAL(0x6000, layout.image_bytes);
    CHECK_EQUAL(64, layout.program_headers_address);
    CHECK_EQUAL(3, layout.program_headers_count);
    const struct elf_segment *data = &layout.segments[2];
    CHECK_EQUAL(0x3000, data->address);
    CHECK_EQUAL(0x3000, data->memory_bytes);
    CHECK_EQUAL(0x300, data->lead_bytes);
    CHECK_EQUAL(0x2300, data->file_offset);
    CHECK_EQUAL(0x500, data->file_bytes);
    CHECK_EQUAL(ABI_ACCESS_READ | ABI_ACCESS_WRITE, data->access);
    CHECK_EQUAL(ABI_ACCESS_READ | ABI_ACCESS_EXECUTE, layout.segments[1].access);
}

/* One byte range of the good program replaced, and what is then said. */
struct spoiled {
    const char *words;
    uint32_t offset;
    uint32_t width;
    uint64_t value;
};
#define SEGMENT(index, field) (64 + (index) * 56 + (field))

static const struct spoiled spoiled[] = {
    {"it is not an ELF file", 0, 1, 0},
    {"it is not a 64-bit program", 4, 1, 1},
    {"it is for a big-endian machine", 5, 1, 2},
    {"its ELF version is unknown", 6, 1, 0},
    {"its ELF version is unknown", 20, 4, 2},
    {"it is for another kind of processor", 18, 2, 183},
    {"it is not a position-independent executable", 16, 2, 2},
    {"its ELF header gives itself a wrong size", 52, 2, 52},
    {"it has no program headers", 56, 2, 0},
    {"its program headers have a wrong size", 54, 2, 32},
    {"its program headers are not aligned", 32, 8, 65},
    {"its program headers are not in the first page of the file", 32, 8, 4096 - 56 * 2},
    {"its program headers are not in the first page of the file", 32, 8, UINT64_MAX - 7},
    {"its program headers are not in the first page of the file", 56, 2, 65535},
    {"it asks for an interpreter: it is dynamically linked", SEGMENT(0, 0), 4, 3},
    {"a segment is both writable and executable", SEGMENT(1, 4), 4, 7},
    {"a segment has no access at all", SEGMENT(1, 4), 4, 0},
    {"a segment has more bytes in the file than in memory", SEGMENT(1, 40), 8, 0x1233},
    {"a segment lies beyond the end of the file", SEGMENT(2, 32), 8, 0x1501},
    {"a segment lies beyond the end of the file", SEGMENT(2, 8), 8, UINT64_MAX - 0xff},
    {"a segment lies too high in memory", SEGMENT(2, 16), 8, 0xffff'ffff'8000'0000ull},
    {"a segment lies too high in memory", SEGMENT(2, 40), 8, UINT64_MAX},
    {"a segment lies too high in memory", SEGMENT(2, 16), 8, ELF_IMAGE_BYTES_MAX},
    {"a segment is not aligned to pages", SEGMENT(1, 48), 8, 0x800},
    {"a segment is not aligned to pages", SEGMENT(1, 48), 8, 0x3000},
    {"a segment is not aligned to pages", SEGMENT(1, 48), 8, 0},
    {"a segment's place in memory does not fit that in the file", SEGMENT(2, 16), 8, 0x3301},
    {"its segments overlap or do not ascend", SEGMENT(2, 16), 8, 0x2300},
    {"its segments overlap or do not ascend", SEGMENT(1, 16), 8, 0},
    {"its entry point is not in an executable segment", 24, 8, 0x3300},
    {"its entry point is not in an executable segment", 24, 8, 0x2234},
    {"its entry point is not in an executable segment", 24, 8, UINT64_MAX},
};

TEST(every_fault_of_a_program_is_refused_in_its_own_words)
{
    for (size_t i = 0; i < sizeof(spoiled) / sizeof(spoiled[0]); i++) {
        struct program program = good_program();
        memcpy(program.bytes + spoiled[i].offset, &spoiled[i].value, spoiled[i].width);
        struct elf_layout layout;
        enum abi_not_executable reason = ABI_NOT_EXECUTABLE_NONE;
        status read = layout_of(&program, &layout, &reason);
        bool is_as_said =
            read.code == STATUS_NOT_EXECUTABLE &&
            text_equal(elf_reason(reason), (text){spoiled[i].words, strlen(spoiled[i].words)});
        if (!is_as_said)
            test_fail(__FILE__, __LINE__, "row %zu: expected \"%s\", not %u \"%.*s\"", i,
                      spoiled[i].words, read.code, TEXT_ARGUMENTS(elf_reason(reason)));
    }
}

TEST(a_program_cut_short_anywhere_is_refused)
{
    struct program program = good_program();
    for (size_t length = 0; length < 64 + 3 * 56; length++) {
        program.head_bytes = length;
        program.file_bytes = length;
        struct elf_layout layout;
        enum abi_not_executable reason = ABI_NOT_EXECUTABLE_NONE;
        CHECK_STATUS(NOT_EXECUTABLE, layout_of(&program, &layout, &reason));
        CHECK(elf_reason(reason).length > 0);
    }
}

TEST(too_many_segments_are_refused_and_empty_ones_do_not_count)
{
    for (uint32_t extra = 0; extra < 20; extra++) {
        struct program program = good_program();
        store_le16(program.bytes + 56, (uint16_t)(3 + extra));
        for (uint32_t i = 0; i < extra; i++)
            set_segment(&program, 3 + i, R, 0, 0x10000 + i * PAGE_BYTES, 0, i % 2 ? 0 : 1);
        struct elf_layout layout;
        enum abi_not_executable reason = ABI_NOT_EXECUTABLE_NONE;
        status read = layout_of(&program, &layout, &reason);
        CHECK_EQUAL(STATUS_OK, read.code);
        CHECK_EQUAL(3 + (extra + 1) / 2, layout.segment_count);
    }
    struct program program = good_program();
    store_le16(program.bytes + 56, 3 + 14);
    for (uint32_t i = 0; i < 14; i++)
        set_segment(&program, 3 + i, R, 0, 0x10000 + i * PAGE_BYTES, 0, 1);
    struct elf_layout layout;
    enum abi_not_executable reason = ABI_NOT_EXECUTABLE_NONE;
    CHECK_STATUS(NOT_EXECUTABLE, layout_of(&program, &layout, &reason));
    CHECK(text_equal(elf_reason(reason), TEXT("it has too many segments")));
    store_le16(program.bytes + 56, 1);
    store_le32(header_of(&program, 0), 0x6474e551); /* PT_GNU_STACK: nothing to load */
    CHECK_STATUS(NOT_EXECUTABLE, layout_of(&program, &layout, &reason));
    CHECK(text_equal(elf_reason(reason), TEXT("it has nothing to load into memory")));
}
