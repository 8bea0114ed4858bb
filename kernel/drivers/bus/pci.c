/* PCI Express functions: PCI Express Base Specification 5.0; section numbers are its own. */
#include "drivers/bus/pci.h"
#include "arch/arch/machine.h"
#include "arch/arch/mmio.h"
#include "arch/arch/page_table.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/container.h"
#include "debug/assert.h"
#include "debug/log.h"
#include "device/device_init.h"
#include "mm/heap.h"

/* PCI Firmware Specification 3.3, 4.1.2: the table MCFG. */
static constexpr uint32_t MCFG_HEADER_BYTES = 44;
static constexpr uint32_t MCFG_ENTRY_BYTES = 16;

static struct pci_function *functions[PCI_FUNCTIONS_MAX];
static uint32_t function_count;
static bool has_messages = true; /* fixed before drivers start */

void pci_forbid_messages(void)
{
    has_messages = false;
}

struct segment_walk {
    struct pci_walk walk;
    uint64_t base; /* physical address of bus 0's space */
};

static void *map_bus(struct pci_walk *walk, uint8_t bus)
{
    struct segment_walk *segment = container_of(walk, struct segment_walk, walk);
    uint64_t start = segment->base + (uint64_t)bus * PCI_BUS_BYTES;
    return machine_map_device(physical_at(start), PCI_BUS_BYTES, PAGE_UNCACHED);
}

static uint8_t config8_read(const struct pci_function *function, uint32_t offset)
{
    return mmio8_read((mmio8 *)((uint8_t *)function->config + offset));
}

static uint16_t config16_read(const struct pci_function *function, uint32_t offset)
{
    return mmio16_read((mmio16 *)((uint8_t *)function->config + offset));
}

static void config16_write(const struct pci_function *function, uint32_t offset, uint16_t value)
{
    mmio16_write((mmio16 *)((uint8_t *)function->config + offset), value);
}

static uint32_t config32_read(const struct pci_function *function, uint32_t offset)
{
    return mmio32_read((mmio32 *)((uint8_t *)function->config + offset));
}

static void config32_write(const struct pci_function *function, uint32_t offset, uint32_t value)
{
    mmio32_write((mmio32 *)((uint8_t *)function->config + offset), value);
}

static void note_function(struct pci_walk *walk, struct pci_place place, void *config)
{
    (void)walk;
    struct pci_function *function =
        function_count < PCI_FUNCTIONS_MAX ? heap_take_zeroed(sizeof(*function)) : nullptr;
    if (function == nullptr) {
        log_line("pci", "%02x:%02x.%x ignored: no room", place.bus, place.device, place.function);
        return;
    }
    function->place = place;
    function->config = config;
    function->vendor_id = config16_read(function, PCI_VENDOR_ID);
    function->device_id = config16_read(function, PCI_DEVICE_ID);
    function->class_code = config8_read(function, PCI_CLASS);
    function->subclass = config8_read(function, PCI_SUBCLASS);
    function->interface = config8_read(function, PCI_INTERFACE);
    functions[function_count++] = function;
}

void device_init_bus(void)
{
    uint32_t length = 0;
    const uint8_t *table = machine_find_acpi_table("MCFG", &length);
    if (table == nullptr) {
        log_line("pci", "no memory-mapped configuration space");
        return;
    }
    for (uint32_t at = MCFG_HEADER_BYTES; span_fits(at, MCFG_ENTRY_BYTES, length);
         at += MCFG_ENTRY_BYTES) {
        struct segment_walk segment = {
            .walk = {.segment = load_le16(table + at + 8),
                     .first_bus = table[at + 10],
                     .last_bus = table[at + 11],
                     .map_bus = map_bus,
                     .visit = note_function},
            .base = load_le64(table + at),
        };
        pci_walk_buses(&segment.walk);
    }
    log_line("pci", "%u functions", function_count);
}

uint32_t pci_function_count(void)
{
    return function_count;
}

struct pci_function *pci_function_at(uint32_t index)
{
    ASSERT(index < function_count);
    return functions[index];
}

/* Writes all ones, reads what sticks, restores. The function does not decode meanwhile: 7.5.1.2.1.
 */
static uint32_t bar_mask(struct pci_function *function, uint32_t index)
{
    uint32_t offset = PCI_BAR_0 + 4 * index;
    uint32_t value = config32_read(function, offset);
    config32_write(function, offset, UINT32_MAX);
    uint32_t mask = config32_read(function, offset);
    config32_write(function, offset, value);
    return mask;
}

