/*
 * Layouts as in the System V ABI, generic part, chapter 4 ("ELF header") and 5 ("Program header").
 * Fields are read at their offsets: the bytes may lie anywhere.
 */
#include "task/elf.h"
#include "base/address.h"
#include "base/bytes.h"
#include "base/checked.h"
#include <abi/ops.h>

/* ELF header. */
enum : uint32_t {
    HEADER_CLASS = 4,
    HEADER_DATA = 5,
    HEADER_IDENT_VERSION = 6,
    HEADER_TYPE = 16,
    HEADER_MACHINE = 18,
    HEADER_VERSION = 20,
    HEADER_ENTRY = 24,
    HEADER_PROGRAM_HEADERS = 32,
    HEADER_BYTES = 52,
    HEADER_PROGRAM_HEADER_BYTES = 54,
    HEADER_PROGRAM_HEADER_COUNT = 56,
    HEADER_END = 64,
};
static constexpr uint8_t CLASS_64 = 2;
static constexpr uint8_t DATA_LITTLE_ENDIAN = 1;
static constexpr uint32_t VERSION_CURRENT = 1;
static constexpr uint16_t TYPE_DYNAMIC = 3;
static constexpr uint16_t MACHINE_X86_64 = 62;

/* Program header. */
enum : uint32_t {
    SEGMENT_TYPE = 0,
    SEGMENT_FLAGS = 4,
    SEGMENT_OFFSET = 8,
    SEGMENT_ADDRESS = 16,
    SEGMENT_FILE_BYTES = 32,
    SEGMENT_MEMORY_BYTES = 40,
    SEGMENT_ALIGNMENT = 48,
    SEGMENT_END = 56,
};
static constexpr uint32_t TYPE_LOAD = 1;
static constexpr uint32_t TYPE_INTERPRETER = 3;
static constexpr uint32_t FLAG_EXECUTE = 1;
static constexpr uint32_t FLAG_WRITE = 2;
static constexpr uint32_t FLAG_READ = 4;

struct reader {
    const uint8_t *head;
    size_t head_bytes;
    uint64_t file_bytes;
    struct elf_layout *layout;
    enum abi_not_executable reason; /* NONE: nothing is wrong so far */
};

static bool refuse(struct reader *reader, enum abi_not_executable reason)
{
    reader->reason = reason;
    return false;
}

static bool read_header(struct reader *reader)
{
    const uint8_t *head = reader->head;
    static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
    if (reader->head_bytes < sizeof(magic) || !bytes_equal(head, magic, sizeof(magic)))
        return refuse(reader, ABI_NOT_EXECUTABLE_NOT_ELF);
    if (reader->head_bytes < HEADER_END) return refuse(reader, ABI_NOT_EXECUTABLE_HEADER_CUT_SHORT);
    if (head[HEADER_CLASS] != CLASS_64) return refuse(reader, ABI_NOT_EXECUTABLE_NOT_64_BIT);
    if (head[HEADER_DATA] != DATA_LITTLE_ENDIAN)
        return refuse(reader, ABI_NOT_EXECUTABLE_BIG_ENDIAN);
    if (head[HEADER_IDENT_VERSION] != VERSION_CURRENT ||
        load_le32(head + HEADER_VERSION) != VERSION_CURRENT)
        return refuse(reader, ABI_NOT_EXECUTABLE_UNKNOWN_VERSION);
    if (load_le16(head + HEADER_MACHINE) != MACHINE_X86_64)
        return refuse(reader, ABI_NOT_EXECUTABLE_OTHER_PROCESSOR);
    if (load_le16(head + HEADER_TYPE) != TYPE_DYNAMIC)
        return refuse(reader, ABI_NOT_EXECUTABLE_NOT_POSITION_INDEPENDENT);
    if (load_le16(head + HEADER_BYTES) < HEADER_END)
        return refuse(reader, ABI_NOT_EXECUTABLE_WRONG_HEADER_SIZE);
    return true;
}

