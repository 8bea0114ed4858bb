/*
 * Reading ELF program files: pure checks over bytes, no trust.
 *
 * Accepted: ELF64, little-endian, x86-64, ET_DYN (static PIE), no interpreter, page-aligned
 * loadable segments that do not overlap, ascend and are never writable and executable, entry point
 * inside an executable one. System V ABI, generic part, chapters 4 and 5; AMD64 supplement 1.0,
 * chapter 4.
 *
 * Context: any; no state.
 */
#pragma once
#include "base/status.h"
#include "base/text.h"
#include <abi/ops.h>

#define ELF_SEGMENTS_MAX    16u
#define ELF_IMAGE_BYTES_MAX (256ull << 20)
#define ELF_HEADER_BYTES_MAX \
    4096u /* header and program headers lie in the first page of the file */

struct elf_segment {
    uint64_t address;      /* relative to the image's base; page aligned start of the mapping */
    uint64_t memory_bytes; /* page multiple */
    uint64_t file_offset;  /* of the first file byte */
    uint64_t file_bytes;   /* bytes to copy to address + lead_bytes */
    uint64_t lead_bytes;   /* from the page boundary to the first file byte */
    uint8_t access;        /* ABI_ACCESS_... */
};
struct elf_layout {
    uint64_t entry;                   /* relative to the base */
    uint64_t image_bytes;             /* page multiple: end of the last segment */
    uint64_t program_headers_address; /* relative; 0 when no segment holds them */
    uint32_t program_headers_count;
    uint32_t segment_count;
    struct elf_segment segments[ELF_SEGMENTS_MAX];
};
/*
 * `head` is the first min(file size, ELF_HEADER_BYTES_MAX) bytes of a file of file_bytes.
 *   NOT_EXECUTABLE   with *out_reason saying what is wrong with it
 */
status elf_read_layout(const void *head, size_t head_bytes, uint64_t file_bytes,
                       struct elf_layout *out_layout, enum abi_not_executable *out_reason);
/* In words, a literal; empty for none. */
text elf_reason(enum abi_not_executable reason);
