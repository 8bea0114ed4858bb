/*
 * Any bytes as \peal\kernel: elf_image_read() must keep its promise that what it accepts can be
 * loaded without touching anything outside the file and the image.
 */
#include "debug/assert.h"
#include "uefi/elf_image.h"
#include <stdlib.h>

/* Large images cost time and find nothing: a small window refuses them. */
#define WINDOW_START 0xffff'ffff'8000'0000ull
#define WINDOW_BYTES (1ull << 20)

int LLVMFuzzerTestOneInput(const uint8_t *file, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *file, size_t bytes)
{
    struct elf_image image;
    if (elf_image_read(file, bytes, WINDOW_START, WINDOW_BYTES, &image)) return 0;
    for (uint32_t i = 0; i < image.segments_count; i++)
        ASSERT(!(image.segments[i].writable && image.segments[i].executable));
    uint8_t *memory = malloc(image.bytes);
    elf_image_load(&image, file, 0x200000, memory);
    free(memory);
    return 0;
}