/* The program headers lie in the bytes at hand. */
static bool read_table_place(struct reader *reader, const uint8_t **out_table, uint32_t *out_count)
{
    const uint8_t *head = reader->head;
    uint64_t offset = load_le64(head + HEADER_PROGRAM_HEADERS);
    uint32_t count = load_le16(head + HEADER_PROGRAM_HEADER_COUNT);
    if (count == 0) return refuse(reader, ABI_NOT_EXECUTABLE_NO_PROGRAM_HEADERS);
    if (load_le16(head + HEADER_PROGRAM_HEADER_BYTES) != SEGMENT_END)
        return refuse(reader, ABI_NOT_EXECUTABLE_WRONG_PROGRAM_HEADER_SIZE);
    if (!is_aligned(offset, sizeof(uint64_t)))
        return refuse(reader, ABI_NOT_EXECUTABLE_PROGRAM_HEADERS_NOT_ALIGNED);
    if (!span_fits(offset, (uint64_t)count * SEGMENT_END, reader->head_bytes))
        return refuse(reader, ABI_NOT_EXECUTABLE_PROGRAM_HEADERS_FAR_AWAY);
    *out_table = head + offset;
    *out_count = count;
    return true;
}

static uint8_t access_of(uint32_t flags)
{
    uint8_t access = 0;
    if (flags & FLAG_READ) access |= ABI_ACCESS_READ;
    if (flags & FLAG_WRITE) access |= ABI_ACCESS_READ | ABI_ACCESS_WRITE;
    if (flags & FLAG_EXECUTE) access |= ABI_ACCESS_READ | ABI_ACCESS_EXECUTE;
    return access;
}

static bool check_segment_place(struct reader *reader, const uint8_t *header)
{
    uint64_t offset = load_le64(header + SEGMENT_OFFSET);
    uint64_t address = load_le64(header + SEGMENT_ADDRESS);
    uint64_t file_bytes = load_le64(header + SEGMENT_FILE_BYTES);
    uint64_t memory_bytes = load_le64(header + SEGMENT_MEMORY_BYTES);
    uint64_t alignment = load_le64(header + SEGMENT_ALIGNMENT);
    if (file_bytes > memory_bytes) return refuse(reader, ABI_NOT_EXECUTABLE_SEGMENT_LARGER_IN_FILE);
    if (!span_fits(offset, file_bytes, reader->file_bytes))
        return refuse(reader, ABI_NOT_EXECUTABLE_SEGMENT_BEYOND_FILE);
    if (!span_fits(address, memory_bytes, ELF_IMAGE_BYTES_MAX))
        return refuse(reader, ABI_NOT_EXECUTABLE_SEGMENT_TOO_HIGH);
    if (alignment < PAGE_BYTES || (alignment & (alignment - 1)) != 0)
        return refuse(reader, ABI_NOT_EXECUTABLE_SEGMENT_NOT_ALIGNED);
    if (!is_aligned(address - offset, alignment))
        return refuse(reader, ABI_NOT_EXECUTABLE_SEGMENT_MISPLACED);
    return true;
}

static bool read_segment(struct reader *reader, const uint8_t *header)
{
    struct elf_layout *layout = reader->layout;
    uint32_t flags = load_le32(header + SEGMENT_FLAGS);
    uint64_t address = load_le64(header + SEGMENT_ADDRESS);
    uint64_t memory_bytes = load_le64(header + SEGMENT_MEMORY_BYTES);
    if (memory_bytes == 0) return true;
    if (layout->segment_count == ELF_SEGMENTS_MAX)
        return refuse(reader, ABI_NOT_EXECUTABLE_TOO_MANY_SEGMENTS);
    if ((flags & FLAG_WRITE) && (flags & FLAG_EXECUTE))
        return refuse(reader, ABI_NOT_EXECUTABLE_WRITABLE_AND_EXECUTABLE);
    if (access_of(flags) == 0) return refuse(reader, ABI_NOT_EXECUTABLE_NO_ACCESS);
    if (!check_segment_place(reader, header)) return false;

    uint64_t start = round_down(address, PAGE_BYTES);
    uint64_t end = round_up(address + memory_bytes, PAGE_BYTES);
    if (start < layout->image_bytes) return refuse(reader, ABI_NOT_EXECUTABLE_SEGMENTS_OVERLAP);
    layout->segments[layout->segment_count++] = (struct elf_segment){
        .address = start,
        .memory_bytes = end - start,
        .file_offset = load_le64(header + SEGMENT_OFFSET),
        .file_bytes = load_le64(header + SEGMENT_FILE_BYTES),
        .lead_bytes = address - start,
        .access = access_of(flags),
    };
    layout->image_bytes = end;
    return true;
}

