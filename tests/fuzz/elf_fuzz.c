/*
 * Input: the first bytes of a file, then eight bytes that say how long the file claims to be. What
 * is accepted must keep every promise of task/elf.h.
 */
#include "base/address.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "task/elf.h"
#include <abi/ops.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_segment(const struct elf_segment *segment, uint64_t previous_end,
                          uint64_t file_bytes)
{
    constexpr uint8_t both = ABI_ACCESS_WRITE | ABI_ACCESS_EXECUTE;
    ASSERT(is_aligned(segment->address | segment->memory_bytes, PAGE_BYTES));
    ASSERT(segment->memory_bytes > 0 && segment->address >= previous_end);
    ASSERT(span_fits(segment->file_offset, segment->file_bytes, file_bytes));
    ASSERT(segment->lead_bytes < PAGE_BYTES);
    ASSERT(span_fits(segment->lead_bytes, segment->file_bytes, segment->memory_bytes));
    ASSERT((segment->access & ABI_ACCESS_READ) != 0 && (segment->access & both) != both);
}

static void check_layout(const struct elf_layout *layout, uint64_t file_bytes)
{
    uint64_t end = 0;
    bool has_entry = false;
    ASSERT(layout->segment_count > 0 && layout->segment_count <= ELF_SEGMENTS_MAX);
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        const struct elf_segment *segment = &layout->segments[i];
        check_segment(segment, end, file_bytes);
        end = segment->address + segment->memory_bytes;
        has_entry |= (segment->access & ABI_ACCESS_EXECUTE) != 0 &&
                     layout->entry >= segment->address && layout->entry < end;
    }
    ASSERT(has_entry && end == layout->image_bytes && end <= ELF_IMAGE_BYTES_MAX);
    ASSERT(layout->program_headers_address < end);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < sizeof(uint64_t)) return 0;
    size_t head_bytes = min_of(size - sizeof(uint64_t), (size_t)ELF_HEADER_BYTES_MAX);
    uint64_t claimed = load_le64(bytes + size - sizeof(uint64_t));
    uint64_t file_bytes = max_of((uint64_t)head_bytes, claimed);
    struct elf_layout layout;
    enum abi_not_executable reason = ABI_NOT_EXECUTABLE_NONE;
    status read = elf_read_layout(bytes, head_bytes, file_bytes, &layout, &reason);
    if (is_ok(read))
        check_layout(&layout, file_bytes);
    else
        ASSERT(read.code == STATUS_NOT_EXECUTABLE && elf_reason(reason).length > 0);
    return 0;
}
