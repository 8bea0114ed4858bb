/*
 * Input: the first 64 KiB of physical memory of a machine, root pointer at 16. Checksums are put
 * right for whatever looks like a table, so that the parser behind them is reached. Views are exact
 * copies on the heap: reading one byte past a view is found.
 */
#include "arch/x86_64/acpi_tables.h"
#include "base/bytes.h"
#include "debug/assert.h"
#include <stdlib.h>

#define MEMORY_BYTES 65536u
#define ROOT         16u
#define VIEWS_MAX    4096u

static uint8_t memory[MEMORY_BYTES];
static void *views[VIEWS_MAX];
static uint32_t view_count;

static void fix_checksum(uint8_t *bytes, uint64_t length, uint64_t where)
{
    uint8_t sum = 0;
    bytes[where] = 0;
    for (uint64_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + bytes[i]);
    bytes[where] = (uint8_t)-sum;
}

static const void *view(void *context, uint64_t physical, uint64_t length)
{
    (void)context;
    if (physical > MEMORY_BYTES || length > MEMORY_BYTES - physical) return nullptr;
    if (view_count == VIEWS_MAX) return nullptr;
    uint8_t *bytes = memory + physical;
    if (physical == ROOT) {
        fix_checksum(bytes, 20, 8);
        if (length >= 36) fix_checksum(bytes, length, 32);
    } else if (length >= 36 && load_le32(bytes + 4) == length) {
        fix_checksum(bytes, length, 9);
    }
    void *copy = malloc(length);
    views[view_count++] = copy;
    memcpy(copy, bytes, length);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    memset(memory, 0, sizeof(memory));
    memcpy(memory, input, size < MEMORY_BYTES ? size : MEMORY_BYTES);
    memcpy(memory + ROOT, "RSD PTR ", 8);

    struct acpi_tables tables;
    if (is_ok(acpi_open(&tables, (struct acpi_memory){.view = view}, ROOT))) {
        struct acpi_machine machine;
        acpi_read_machine(&tables, &machine);
        ASSERT(machine.processor_count <= ACPI_PROCESSORS_MAX);
        ASSERT(machine.io_apic_count <= ACPI_IO_APICS_MAX);
        ASSERT(machine.sleep_types[0] <= 7 && machine.sleep_types[1] <= 7);
        ASSERT(!machine.has_reset || machine.reset_address != 0);
    }
    while (view_count > 0)
        free(views[--view_count]);
    return 0;
}
