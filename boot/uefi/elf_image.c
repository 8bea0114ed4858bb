/*
 * Reading the kernel's ELF file.
 *
 * System V ABI, Object Files; AMD64 supplement 1.0. The image has no interpreter, no symbols to
 * resolve and only R_X86_64_RELATIVE relocations: with anything else it was not linked by us.
 */
#include "uefi/elf_image.h"

static constexpr uint64_t PAGE_BYTES = 4096;

struct elf_header {
    uint8_t magic[4];
    uint8_t class, byte_order, version, abi, padding[8];
    uint16_t type, machine;
    uint32_t file_version;
    uint64_t entry;
    uint64_t segments_offset;
    uint64_t sections_offset;
    uint32_t flags;
    uint16_t header_bytes, segment_bytes, segments_count, section_bytes, sections_count, names;
};
static_assert(sizeof(struct elf_header) == 64, "ELF header");
#define ELF_CLASS_64      2
#define ELF_LITTLE_ENDIAN 1
#define ELF_TYPE_DYNAMIC  3
#define ELF_MACHINE_AMD64 62

struct elf_program_header {
    uint32_t type, flags;
    uint64_t offset, virtual_start, physical_start, file_bytes, memory_bytes, alignment;
};
static_assert(sizeof(struct elf_program_header) == 56, "ELF program header");
#define ELF_SEGMENT_LOAD        1
#define ELF_SEGMENT_DYNAMIC     2
#define ELF_SEGMENT_INTERPRETER 3
#define ELF_SEGMENT_TLS         7
#define ELF_FLAG_EXECUTE        1u
#define ELF_FLAG_WRITE          2u
#define ELF_FLAG_READ           4u

struct elf_dynamic {
    int64_t tag;
    uint64_t value;
};
#define ELF_DYNAMIC_END         0
#define ELF_DYNAMIC_NEEDED      1
#define ELF_DYNAMIC_PLT_BYTES   2
#define ELF_DYNAMIC_RELA        7
#define ELF_DYNAMIC_RELA_BYTES  8
#define ELF_DYNAMIC_RELA_ENTRY  9
#define ELF_DYNAMIC_REL         17
#define ELF_DYNAMIC_TEXT_RELOCS 22
#define ELF_DYNAMIC_RELR        36

struct elf_relocation {
    uint64_t offset;
    uint64_t info;
    uint64_t addend;
};
#define ELF_RELOCATION_RELATIVE 8u /* the whole of `info`: no symbol */

/* Is offset..+length inside 0..bytes? */
static bool is_inside(uint64_t offset, uint64_t length, uint64_t bytes)
{
    return offset <= bytes && length <= bytes - offset;
}

