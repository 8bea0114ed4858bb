#include "uefi/machine.h"
#include "uefi/calendar.h"
#include "uefi/console.h"

struct cpuid {
    uint32_t a, b, c, d;
};

static struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

bool machine_check_processor(void)
{
    bool no_execute = cpuid(0x80000000, 0).a >= 0x80000001 &&
                      (cpuid(0x80000001, 0).d & (1u << 20)); /* SDM vol. 2A, CPUID: NX */
    if (!no_execute) {
        console_say("Peal cannot start: this processor cannot forbid execution of data (NX).\n"
                    "Turn it on in the firmware's settings, or choose another CPU model in QEMU.",
                    nullptr);
        return false;
    }
    uint64_t cr4;
    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    if (cr4 & (1ull << 12)) { /* SDM vol. 3A, 2.5: LA57; it cannot be changed while paging is on */
        console_say("Peal cannot start: the firmware turned on five-level paging.\n"
                    "Turn that off: in QEMU with -cpu max,la57=off, as ./peal run does.",
                    nullptr);
        return false;
    }
    return true;
}

static uint32_t pixel_format(const struct efi_graphics_mode_info *info)
{
    switch ((enum efi_pixel_format)info->format) {
    case EFI_PIXEL_RGBX:
        return BOOT_PIXEL_RGBX;
    case EFI_PIXEL_BGRX:
        return BOOT_PIXEL_BGRX;
    case EFI_PIXEL_MASKS:
        if (info->green_mask != 0xff00) return BOOT_PIXEL_NONE;
        if (info->red_mask == 0xff && info->blue_mask == 0xff0000) return BOOT_PIXEL_RGBX;
        if (info->blue_mask == 0xff && info->red_mask == 0xff0000) return BOOT_PIXEL_BGRX;
        return BOOT_PIXEL_NONE;
    case EFI_PIXEL_NO_MEMORY:
        return BOOT_PIXEL_NONE;
    }
    return BOOT_PIXEL_NONE;
}

void machine_find_framebuffer(struct efi_boot_services *boot, struct boot_framebuffer *out)
{
    struct efi_graphics_output *output;
    *out = (struct boot_framebuffer){0};
    if (efi_is_error(boot->locate_protocol(&EFI_GRAPHICS_OUTPUT_GUID, nullptr, &output))) return;
    const struct efi_graphics_mode *mode = output->mode;
    if (!mode || !mode->info) return;
    uint32_t format = pixel_format(mode->info);
    uint64_t stride = (uint64_t)mode->info->pixels_per_line * 4;
    if (format == BOOT_PIXEL_NONE || mode->info->pixels_per_line < mode->info->width ||
        stride * mode->info->height > mode->framebuffer_bytes || stride > UINT32_MAX)
        return;
    *out = (struct boot_framebuffer){
        .start = mode->framebuffer_start,
        .length_bytes = mode->framebuffer_bytes,
        .width_pixels = mode->info->width,
        .height_pixels = mode->info->height,
        .stride_bytes = (uint32_t)stride,
        .format = format,
    };
}

static bool is_same(const struct efi_guid *left, const struct efi_guid *right)
{
    return __builtin_memcmp(left, right, sizeof(*left)) == 0;
}

void machine_find_tables(const struct efi_system_table *system, struct boot_info *info)
{
    info->runtime_services = (uint64_t)system->runtime;
    for (uint64_t i = 0; i < system->configuration_count; i++) {
        const struct efi_configuration_table *entry = &system->configuration[i];
        uint64_t revision = is_same(&entry->guid, &EFI_ACPI_2_GUID)   ? 2
                            : is_same(&entry->guid, &EFI_ACPI_1_GUID) ? 1
                                                                      : 0;
        if (revision > info->acpi_root_revision) {
            info->acpi_root = (uint64_t)entry->table;
            info->acpi_root_revision = revision;
        }
    }
}

uint64_t machine_real_time_seconds(const struct efi_system_table *system)
{
    struct efi_time now;
    if (!system->runtime || efi_is_error(system->runtime->get_time(&now, nullptr))) return 0;
    return calendar_seconds(&now);
}

uint64_t machine_ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* SplitMix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit. */
static uint64_t scramble(uint64_t value)
{
    value += 0x9e3779b97f4a7c15;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
}

static bool hardware_random(uint64_t *out)
{
    if (!(cpuid(1, 0).c & (1u << 30))) return false; /* SDM vol. 2A, CPUID: RDRAND */
    for (int attempt = 0; attempt < 10; attempt++) { /* as SDM vol. 1, 7.3.17.1 asks */
        bool valid;
        __asm__ volatile("rdrand %0" : "=r"(*out), "=@ccc"(valid));
        if (valid) return true;
    }
    return false;
}

void machine_collect_seed(struct efi_boot_services *boot, uint8_t seed[64])
{
    uint64_t words[8] = {0};
    struct efi_random *source;
    if (!efi_is_error(boot->locate_protocol(&EFI_RANDOM_GUID, nullptr, &source)))
        source->get(source, nullptr, sizeof(words), (uint8_t *)words);
    for (int i = 0; i < 8; i++) {
        uint64_t random = 0;
        hardware_random(&random);
        words[i] ^= random ^ scramble(machine_ticks());
    }
    __builtin_memcpy(seed, words, sizeof(words));
}

uint64_t machine_number_from_seed(const uint8_t seed[64])
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t word;
        __builtin_memcpy(&word, seed + i * 8, sizeof(word));
        number = scramble(number ^ word);
    }
    return number;
}

void machine_enter_kernel(uint64_t page_table_root, uint64_t stack_top, uint64_t entry,
                          struct boot_info *info)
{
    constexpr uint32_t EFER = 0xc0000080;
    info->entry_ticks = machine_ticks();
    __asm__ volatile(
        "cli\n\t"
        /* Translations marked global would survive the change of tables. */
        "movq %%cr4, %%rax\n\t"
        "andq $~0x80, %%rax\n\t"
        "movq %%rax, %%cr4\n\t"
        "movl %[efer], %%ecx\n\t"
        "rdmsr\n\t"
        "orl $0x800, %%eax\n\t" /* NXE */
        "wrmsr\n\t"
        "movq %[root], %%cr3\n\t"
        "movq %%cr0, %%rax\n\t"
        "orq $0x10000, %%rax\n\t" /* WP */
        "movq %%rax, %%cr0\n\t"
        "movq %[stack], %%rsp\n\t"
        "xorl %%ebp, %%ebp\n\t"
        "cld\n\t"
        "jmpq *%[entry]"
        :
        : [efer] "i"(EFER), [root] "r"(page_table_root), [stack] "r"(stack_top), [entry] "r"(entry),
          "D"(info)
        : "rax", "rcx", "rdx", "memory");
    __builtin_unreachable();
}