static void read_bars(struct pci_function *function)
{
    bytes_zero(function->bars, sizeof(function->bars));
    for (uint32_t i = 0; i < PCI_BAR_COUNT; i++) {
        bool has_next = i + 1 < PCI_BAR_COUNT;
        uint32_t low = config32_read(function, PCI_BAR_0 + 4 * i);
        uint32_t high = has_next ? config32_read(function, PCI_BAR_0 + 4 * (i + 1)) : 0;
        uint32_t low_mask = bar_mask(function, i);
        uint32_t high_mask = has_next ? bar_mask(function, i + 1) : UINT32_MAX;
        struct pci_bar bar = pci_bar_decode(low, high, low_mask, high_mask);
        if (bar.is_wide && !has_next) return;
        function->bars[i] = bar;
        if (bar.is_wide) i++;
    }
}

void pci_open(struct pci_function *function)
{
    uint16_t command = config16_read(function, PCI_COMMAND);
    config16_write(function, PCI_COMMAND,
                   (uint16_t)(command & ~(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)));
    read_bars(function);
    for (uint32_t offset = 0; offset < PCI_CONFIG_BYTES; offset += 4)
        store_le32(function->snapshot + offset, config32_read(function, offset));
    command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX;
    config16_write(function, PCI_COMMAND, command);

    uint8_t msix = pci_capability_next(function->snapshot, 0, PCI_CAPABILITY_MSIX, PCI_MSIX_BYTES);
    function->msix_capability = has_messages ? msix : 0;
    if (function->msix_capability != 0 &&
        !is_ok(pci_msix_decode(function->snapshot + msix, function->bars, &function->msix)))
        function->msix_capability = 0;
}

void pci_silence(struct pci_function *function)
{
    uint16_t command = config16_read(function, PCI_COMMAND);
    config16_write(function, PCI_COMMAND, (uint16_t)(command & ~PCI_COMMAND_MASTER));
}

pci_memory_result pci_map(const struct pci_function *function, uint8_t bar, uint64_t offset,
                          uint64_t length_bytes)
{
    if (bar >= PCI_BAR_COUNT || length_bytes == 0 ||
        !span_fits(offset, length_bytes, function->bars[bar].length_bytes))
        return (pci_memory_result){.status = FAIL(OUT_OF_RANGE)};
    uint64_t start = function->bars[bar].start + offset;
    uint64_t first_page = round_down(start, PAGE_BYTES);
    uint64_t end = round_up(start + length_bytes, PAGE_BYTES);
    uint8_t *mapped = machine_map_device(physical_at(first_page), end - first_page, PAGE_UNCACHED);
    if (mapped == nullptr) return (pci_memory_result){.status = FAIL(OUT_OF_MEMORY)};
    return (pci_memory_result){.value = mapped + (start - first_page)};
}

/* An entry of the message table: 7.7.2.5 to 7.7.2.8. */
struct msix_entry {
    mmio32 address_low;
    mmio32 address_high;
    mmio32 data;
    mmio32 control; /* bit 0: masked */
};
static_assert(sizeof(struct msix_entry) == PCI_MSIX_ENTRY_BYTES, "hardware layout");

static void write_msix_control(struct pci_function *function, uint16_t set, uint16_t clear)
{
    uint32_t offset = function->msix_capability + PCI_MSIX_CONTROL;
    uint16_t control = config16_read(function, offset);
    config16_write(function, offset, (uint16_t)((control & ~clear) | set));
}

status pci_msix_start(struct pci_function *function)
{
    if (function->msix_capability == 0) return FAIL(NOT_FOUND);
    if (function->msix_table == nullptr) {
        pci_memory_result table =
            pci_map(function, function->msix.table_bar, function->msix.table_offset,
                    (uint64_t)function->msix.vector_count * PCI_MSIX_ENTRY_BYTES);
        TRY(table.status);
        function->msix_table = table.value;
    }
    /* Everything masked while the table still holds what firmware left: 7.7.2.2. */
    write_msix_control(function, PCI_MSIX_CONTROL_ENABLE | PCI_MSIX_CONTROL_MASK_ALL, 0);
    struct msix_entry *entries = function->msix_table;
    for (uint16_t i = 0; i < function->msix.vector_count; i++)
        mmio32_write(&entries[i].control, 1);
    write_msix_control(function, 0, PCI_MSIX_CONTROL_MASK_ALL);
    return OK;
}

uint16_t pci_msix_count(const struct pci_function *function)
{
    return function->msix_capability == 0 ? 0 : function->msix.vector_count;
}

status pci_msix_set(struct pci_function *function, uint16_t index, interrupt_handler *handler,
                    void *argument, uint32_t cpu)
{
    if (function->msix_table == nullptr || index >= function->msix.vector_count)
        return FAIL(OUT_OF_RANGE);
    interrupt_vector vector;
    TRY(interrupt_allocate(handler, argument, cpu, &vector));
    struct msix_entry *entry = (struct msix_entry *)function->msix_table + index;
    uint64_t address = interrupt_message_address(vector);
    mmio32_write(&entry->address_low, (uint32_t)address);
    mmio32_write(&entry->address_high, (uint32_t)(address >> 32));
    mmio32_write(&entry->data, interrupt_message_data(vector));
    mmio32_write(&entry->control, 0);
    return OK;
}
