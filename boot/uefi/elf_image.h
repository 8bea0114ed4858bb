/*
 * The kernel's file: a static position-independent ELF for x86-64.
 *
 * Nothing in the file is believed. elf_image_read() checks everything that loading depends on, so
 * that elf_image_load() cannot fail. Pure: no firmware, no allocation, no state.
 *
 * A problem is reported as a sentence for people, nullptr when there is none.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS_MAX 8u

struct elf_segment {
    uint64_t virtual_start; /* page aligned, before the slide */
    uint64_t memory_bytes;
    uint64_t file_offset;
    uint64_t file_bytes;
    bool writable;
    bool executable;
};

struct elf_image {
    uint64_t virtual_start;                        /* the first segment's, before the slide */
    uint64_t bytes;                                /* to the end of the last segment, whole pages */
    uint64_t entry;                                /* before the slide */
    struct elf_segment segments[ELF_SEGMENTS_MAX]; /* ascending, on pages of their own */
    uint32_t segments_count;
    uint64_t relocations_offset; /* in the file */
    uint64_t relocations_count;
};

/*
 * Checks a file of `bytes` bytes and describes it in *out, which is written only when all is well.
 * `window_start`..`window_bytes` is where the image has to lie.
 */
const char *elf_image_read(const uint8_t *file, uint64_t bytes, uint64_t window_start,
                           uint64_t window_bytes, struct elf_image *out);

/*
 * Copies the segments into `memory` (image->bytes long), clears the rest of it, and relocates the
 * copy to run at image->virtual_start + slide. The file is the one the image was read from.
 */
void elf_image_load(const struct elf_image *image, const uint8_t *file, uint64_t slide,
                    uint8_t *memory);

/*
 * How far to move an image of this size inside the window: a multiple of `step_bytes`, each
 * possibility as likely as `random` is even. Zero when there is no room to move.
 */
uint64_t elf_image_slide(uint64_t image_bytes, uint64_t window_bytes, uint64_t step_bytes,
                         uint64_t random);
