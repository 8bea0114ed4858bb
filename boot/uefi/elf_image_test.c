#include "support/test.h"
#include "uefi/elf_image.h"
#include <stdlib.h>
#include <string.h>

#define WINDOW_START 0xffff'ffff'8000'0000ull
#define WINDOW_BYTES (1ull << 30)

/* The ELF structures once more, in the order of the specification and not of the code under test.
 */
struct header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
struct dynamic {
    uint64_t tag, value;
};
struct relocation {
    uint64_t offset, info, addend;
};

/* A kernel: code, constants with dynamic section and relocations, data with .bss. */
struct file {
    struct header header;
    struct segment segments[4];
    uint8_t code[64];
    struct dynamic dynamic[4];
    struct relocation relocations[2];
    uint64_t constants[2];
    uint8_t data[16];
};
enum { CODE, CONSTANTS, DATA, DYNAMIC };

#define CONSTANTS_BYTES (offsetof(struct file, data) - offsetof(struct file, dynamic))

static struct file good(void)
{
    struct file file = {
        .header = {.ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
                   .type = 3,
                   .machine = 62,
                   .version = 1,
                   .entry = WINDOW_START + 4,
                   .phoff = offsetof(struct file, segments),
                   .ehsize = 64,
                   .phentsize = sizeof(struct segment),
                   .phnum = 4},
        .segments = {{.type = 1,
                      .flags = 5,
                      .offset = offsetof(struct file, code),
                      .vaddr = WINDOW_START,
                      .filesz = 64,
                      .memsz = 64},
                     {.type = 1,
                      .flags = 4,
                      .offset = offsetof(struct file, dynamic),
                      .vaddr = WINDOW_START + 0x1000,
                      .filesz = CONSTANTS_BYTES,
                      .memsz = CONSTANTS_BYTES},
                     {.type = 1,
                      .flags = 6,
                      .offset = offsetof(struct file, data),
                      .vaddr = WINDOW_START + 0x2000,
                      .filesz = 16,
                      .memsz = 0x1234},
                     {.type = 2,
                      .flags = 4,
                      .vaddr = WINDOW_START + 0x1000,
                      .filesz = sizeof(file.dynamic),
                      .memsz = sizeof(file.dynamic)}},
        .code = "code",
        .dynamic = {{7, WINDOW_START + 0x1000 + sizeof(file.dynamic)},
                    {8, sizeof(file.relocations)},
                    {9, sizeof(struct relocation)},
                    {0, 0}},
        .data = "data",
    };
    uint64_t constants = WINDOW_START + 0x1000 + sizeof(file.dynamic) + sizeof(file.relocations);
    file.relocations[0] = (struct relocation){constants, 8, WINDOW_START + 0x2000};
    file.relocations[1] = (struct relocation){WINDOW_START + 0x2020, 8, WINDOW_START};
    return file;
}

/* A copy of exactly this size, so that the sanitizer sees every read beyond it. */
static const char *read_bytes(const struct file *file, size_t bytes, struct elf_image *image)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    memcpy(copy, file, bytes);
    const char *problem = elf_image_read(copy, bytes, WINDOW_START, WINDOW_BYTES, image);
    free(copy);
    return problem;
}

#define CHECK_REFUSED(expected, subject)                                                   \
    do {                                                                                   \
        struct elf_image image_ = {0};                                                     \
        const char *problem_ = read_bytes((subject), sizeof(struct file), &image_);        \
        if (!problem_ || !strstr(problem_, (expected)))                                    \
            test_fail(__FILE__, __LINE__, "said '%s'", problem_ ? problem_ : "all right"); \
        CHECK_EQUAL(0, image_.segments_count);                                             \
    } while (0)

TEST(a_good_kernel_is_read_loaded_and_relocated)
{
    struct file file = good();
    struct elf_image image;
    CHECK(
        !elf_image_read((const uint8_t *)&file, sizeof(file), WINDOW_START, WINDOW_BYTES, &image));
    CHECK_EQUAL(3, image.segments_count);
    CHECK_EQUAL(WINDOW_START, image.virtual_start);
    CHECK_EQUAL(0x4000, image.bytes);
    CHECK_EQUAL(2, image.relocations_count);
    CHECK(image.segments[CODE].executable && !image.segments[CODE].writable);
    CHECK(!image.segments[CONSTANTS].executable && !image.segments[CONSTANTS].writable);
    CHECK(!image.segments[DATA].executable && image.segments[DATA].writable);

    uint8_t *memory = malloc(image.bytes);
    memset(memory, 0xaa, image.bytes);
    elf_image_load(&image, (const uint8_t *)&file, 0x400000, memory);
    CHECK_BYTES("code", memory, 5);
    CHECK_BYTES("data", memory + 0x2000, 5);
    uint64_t value;
    memcpy(&value, memory + 0x1000 + sizeof(file.dynamic) + sizeof(file.relocations), 8);
    CHECK_EQUAL(WINDOW_START + 0x2000 + 0x400000, value);
    memcpy(&value, memory + 0x2020, 8);
    CHECK_EQUAL(WINDOW_START + 0x400000, value);
    CHECK_EQUAL(0, memory[64]);
    CHECK_EQUAL(0, memory[0x3fff]);
    free(memory);
}

