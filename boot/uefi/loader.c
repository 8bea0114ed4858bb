/*
 * The loader: from UEFI firmware to the kernel's entry point.
 *
 * It reads three files from the volume it was started from, \peal\kernel, \peal\archive and
 * \peal\cmdline (which may be missing), and keeps the promises of boot/boot_info.h. Until boot
 * services end, every failure is explained on the console and gives control back to the firmware;
 * afterwards nothing can fail.
 *
 * Memory it took before a failure is not given back: the firmware is about to try another boot
 * option, or to stop.
 */
#include "uefi/console.h"
#include "uefi/elf_image.h"
#include "uefi/machine.h"
#include "uefi/memory_map.h"
#include "uefi/page_tables.h"
#include "uefi/volume.h"

static constexpr uint64_t MIB = 1 << 20;
static constexpr uint64_t SLIDE_STEP_BYTES = 2 * MIB;
static constexpr uint64_t KERNEL_WINDOW_BYTES = 1024 * MIB;
static constexpr uint64_t ALWAYS_MAPPED_BYTES = 4096 * MIB;
static constexpr uint64_t READING_TIME_MICROSECONDS = 3'000'000;

/* The firmware may add ranges between two calls, for the memory of its own that they need. */
static constexpr uint64_t MAP_SLACK_DESCRIPTORS = 32;

/* The map may change between reading it and leaving: then it is read again (UEFI 7.4.6). */
static constexpr int EXIT_ATTEMPTS_MAX = 8;

struct firmware_map {
    uint8_t *descriptors;
    uint64_t capacity_bytes;
    uint64_t bytes;
    uint64_t stride_bytes;
    uint64_t key;
};

struct loader {
    efi_handle handle;
    struct efi_system_table *system;
    struct efi_boot_services *boot;
    struct efi_loaded_image *self;

    struct loaded_file kernel_file;
    struct loaded_file archive;
    struct loaded_file command_line;
    struct elf_image image;
    uint8_t *kernel; /* the image in memory, relocated */
    uint64_t slide;

    struct firmware_map map;
    struct memory_map ranges; /* what it says, in the kernel's terms */
    struct page_tables tables;
    struct boot_info *info;
    uint8_t *stack;
};

static struct loader loader;

static bool out_of_memory(const char *what)
{
    console_say("Peal cannot start: not enough memory for ", what,
                ".\nGive the machine more: ./peal run --memory 256M, for example.", nullptr);
    return false;
}

