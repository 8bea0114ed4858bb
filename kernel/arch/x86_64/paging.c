/*
 * The kernel's half of every address space.
 *
 *     ffff'8000'0000'0000   direct map: physical memory, as far as the firmware calls it memory
 *     ffff'c000'0000'0000   kernel stacks, a guard page below each
 *     ffff'd000'0000'0000   device registers, mapped on request and for good
 *     ffff'ffff'8000'0000   the kernel image, at a place the loader chose at random
 *
 * The root entries for these are made here, once, and copied into every table: the halves cannot
 * differ. No page is writable and executable, nor has another name that is: the image's code and
 * constants are read-only in the direct map too.
 *
 * Locking: half_lock guards the tables below those root entries, and the next free device address.
 */
#include "arch/x86_64/paging.h"
#include "arch/arch/context.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/x86_64.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include "sync/spin_lock.h"

#define DEVICES_START    0xffff'd000'0000'0000ull
#define DEVICES_END      0xffff'd080'0000'0000ull
#define HUGE_PAGE_BYTES  (1ull << 30)
#define ROOT_ENTRY_BYTES (1ull << 39)

extern const uint8_t kernel_text_start[], kernel_text_end[];
extern const uint8_t kernel_constants_start[], kernel_constants_end[];
extern uint8_t kernel_data_start[], kernel_data_end[];
extern const uint8_t kernel_image_start[];
extern const uint8_t boot_stack_guard[];

static struct page_table kernel_table;
static spin_lock half_lock = SPIN_LOCK_INIT(LOCK_RANK_KERNEL_HALF);
static uint64_t memory_bytes; /* where the direct map ends; fixed at boot */
static uint64_t next_device GUARDED_BY(half_lock) = DEVICES_START;

struct page_table *page_table_kernel(void)
{
    return &kernel_table;
}

void page_table_use(const struct page_table *table)
{
    uint64_t root = table != nullptr ? table->root.value : kernel_table.root.value;
    if (cr3_read() != root) cr3_write(root);
}

status kernel_half_map(uint64_t address, physical_address frame, uint64_t page_bytes,
                       uint8_t access)
{
    spin_acquire(&half_lock);
    status mapped = page_table_map(&kernel_table, address, frame, page_bytes, access | PAGE_KERNEL);
    spin_release(&half_lock);
    return mapped;
}

void kernel_half_unmap(uint64_t address, uint64_t length_bytes)
{
    spin_acquire(&half_lock);
    status unmapped = page_table_unmap(&kernel_table, address, length_bytes, nullptr);
    spin_release(&half_lock);
    ASSERT(is_ok(unmapped));
}

/* Boot: what fails here leaves no kernel to go on with. */
static void map_or_stop(uint64_t address, uint64_t physical, uint64_t page_bytes, uint8_t access)
{
    status mapped = kernel_half_map(address, physical_at(physical), page_bytes, access);
    if (!is_ok(mapped))
        panic("cannot map %#llx: status %u", (unsigned long long)address, mapped.code);
}

/* The largest page that fits both the alignment and what is left. */
static uint64_t largest_page(uint64_t start, uint64_t length)
{
    if (processor.has_huge_pages && is_aligned(start, HUGE_PAGE_BYTES) && length >= HUGE_PAGE_BYTES)
        return HUGE_PAGE_BYTES;
    if (is_aligned(start, LARGE_PAGE_BYTES) && length >= LARGE_PAGE_BYTES) return LARGE_PAGE_BYTES;
    return PAGE_BYTES;
}

static bool is_memory(uint32_t kind)
{
    return kind != BOOT_MEMORY_DEVICE && kind != BOOT_MEMORY_RESERVED;
}

static void map_memory(const struct boot_info *boot)
{
    uint32_t i = 0;
    while (i < boot->memory_ranges_count) {
        const struct boot_memory_range *range = &boot->memory_ranges[i++];
        if (!is_memory(range->kind)) continue;
        uint64_t start = range->start;
        uint64_t end = start + range->length_bytes;
        for (; i < boot->memory_ranges_count; i++) { /* neighbours share large pages */
            range = &boot->memory_ranges[i];
            if (!is_memory(range->kind) || range->start != end) break;
            end += range->length_bytes;
        }
        for (uint64_t at = start; at < end;) {
            uint64_t page_bytes = largest_page(at, end - at);
            map_or_stop(DIRECT_MAP_BASE + at, at, page_bytes, PAGE_READ | PAGE_WRITE);
            at += page_bytes;
        }
    }
}

static uint64_t end_of_memory(const struct boot_info *boot)
{
    uint64_t end = 0;
    for (uint32_t i = 0; i < boot->memory_ranges_count; i++)
        if (is_memory(boot->memory_ranges[i].kind))
            end = boot->memory_ranges[i].start + boot->memory_ranges[i].length_bytes;
    return end;
}

static void map_segment(const struct boot_info *boot, const uint8_t *start, const uint8_t *end,
                        uint8_t access)
{
    uint64_t last = round_up((uintptr_t)end, PAGE_BYTES);
    for (uint64_t at = (uintptr_t)start; at < last; at += PAGE_BYTES)
        map_or_stop(at, boot->kernel_physical + (at - boot->kernel_virtual), PAGE_BYTES, access);
}

static void map_image(const struct boot_info *boot)
{
    map_segment(boot, kernel_text_start, kernel_text_end, PAGE_READ | PAGE_EXECUTE);
    map_segment(boot, kernel_constants_start, kernel_constants_end, PAGE_READ);
    map_segment(boot, kernel_data_start, kernel_data_end, PAGE_READ | PAGE_WRITE);

    uint64_t constant_bytes =
        round_up((uintptr_t)kernel_constants_end, PAGE_BYTES) - boot->kernel_virtual;
    status aliased = page_table_protect(&kernel_table, DIRECT_MAP_BASE + boot->kernel_physical,
                                        constant_bytes, PAGE_READ | PAGE_KERNEL);
    ASSERT(is_ok(aliased));
    kernel_half_unmap((uintptr_t)boot_stack_guard, PAGE_BYTES);
}

