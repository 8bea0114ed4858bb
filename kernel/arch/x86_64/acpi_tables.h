/*
 * What the firmware's static tables say about the machine. Pure: memory is reached through a
 * function, and nothing in a table is believed before its length and checksum are.
 *
 * Sections are those of the ACPI Specification 6.5. Byte code is not run; one constant is looked
 * for.
 *
 * Context: any; no state.
 */
#pragma once
#include "base/status.h"

#define ACPI_PROCESSORS_MAX  64u
#define ACPI_IO_APICS_MAX    8u
#define ACPI_LEGACY_LINES    16u
#define ACPI_TABLE_BYTES_MAX (1u << 20)
#define ACPI_TABLES_MAX      256u

/* Gives a view of physical memory, or nullptr when there is none there. Views stay valid. */
struct acpi_memory {
    const void *(*view)(void *context, uint64_t physical, uint64_t length_bytes);
    void *context;
};

/* The list of all tables (5.2.7, 5.2.8). */
struct acpi_tables {
    struct acpi_memory memory;
    const uint8_t *pointers;
    uint32_t pointer_bytes; /* 4 or 8 */
    uint32_t count;
};

/*
 * Finds the list from the root pointer (5.2.5).
 *   NOT_FOUND   the root pointer, or the list, is not there or is damaged
 */
status acpi_open(struct acpi_tables *tables, struct acpi_memory memory, uint64_t root);

/* The first sound table with the signature, header included; nullptr when there is none. */
const uint8_t *acpi_find(const struct acpi_tables *tables, const char signature[4],
                         uint32_t *out_length);

/* An ISA interrupt line as the I/O APICs see it (5.2.12.5). */
struct acpi_legacy_line {
    uint32_t line;
    bool is_level;
    bool is_active_low;
};

struct acpi_io_apic {
    uint32_t address;
    uint32_t line_first;
};

struct acpi_machine {
    uint64_t local_apic_address;
    uint32_t processor_count; /* enabled ones; the rest of the list is cut */
    uint32_t apic_ids[ACPI_PROCESSORS_MAX];
    uint32_t io_apic_count;
    struct acpi_io_apic io_apics[ACPI_IO_APICS_MAX];
    struct acpi_legacy_line legacy_lines[ACPI_LEGACY_LINES];

    uint64_t hpet_address; /* 0: none */
    uint16_t timer_port;   /* of the PM timer; 0: none */
    bool timer_is_32_bits;
    uint16_t control_ports[2]; /* PM1a and PM1b; 0: none */
    uint16_t smi_port;         /* 0: the machine is in ACPI mode already */
    uint8_t smi_enable;

    bool has_sleep_types; /* what turns the machine off was found */
    uint8_t sleep_types[2];

    bool has_reset;
    bool reset_is_memory; /* else a port */
    uint64_t reset_address;
    uint8_t reset_value;
};

/* Fills what the tables hold; what they do not stays zero, and legacy lines map to themselves. */
void acpi_read_machine(const struct acpi_tables *tables, struct acpi_machine *out_machine);