static uint64_t round_up(uint64_t value)
{
    return (value + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

/* The file has no alignment of its own, so structs are copied out of it. */
static struct elf_program_header program_header(const uint8_t *file, uint64_t table, uint16_t index)
{
    struct elf_program_header header;
    __builtin_memcpy(&header, file + table + index * sizeof(header), sizeof(header));
    return header;
}

static const char *check_header(const uint8_t *file, uint64_t bytes, struct elf_header *out)
{
    if (bytes < sizeof(*out)) return "it is too short to be a kernel";
    __builtin_memcpy(out, file, sizeof(*out));
    if (__builtin_memcmp(out->magic,
                         "\x7f"
                         "ELF",
                         4) != 0)
        return "it is not an ELF file";
    if (out->class != ELF_CLASS_64 || out->byte_order != ELF_LITTLE_ENDIAN ||
        out->machine != ELF_MACHINE_AMD64)
        return "it is for another kind of machine, not x86-64";
    if (out->version != 1 || out->file_version != 1) return "its ELF version is not 1";
    if (out->type != ELF_TYPE_DYNAMIC) return "it is not position-independent";
    if (out->segment_bytes != sizeof(struct elf_program_header))
        return "its program headers have an unknown size";
    if (out->segments_count == 0) return "it has no segments";
    if (!is_inside(out->segments_offset,
                   (uint64_t)out->segments_count * sizeof(struct elf_program_header), bytes))
        return "its program headers are cut off";
    return nullptr;
}

static const char *add_segment(const struct elf_program_header *header, uint64_t bytes,
                               uint64_t window_start, uint64_t window_bytes,
                               struct elf_image *image)
{
    if (image->segments_count == ELF_SEGMENTS_MAX) return "it has too many segments";
    if (header->memory_bytes == 0 || header->file_bytes > header->memory_bytes)
        return "a segment has more bytes in the file than in memory, or none";
    if (!is_inside(header->offset, header->file_bytes, bytes)) return "a segment is cut off";
    if (header->virtual_start % PAGE_BYTES != 0) return "a segment does not start with a page";
    if (header->virtual_start < window_start ||
        !is_inside(header->virtual_start - window_start, header->memory_bytes, window_bytes))
        return "a segment lies outside the kernel's part of the address space";
    if (!(header->flags & ELF_FLAG_READ)) return "a segment cannot be read";
    if ((header->flags & ELF_FLAG_WRITE) && (header->flags & ELF_FLAG_EXECUTE))
        return "a segment is writable and executable";
    if (image->segments_count > 0) {
        const struct elf_segment *last = &image->segments[image->segments_count - 1];
        if (header->virtual_start < round_up(last->virtual_start + last->memory_bytes))
            return "its segments overlap or are not in order";
    }
    image->segments[image->segments_count++] = (struct elf_segment){
        .virtual_start = header->virtual_start,
        .memory_bytes = header->memory_bytes,
        .file_offset = header->offset,
        .file_bytes = header->file_bytes,
        .writable = header->flags & ELF_FLAG_WRITE,
        .executable = header->flags & ELF_FLAG_EXECUTE,
    };
    return nullptr;
}

/* The segment that has all of virtual_start..+length in memory, or nullptr. */
static const struct elf_segment *segment_at(const struct elf_image *image, uint64_t virtual_start,
                                            uint64_t length)
{
    for (uint32_t i = 0; i < image->segments_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        if (virtual_start >= segment->virtual_start &&
            is_inside(virtual_start - segment->virtual_start, length, segment->memory_bytes))
            return segment;
    }
    return nullptr;
}

/* Where virtual_start..+length is in the file; false when it is not, or not all of it. */
static bool file_offset_of(const struct elf_image *image, uint64_t virtual_start, uint64_t length,
                           uint64_t *out)
{
    const struct elf_segment *segment = segment_at(image, virtual_start, length);
    if (!segment) return false;
    uint64_t inside = virtual_start - segment->virtual_start;
    if (!is_inside(inside, length, segment->file_bytes)) return false;
    *out = segment->file_offset + inside;
    return true;
}

static const char *check_relocations(const uint8_t *file, const struct elf_image *image)
{
    for (uint64_t i = 0; i < image->relocations_count; i++) {
        struct elf_relocation relocation;
        __builtin_memcpy(&relocation, file + image->relocations_offset + i * sizeof(relocation),
                         sizeof(relocation));
        if (relocation.info != ELF_RELOCATION_RELATIVE)
            return "it has a relocation other than R_X86_64_RELATIVE";
        const struct elf_segment *target = segment_at(image, relocation.offset, sizeof(uint64_t));
        if (!target) return "a relocation lies outside the image";
        if (target->executable) return "a relocation changes code";
        if (relocation.addend < image->virtual_start ||
            relocation.addend - image->virtual_start > image->bytes)
            return "a relocation points outside the image";
    }
    return nullptr;
}

static const char *read_dynamic(const uint8_t *file, const struct elf_program_header *header,
                                struct elf_image *image)
{
    uint64_t table = 0, table_bytes = 0, entry_bytes = sizeof(struct elf_relocation);
    uint64_t start;
    if (!file_offset_of(image, header->virtual_start, header->memory_bytes, &start))
        return "its dynamic section lies outside the segments";
    for (uint64_t at = 0; header->memory_bytes - at >= sizeof(struct elf_dynamic);
         at += sizeof(struct elf_dynamic)) {
        struct elf_dynamic entry;
        __builtin_memcpy(&entry, file + start + at, sizeof(entry));
        if (entry.tag == ELF_DYNAMIC_END) break;
        switch (entry.tag) {
        case ELF_DYNAMIC_RELA:
            table = entry.value;
            break;
        case ELF_DYNAMIC_RELA_BYTES:
            table_bytes = entry.value;
            break;
        case ELF_DYNAMIC_RELA_ENTRY:
            entry_bytes = entry.value;
            break;
        case ELF_DYNAMIC_NEEDED:
        case ELF_DYNAMIC_PLT_BYTES:
        case ELF_DYNAMIC_REL:
        case ELF_DYNAMIC_TEXT_RELOCS:
        case ELF_DYNAMIC_RELR:
            return "it needs a dynamic linker";
        default:
            break;
        }
    }
    if (table_bytes == 0) return nullptr;
    if (entry_bytes != sizeof(struct elf_relocation) || table_bytes % entry_bytes != 0)
        return "its relocations have an unknown size";
    if (!file_offset_of(image, table, table_bytes, &image->relocations_offset))
        return "its relocations lie outside the segments";
    image->relocations_count = table_bytes / entry_bytes;
    return check_relocations(file, image);
}

const char *elf_image_read(const uint8_t *file, uint64_t bytes, uint64_t window_start,
                           uint64_t window_bytes, struct elf_image *out)
{
    struct elf_header header;
    const char *problem = check_header(file, bytes, &header);
    if (problem) return problem;

    struct elf_image image = {.entry = header.entry};
    for (uint16_t i = 0; i < header.segments_count; i++) {
        struct elf_program_header segment = program_header(file, header.segments_offset, i);
        if (segment.type == ELF_SEGMENT_INTERPRETER || segment.type == ELF_SEGMENT_TLS)
            return "it is an ordinary program, not a kernel";
        if (segment.type != ELF_SEGMENT_LOAD) continue;
        problem = add_segment(&segment, bytes, window_start, window_bytes, &image);
        if (problem) return problem;
    }
    if (image.segments_count == 0) return "it has no segments to load";
    const struct elf_segment *last = &image.segments[image.segments_count - 1];
    image.virtual_start = image.segments[0].virtual_start;
    image.bytes = round_up(last->virtual_start + last->memory_bytes - image.virtual_start);

    const struct elf_segment *code = segment_at(&image, image.entry, 1);
    if (!code || !code->executable) return "its entry point is not in executable code";
    for (uint16_t i = 0; i < header.segments_count; i++) {
        struct elf_program_header segment = program_header(file, header.segments_offset, i);
        if (segment.type != ELF_SEGMENT_DYNAMIC) continue;
        problem = read_dynamic(file, &segment, &image);
        if (problem) return problem;
    }
    *out = image;
    return nullptr;
}

void elf_image_load(const struct elf_image *image, const uint8_t *file, uint64_t slide,
                    uint8_t *memory)
{
    __builtin_memset(memory, 0, image->bytes);
    for (uint32_t i = 0; i < image->segments_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        __builtin_memcpy(memory + (segment->virtual_start - image->virtual_start),
                         file + segment->file_offset, segment->file_bytes);
    }
    for (uint64_t i = 0; i < image->relocations_count; i++) {
        struct elf_relocation relocation;
        __builtin_memcpy(&relocation, file + image->relocations_offset + i * sizeof(relocation),
                         sizeof(relocation));
        uint64_t value = relocation.addend + slide;
        __builtin_memcpy(memory + (relocation.offset - image->virtual_start), &value,
                         sizeof(value));
    }
}

uint64_t elf_image_slide(uint64_t image_bytes, uint64_t window_bytes, uint64_t step_bytes,
                         uint64_t random)
{
    if (image_bytes > window_bytes) return 0;
    uint64_t places = (window_bytes - image_bytes) / step_bytes + 1;
    return random % places * step_bytes;
}