static bool read_segments(struct reader *reader, const uint8_t *table, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *header = table + (size_t)i * SEGMENT_END;
        uint32_t type = load_le32(header + SEGMENT_TYPE);
        if (type == TYPE_INTERPRETER) return refuse(reader, ABI_NOT_EXECUTABLE_DYNAMICALLY_LINKED);
        if (type == TYPE_LOAD && !read_segment(reader, header)) return false;
    }
    if (reader->layout->segment_count == 0)
        return refuse(reader, ABI_NOT_EXECUTABLE_NOTHING_TO_LOAD);
    return true;
}

static bool check_entry(struct reader *reader)
{
    struct elf_layout *layout = reader->layout;
    layout->entry = load_le64(reader->head + HEADER_ENTRY);
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        const struct elf_segment *segment = &layout->segments[i];
        uint64_t start = segment->address + segment->lead_bytes;
        bool is_inside = layout->entry >= start && layout->entry < start + segment->file_bytes;
        if (is_inside && (segment->access & ABI_ACCESS_EXECUTE) != 0) return true;
    }
    return refuse(reader, ABI_NOT_EXECUTABLE_NO_ENTRY_POINT);
}

/* Where the program headers are in memory, when some segment brings them there. */
static void find_table_in_memory(struct reader *reader, uint32_t count)
{
    struct elf_layout *layout = reader->layout;
    uint64_t offset = load_le64(reader->head + HEADER_PROGRAM_HEADERS);
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        const struct elf_segment *segment = &layout->segments[i];
        if (offset < segment->file_offset) continue;
        uint64_t inside = offset - segment->file_offset;
        if (!span_fits(inside, (uint64_t)count * SEGMENT_END, segment->file_bytes)) continue;
        layout->program_headers_address = segment->address + segment->lead_bytes + inside;
        layout->program_headers_count = count;
        return;
    }
}

static bool read_all(struct reader *reader)
{
    const uint8_t *table;
    uint32_t count;
    if (!read_header(reader) || !read_table_place(reader, &table, &count) ||
        !read_segments(reader, table, count) || !check_entry(reader))
        return false;
    find_table_in_memory(reader, count);
    return true;
}

status elf_read_layout(const void *head, size_t head_bytes, uint64_t file_bytes,
                       struct elf_layout *out_layout, enum abi_not_executable *out_reason)
{
    struct elf_layout layout = {0};
    struct reader reader = {
        .head = head,
        .head_bytes = head_bytes,
        .file_bytes = file_bytes,
        .layout = &layout,
    };
    if (!read_all(&reader)) {
        *out_reason = reader.reason;
        return FAIL(NOT_EXECUTABLE);
    }
    *out_layout = layout;
    return OK;
}

text elf_reason(enum abi_not_executable reason)
{
    switch (reason) {
#define NOT_EXECUTABLE(NAME, number, words) \
    case ABI_NOT_EXECUTABLE_##NAME:         \
        return TEXT(words);
#include <abi/not_executable.def>
#undef NOT_EXECUTABLE
    case ABI_NOT_EXECUTABLE_NONE:
        break;
    }
    return TEXT("");
}