TEST(a_file_cut_off_anywhere_is_refused)
{
    struct file file = good();
    struct elf_image image;
    for (size_t bytes = 0; bytes < sizeof(file); bytes++)
        CHECK(read_bytes(&file, bytes, &image));
    CHECK(!read_bytes(&file, sizeof(file), &image));
}

TEST(files_of_other_kinds_are_refused)
{
    struct file file = good();
    file.header.ident[1] = 'e';
    CHECK_REFUSED("not an ELF file", &file);
    file = good();
    file.header.machine = 183;
    CHECK_REFUSED("another kind of machine", &file);
    file = good();
    file.header.ident[4] = 1;
    CHECK_REFUSED("another kind of machine", &file);
    file = good();
    file.header.type = 2;
    CHECK_REFUSED("position-independent", &file);
    file = good();
    file.header.version = 2;
    CHECK_REFUSED("version", &file);
    file = good();
    file.segments[DYNAMIC].type = 3;
    CHECK_REFUSED("ordinary program", &file);
    file = good();
    file.dynamic[2].tag = 1;
    CHECK_REFUSED("dynamic linker", &file);
}

TEST(program_headers_that_lie_are_refused)
{
    struct file file = good();
    file.header.phentsize = 32;
    CHECK_REFUSED("unknown size", &file);
    file = good();
    file.header.phnum = 0;
    CHECK_REFUSED("no segments", &file);
    file = good();
    file.header.phoff = UINT64_MAX - 16;
    CHECK_REFUSED("cut off", &file);
    file = good();
    file.header.phnum = 0xffff;
    CHECK_REFUSED("cut off", &file);
}

TEST(segments_that_lie_are_refused)
{
    struct file file = good();
    file.segments[DATA].flags = 7;
    CHECK_REFUSED("writable and executable", &file);
    file = good();
    file.segments[DATA].flags = 2;
    CHECK_REFUSED("cannot be read", &file);
    file = good();
    file.segments[DATA].vaddr = WINDOW_START + 0x1000;
    CHECK_REFUSED("overlap", &file);
    file = good();
    file.segments[DATA].vaddr += 8;
    CHECK_REFUSED("start with a page", &file);
    file = good();
    file.segments[DATA].memsz = 8;
    CHECK_REFUSED("more bytes in the file", &file);
    file = good();
    file.segments[DATA].offset = UINT64_MAX - 4;
    CHECK_REFUSED("cut off", &file);
    file = good();
    file.segments[DATA].memsz = WINDOW_BYTES;
    CHECK_REFUSED("outside the kernel's part", &file);
    file = good();
    file.segments[DATA].memsz = UINT64_MAX;
    CHECK_REFUSED("outside the kernel's part", &file);
    file = good();
    file.segments[CODE].vaddr = 0x1000;
    CHECK_REFUSED("outside the kernel's part", &file);
}

TEST(an_entry_point_outside_code_is_refused)
{
    struct file file = good();
    file.header.entry = WINDOW_START + 0x2000;
    CHECK_REFUSED("entry point", &file);
    file.header.entry = WINDOW_START + 64;
    CHECK_REFUSED("entry point", &file);
    file.header.entry = 0;
    CHECK_REFUSED("entry point", &file);
}

TEST(relocations_that_lie_are_refused)
{
    struct file file = good();
    file.relocations[0].info = 1;
    CHECK_REFUSED("other than R_X86_64_RELATIVE", &file);
    file = good();
    file.relocations[0].offset = WINDOW_START;
    CHECK_REFUSED("changes code", &file);
    file = good();
    file.relocations[0].offset = WINDOW_START + 0x3234 - 7;
    CHECK_REFUSED("outside the image", &file);
    file = good();
    file.relocations[0].addend = 0;
    CHECK_REFUSED("points outside", &file);
    file = good();
    file.dynamic[1].value = sizeof(file.relocations) + 1;
    CHECK_REFUSED("unknown size", &file);
    file = good();
    file.dynamic[1].value = 24 * 1000000;
    CHECK_REFUSED("outside the segments", &file);
    file = good();
    file.segments[DYNAMIC].vaddr = 16;
    CHECK_REFUSED("outside the segments", &file);
}

TEST(slides_are_aligned_and_leave_room_for_the_image)
{
    constexpr uint64_t step = 2 << 20;
    CHECK_EQUAL(0, elf_image_slide(WINDOW_BYTES + 1, WINDOW_BYTES, step, 7));
    CHECK_EQUAL(0, elf_image_slide(WINDOW_BYTES, WINDOW_BYTES, step, 7));
    CHECK_EQUAL(step, elf_image_slide(WINDOW_BYTES - step, WINDOW_BYTES, step, 7));
    uint64_t highest = 0;
    for (uint64_t random = 0; random < 2000; random++) {
        uint64_t slide = elf_image_slide(step + 1, WINDOW_BYTES, step, random);
        CHECK_EQUAL(0, slide % step);
        CHECK(slide + step + 1 <= WINDOW_BYTES);
        if (slide > highest) highest = slide;
    }
    CHECK_EQUAL(WINDOW_BYTES - 2 * step, highest);
}
