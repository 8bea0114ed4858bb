/* The machine's ACPI tables, read once. */
#include "arch/x86_64/x86_64.h"
#include "debug/log.h"

static struct acpi_tables tables;
static struct acpi_machine machine;

static const void *view(void *context, uint64_t physical, uint64_t length_bytes)
{
    (void)context;
    return physical_view(physical, length_bytes);
}

void acpi_init(uint64_t root)
{
    if (root == 0 || !is_ok(acpi_open(&tables, (struct acpi_memory){.view = view}, root)))
        log_line("acpi", "no tables: one processor, no I/O APIC, no power-off");
    acpi_read_machine(&tables, &machine);
}

const struct acpi_machine *acpi_machine(void)
{
    return &machine;
}

const void *machine_find_acpi_table(const char signature[4], uint32_t *out_length)
{
    return acpi_find(&tables, signature, out_length);
}