static void reserve_root_entries(uint64_t memory_end)
{
    bool all = page_table_reserve_top(&kernel_table, KERNEL_STACKS_START) &&
               page_table_reserve_top(&kernel_table, DEVICES_START) &&
               page_table_reserve_top(&kernel_table, BOOT_KERNEL_BASE);
    for (uint64_t at = 0; at < memory_end; at += ROOT_ENTRY_BYTES)
        all = all && page_table_reserve_top(&kernel_table, DIRECT_MAP_BASE + at);
    if (!all) panic("no memory for the kernel's page tables");
}

void machine_init_paging(const struct boot_info *boot)
{
    frame_result root = frame_pool_take_zeroed(nullptr);
    if (!is_ok(root.status)) panic("no memory for the kernel's page tables");
    kernel_table = (struct page_table){.root = root.value, .table_frames = 1};
    memory_bytes = end_of_memory(boot);
    reserve_root_entries(memory_bytes);
    map_memory(boot);
    map_image(boot);
    page_table_use(nullptr);
    tlb_forget_all(); /* the loader's pages may have been global */
    acpi_init(boot->acpi_root);
}

static bool is_in_direct_map(uint64_t physical, uint64_t length)
{
    uint64_t end;
    if (!checked_add(physical, length, &end) || end > DEVICES_START - DIRECT_MAP_BASE) return false;
    for (uint64_t at = physical; at < end;) {
        struct page_mapping found = page_table_find(&kernel_table, DIRECT_MAP_BASE + at);
        if (found.page_bytes == 0) return false;
        at = round_down(at, found.page_bytes) + found.page_bytes;
    }
    return true;
}

/* Maps whole pages in the device area, a hole behind them, and answers where. nullptr: no room or
 * no memory. */
static void *map_pages(uint64_t physical, uint64_t length, uint8_t access)
{
    uint64_t pages_start = round_down(physical, PAGE_BYTES);
    uint64_t end;
    if (length == 0 || !checked_add(physical, length + PAGE_BYTES - 1, &end)) return nullptr;
    uint64_t bytes = round_down(end, PAGE_BYTES) - pages_start;

    spin_acquire(&half_lock);
    uint64_t address = next_device;
    bool has_room = bytes < DEVICES_END - address - PAGE_BYTES;
    if (has_room) next_device += bytes + PAGE_BYTES;
    spin_release(&half_lock);
    if (!has_room) return nullptr;

    for (uint64_t done = 0; done < bytes; done += PAGE_BYTES) {
        status mapped =
            kernel_half_map(address + done, physical_at(pages_start + done), PAGE_BYTES, access);
        if (is_ok(mapped)) continue;
        kernel_half_unmap(address, done); /* never used: nothing to flush */
        return nullptr;
    }
    return (void *)(uintptr_t)(address + (physical - pages_start));
}

void *machine_map_device(physical_address start, uint64_t length_bytes, uint8_t access)
{
    return map_pages(start.value, length_bytes, PAGE_READ | PAGE_WRITE | access);
}

const void *physical_view(uint64_t physical, uint64_t length_bytes)
{
    if (is_in_direct_map(physical, length_bytes)) return direct_map(physical_at(physical));
    return map_pages(physical, length_bytes, PAGE_READ);
}

/* An executable page may be written under no name: neither this one nor the direct map's. */
static void check_page(uint64_t address, const struct page_mapping *page)
{
    if (!(page->access & PAGE_KERNEL))
        panic("the kernel's page at %#llx is open to programs", (unsigned long long)address);
    if (!(page->access & PAGE_EXECUTE)) return;
    uint64_t alias = DIRECT_MAP_BASE + page->frame.value;
    struct page_mapping other = page_table_find(&kernel_table, alias);
    if ((page->access | other.access) & PAGE_WRITE)
        panic("the code at %#llx can be written", (unsigned long long)address);
}

static void check_range(uint64_t start, uint64_t length)
{
    for (uint64_t done = 0; done < length;) {
        struct page_mapping page = page_table_find(&kernel_table, start + done);
        if (page.page_bytes != 0) check_page(start + done, &page);
        done += page.page_bytes != 0 ? page.page_bytes : PAGE_BYTES;
    }
}

static bool is_hole(const void *page)
{
    return page_table_find(&kernel_table, (uintptr_t)page).page_bytes == 0;
}

void machine_check_mappings(void)
{
    uint64_t image_bytes = (uint64_t)(kernel_data_end - kernel_image_start);
    check_range((uintptr_t)kernel_image_start, image_bytes);
    check_range(DIRECT_MAP_BASE, memory_bytes);
    spin_acquire(&half_lock);
    uint64_t device_bytes = next_device - DEVICES_START;
    spin_release(&half_lock);
    check_range(DEVICES_START, device_bytes);

    const uint8_t *stack = kernel_stack_take();
    ASSERT(stack != nullptr);
    ASSERT(!is_hole(stack - KERNEL_STACK_BYTES) &&
           is_hole(stack - KERNEL_STACK_BYTES - PAGE_BYTES));
    kernel_stack_give((void *)(uintptr_t)stack);
    ASSERT(is_hole(boot_stack_guard));
    ASSERT(page_table_find(&kernel_table, PAGE_BYTES).page_bytes ==
           0); /* the loader's half is gone */
}