static bool read_files(struct loader *l)
{
    struct efi_file *root;
    if (!volume_open(l->boot, l->self, &root)) return false;
    bool ok =
        volume_read(l->boot, root, u"\\peal\\kernel", "\\peal\\kernel", false, &l->kernel_file) &&
        volume_read(l->boot, root, u"\\peal\\archive", "\\peal\\archive", false, &l->archive) &&
        volume_read(l->boot, root, u"\\peal\\cmdline", "\\peal\\cmdline", true, &l->command_line);
    root->close(root);
    return ok;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static bool is_separator(uint8_t byte)
{
    return is_blank(byte) || byte == ';';
}

/* Is this one of the command line's words? */
static bool command_line_has(const struct boot_info *info, const char *word)
{
    uint32_t length = 0;
    while (word[length])
        length++;
    for (uint32_t at = 0; at + length <= info->command_line_bytes; at++) {
        bool begins = at == 0 || is_separator(info->command_line[at - 1]);
        bool ends = at + length == info->command_line_bytes ||
                    is_separator(info->command_line[at + length]);
        if (begins && ends && __builtin_memcmp(&info->command_line[at], word, length) == 0)
            return true;
    }
    return false;
}

static bool copy_command_line(struct loader *l)
{
    uint64_t bytes = l->command_line.bytes;
    while (bytes > 0 && is_blank(l->command_line.data[bytes - 1]))
        bytes--;
    if (bytes > BOOT_COMMAND_LINE_BYTES_MAX) {
        console_say("Peal cannot start: \\peal\\cmdline is longer than 1024 bytes. Shorten it.",
                    nullptr);
        return false;
    }
    if (bytes > 0) __builtin_memcpy(l->info->command_line, l->command_line.data, bytes);
    l->info->command_line_bytes = (uint32_t)bytes;
    return true;
}

static bool start_boot_info(struct loader *l)
{
    l->info = memory_take(l->boot, sizeof(*l->info));
    l->stack = memory_take(l->boot, BOOT_STACK_BYTES);
    if (!l->info || !l->stack) return out_of_memory("the kernel's first stack");
    __builtin_memset(l->info, 0, sizeof(*l->info));
    l->info->magic = BOOT_INFO_MAGIC;
    l->info->version = BOOT_INFO_VERSION;
    l->info->size_bytes = sizeof(*l->info);
    l->info->archive_physical = (uint64_t)l->archive.data;
    l->info->archive_bytes = l->archive.bytes;
    l->info->real_time_seconds = machine_real_time_seconds(l->system);
    machine_find_tables(l->system, l->info);
    machine_find_framebuffer(l->boot, &l->info->framebuffer);
    machine_collect_seed(l->boot, l->info->random_seed);
    return copy_command_line(l);
}

static bool load_kernel(struct loader *l)
{
    const char *problem = elf_image_read(l->kernel_file.data, l->kernel_file.bytes,
                                         BOOT_KERNEL_BASE, KERNEL_WINDOW_BYTES, &l->image);
    if (!problem && l->image.virtual_start != BOOT_KERNEL_BASE)
        problem = "it does not start where kernels start";
    if (problem) {
        console_say("Peal cannot start: \\peal\\kernel is unusable: ", problem,
                    ".\nMake the image again: ./peal run does.", nullptr);
        return false;
    }
    l->kernel = memory_take(l->boot, l->image.bytes);
    if (!l->kernel) return out_of_memory("the kernel");
    if (!command_line_has(l->info, "nokaslr"))
        l->slide = elf_image_slide(l->image.bytes, KERNEL_WINDOW_BYTES, SLIDE_STEP_BYTES,
                                   machine_number_from_seed(l->info->random_seed));
    elf_image_load(&l->image, l->kernel_file.data, l->slide, l->kernel);
    l->info->kernel_physical = (uint64_t)l->kernel;
    l->info->kernel_virtual = l->image.virtual_start + l->slide;
    l->info->kernel_bytes = l->image.bytes;
    return true;
}

static efi_status read_map(struct loader *l)
{
    uint32_t version;
    l->map.bytes = l->map.capacity_bytes;
    return l->boot->get_memory_map(&l->map.bytes, l->map.descriptors, &l->map.key,
                                   &l->map.stride_bytes, &version);
}

/* Room for the map, now and when it has grown, and the first reading of it. */
static bool prepare_map(struct loader *l)
{
    efi_status status = read_map(l);
    for (int attempt = 0; status == EFI_BUFFER_TOO_SMALL && attempt < 4; attempt++) {
        l->map.capacity_bytes = l->map.bytes + MAP_SLACK_DESCRIPTORS * l->map.stride_bytes;
        l->map.descriptors = memory_take(l->boot, l->map.capacity_bytes);
        if (!l->map.descriptors) return out_of_memory("the memory map");
        status = read_map(l);
    }
    if (efi_is_error(status)) {
        console_say("Peal cannot start: the firmware does not give its memory map (",
                    console_status_name(status), ").", nullptr);
        return false;
    }
    /* Each descriptor can cut one range in two. */
    uint64_t ranges_max = 2 * (l->map.capacity_bytes / l->map.stride_bytes) + 8;
    struct boot_memory_range *ranges = memory_take(l->boot, ranges_max * sizeof(*ranges));
    if (!ranges) return out_of_memory("the memory map");
    memory_map_init(&l->ranges, ranges, (uint32_t)ranges_max);
    memory_map_add_firmware(&l->ranges, l->map.descriptors, l->map.bytes, l->map.stride_bytes);
    return true;
}

/* At its physical address and in the direct map. */
static bool map_twice(struct page_tables *tables, uint64_t start, uint64_t length_bytes)
{
    return page_tables_map(tables, start, start, length_bytes, PAGE_WRITE) &&
           page_tables_map(tables, BOOT_DIRECT_MAP + start, start, length_bytes, PAGE_WRITE);
}

static uint64_t *take_table_page(void)
{
    return memory_take(loader.boot, 4096);
}

/* Where the kernel was put, the direct map, and everything where it is now. */
static bool build_page_tables(struct loader *l)
{
    struct page_tables *tables = &l->tables;
    tables->take_page = take_table_page;
    bool ok = true;

    for (uint32_t i = 0; i < l->image.segments_count; i++) {
        const struct elf_segment *segment = &l->image.segments[i];
        uint64_t inside = segment->virtual_start - l->image.virtual_start;
        ok = ok && page_tables_map(tables, segment->virtual_start + l->slide,
                                   (uint64_t)l->kernel + inside, segment->memory_bytes,
                                   (segment->writable ? PAGE_WRITE : 0) |
                                       (segment->executable ? PAGE_EXECUTE : 0));
    }
    /* Before the rest of the identity map, because the first mapping of an address wins. */
    ok = ok && page_tables_map(tables, (uint64_t)l->self->image_base, (uint64_t)l->self->image_base,
                               l->self->image_bytes, PAGE_WRITE | PAGE_EXECUTE);

    ok = ok && map_twice(tables, 0, ALWAYS_MAPPED_BYTES);
    for (uint32_t i = 0; ok && i < l->ranges.count; i++) {
        const struct boot_memory_range *range = &l->ranges.ranges[i];
        if (memory_kind_is_memory((enum boot_memory_kind)range->kind))
            ok = map_twice(tables, range->start, range->length_bytes);
    }
    return ok || out_of_memory("page tables");
}

/* From here on there is no firmware to talk to, and nothing that can fail. */
static void finish_map(struct loader *l)
{
    struct memory_map *ranges = &l->ranges;
    ranges->count = 0;
    memory_map_add_firmware(ranges, l->map.descriptors, l->map.bytes, l->map.stride_bytes);
    memory_map_set(ranges, (uint64_t)l->kernel, l->image.bytes, BOOT_MEMORY_KERNEL);
    memory_map_set(ranges, (uint64_t)l->archive.data, l->archive.allocated_bytes,
                   BOOT_MEMORY_ARCHIVE);
    memory_map_set(ranges, 0, 1, BOOT_MEMORY_RESERVED); /* physical address 0 means "none" */
    memory_map_shrink(ranges, BOOT_MEMORY_RANGES_MAX);
    l->info->memory_ranges_count = ranges->count;
    __builtin_memcpy(l->info->memory_ranges, ranges->ranges,
                     ranges->count * sizeof(ranges->ranges[0]));
}

/* Only the memory map may be asked for once leaving has been tried (UEFI 7.4.6). */
static bool leave_firmware(struct loader *l)
{
    efi_status status = EFI_SUCCESS;
    for (int attempt = 0; attempt < EXIT_ATTEMPTS_MAX; attempt++) {
        status = read_map(l);
        if (!efi_is_error(status)) status = l->boot->exit_boot_services(l->handle, l->map.key);
        if (!efi_is_error(status)) return true;
        if (status != EFI_INVALID_PARAMETER) break;
    }
    console_say("Peal cannot start: the firmware does not let go of the machine (",
                console_status_name(status), ").", nullptr);
    return false;
}

static bool prepare(struct loader *l)
{
    return machine_check_processor() && read_files(l) && start_boot_info(l) && load_kernel(l) &&
           prepare_map(l) && build_page_tables(l);
}

efi_status efi_main(efi_handle handle, struct efi_system_table *system);
efi_status efi_main(efi_handle handle, struct efi_system_table *system)
{
    struct loader *l = &loader;
    l->handle = handle;
    l->system = system;
    l->boot = system->boot;
    console_init(system);
    efi_status status = l->boot->handle_protocol(handle, &EFI_LOADED_IMAGE_GUID, &l->self);
    if (efi_is_error(status)) {
        console_say("Peal cannot start: the firmware does not say where the loader came from (",
                    console_status_name(status), ").", nullptr);
        return status;
    }
    if (!prepare(l) || !leave_firmware(l)) {
        l->boot->stall(READING_TIME_MICROSECONDS); /* the firmware may clear the screen */
        return EFI_LOAD_ERROR;
    }
    finish_map(l);
    machine_enter_kernel((uint64_t)l->tables.root,
                         BOOT_DIRECT_MAP + (uint64_t)l->stack + BOOT_STACK_BYTES,
                         l->image.entry + l->slide, l->info);
}
