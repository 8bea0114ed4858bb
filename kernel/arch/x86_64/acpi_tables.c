/* Section numbers in this file are those of the ACPI Specification 6.5. */
#include "arch/x86_64/acpi_tables.h"
#include "base/bytes.h"
#include "base/checked.h"

#define HEADER_BYTES  36u
#define HEADER_LENGTH 4u

/* 5.2.5.3 */
#define ROOT_BYTES_1   20u
#define ROOT_BYTES_2   36u
#define ROOT_REVISION  15u
#define ROOT_LIST_4    16u
#define ROOT_LENGTH    20u
#define ROOT_LIST_8    24u
#define ROOT_BYTES_MAX 4096u

/* 5.2.12 */
#define MADT_LOCAL_APIC     36u
#define MADT_ENTRIES        44u
#define MADT_PROCESSOR      0u
#define MADT_IO_APIC        1u
#define MADT_OVERRIDE       2u
#define MADT_ADDRESS        5u
#define MADT_PROCESSOR_WIDE 9u
#define MADT_ENABLED        1u

/* 5.2.9 */
#define FADT_DSDT_4          40u
#define FADT_SMI_PORT        48u
#define FADT_SMI_ENABLE      52u
#define FADT_CONTROL_A       64u
#define FADT_CONTROL_B       68u
#define FADT_TIMER           76u
#define FADT_TIMER_BYTES     91u
#define FADT_FLAGS           112u
#define FADT_RESET           116u
#define FADT_RESET_VALUE     128u
#define FADT_DSDT_8          140u
#define FADT_FLAG_TIMER_LONG (1u << 8)
#define FADT_FLAG_RESET      (1u << 10)
#define SPACE_MEMORY         0u
#define SPACE_PORT           1u

/* IA-PC HPET Specification 1.0a, 3.2.4 */
#define HPET_SPACE   40u
#define HPET_ADDRESS 44u

static bool sums_to_zero(const uint8_t *bytes, uint64_t length)
{
    uint8_t sum = 0;
    for (uint64_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum == 0;
}

static const uint8_t *view(const struct acpi_memory *memory, uint64_t physical, uint64_t length)
{
    return physical == 0 ? nullptr : memory->view(memory->context, physical, length);
}

/* A table whose header, length and checksum are right, or nullptr. */
static const uint8_t *table_view(const struct acpi_memory *memory, uint64_t physical,
                                 uint32_t *out_length)
{
    const uint8_t *header = view(memory, physical, HEADER_BYTES);
    if (header == nullptr) return nullptr;
    uint32_t length = load_le32(header + HEADER_LENGTH);
    if (length < HEADER_BYTES || length > ACPI_TABLE_BYTES_MAX) return nullptr;
    const uint8_t *table = view(memory, physical, length);
    if (table == nullptr || !sums_to_zero(table, length)) return nullptr;
    *out_length = length;
    return table;
}

/* 0 where the root pointer does not lead to an extended list. */
static uint64_t extended_list(const struct acpi_memory *memory, uint64_t root)
{
    const uint8_t *bytes = view(memory, root, ROOT_BYTES_2);
    if (bytes == nullptr || bytes[ROOT_REVISION] < 2) return 0;
    uint32_t length = load_le32(bytes + ROOT_LENGTH);
    if (length < ROOT_BYTES_2 || length > ROOT_BYTES_MAX) return 0;
    bytes = view(memory, root, length);
    if (bytes == nullptr || !sums_to_zero(bytes, length)) return 0;
    return load_le64(bytes + ROOT_LIST_8);
}

static bool open_list(struct acpi_tables *tables, uint64_t physical, const char signature[4],
                      uint32_t pointer_bytes)
{
    uint32_t length;
    const uint8_t *list = table_view(&tables->memory, physical, &length);
    if (list == nullptr || !bytes_equal(list, signature, 4)) return false;
    tables->pointers = list + HEADER_BYTES;
    tables->pointer_bytes = pointer_bytes;
    tables->count = min_of((length - HEADER_BYTES) / pointer_bytes, ACPI_TABLES_MAX);
    return true;
}

status acpi_open(struct acpi_tables *tables, struct acpi_memory memory, uint64_t root)
{
    *tables = (struct acpi_tables){.memory = memory};
    const uint8_t *bytes = view(&memory, root, ROOT_BYTES_1);
    if (bytes == nullptr || !bytes_equal(bytes, "RSD PTR ", 8)) return FAIL(NOT_FOUND);
    if (!sums_to_zero(bytes, ROOT_BYTES_1)) return FAIL(NOT_FOUND);
    if (open_list(tables, extended_list(&memory, root), "XSDT", 8)) return OK;
    if (open_list(tables, load_le32(bytes + ROOT_LIST_4), "RSDT", 4)) return OK;
    return FAIL(NOT_FOUND);
}

const uint8_t *acpi_find(const struct acpi_tables *tables, const char signature[4],
                         uint32_t *out_length)
{
    for (uint32_t i = 0; i < tables->count; i++) {
        const uint8_t *pointer = tables->pointers + (uint64_t)i * tables->pointer_bytes;
        uint64_t physical = tables->pointer_bytes == 8 ? load_le64(pointer) : load_le32(pointer);
        const uint8_t *header = view(&tables->memory, physical, HEADER_BYTES);
        if (header == nullptr || !bytes_equal(header, signature, 4)) continue;
        const uint8_t *table = table_view(&tables->memory, physical, out_length);
        if (table != nullptr) return table;
    }
    return nullptr;
}

static void add_processor(struct acpi_machine *machine, uint32_t apic_id, uint32_t flags)
{
    if (!(flags & MADT_ENABLED) || machine->processor_count == ACPI_PROCESSORS_MAX) return;
    for (uint32_t i = 0; i < machine->processor_count; i++)
        if (machine->apic_ids[i] == apic_id) return; /* listed in both forms */
    machine->apic_ids[machine->processor_count++] = apic_id;
}

static void add_override(struct acpi_machine *machine, const uint8_t *entry)
{
    uint8_t source = entry[3];
    if (entry[2] != 0 || source >= ACPI_LEGACY_LINES) return;
    uint16_t flags = load_le16(entry + 8);
    machine->legacy_lines[source] = (struct acpi_legacy_line){
        .line = load_le32(entry + 4),
        .is_active_low = (flags & 3) == 3,
        .is_level = (flags >> 2 & 3) == 3,
    };
}

static void read_madt_entry(struct acpi_machine *machine, const uint8_t *entry, uint32_t length)
{
    switch (entry[0]) {
    case MADT_PROCESSOR:
        if (length >= 8) add_processor(machine, entry[3], load_le32(entry + 4));
        break;
    case MADT_PROCESSOR_WIDE:
        if (length >= 16) add_processor(machine, load_le32(entry + 4), load_le32(entry + 8));
        break;
    case MADT_IO_APIC:
        if (length < 12 || machine->io_apic_count == ACPI_IO_APICS_MAX) break;
        machine->io_apics[machine->io_apic_count++] = (struct acpi_io_apic){
            .address = load_le32(entry + 4),
            .line_first = load_le32(entry + 8),
        };
        break;
    case MADT_OVERRIDE:
        if (length >= 10) add_override(machine, entry);
        break;
    case MADT_ADDRESS:
        if (length >= 12) machine->local_apic_address = load_le64(entry + 4);
        break;
    default:
        break; /* newer kinds do not concern us */
    }
}

static void read_madt(const struct acpi_tables *tables, struct acpi_machine *machine)
{
    uint32_t length;
    const uint8_t *table = acpi_find(tables, "APIC", &length);
    if (table == nullptr || length < MADT_ENTRIES) return;
    machine->local_apic_address = load_le32(table + MADT_LOCAL_APIC);
    for (uint32_t at = MADT_ENTRIES; length - at >= 2;) {
        uint32_t entry_length = table[at + 1];
        if (entry_length < 2 || entry_length > length - at) return;
        read_madt_entry(machine, table + at, entry_length);
        at += entry_length;
    }
}

static void read_hpet(const struct acpi_tables *tables, struct acpi_machine *machine)
{
    uint32_t length;
    const uint8_t *table = acpi_find(tables, "HPET", &length);
    if (table == nullptr || length < HPET_ADDRESS + 8) return;
    if (table[HPET_SPACE] == SPACE_MEMORY) machine->hpet_address = load_le64(table + HPET_ADDRESS);
}

/* One integer of a package (20.2.3), at *at; false when it is anything else. */
static bool read_integer(const uint8_t *code, uint32_t length, uint32_t *at, uint64_t *out)
{
    if (*at >= length) return false;
    uint8_t op = code[(*at)++];
    uint32_t bytes = op == 0x0a ? 1 : op == 0x0b ? 2 : op == 0x0c ? 4 : op == 0x0e ? 8 : 0;
    if (op == 0x00 || op == 0x01) {
        *out = op;
        return true;
    }
    if (bytes == 0 || bytes > length - *at) return false;
    *out = 0;
    for (uint32_t i = 0; i < bytes; i++)
        *out |= (uint64_t)code[*at + i] << 8 * i;
    *at += bytes;
    return true;
}

/* The package behind the name _S5_ (7.4.2.6): its first two integers are what to write to put the
 * machine to sleep. */
static bool read_sleep_package(const uint8_t *code, uint32_t length, uint32_t at,
                               uint8_t out_types[2])
{
    if (length - at < 3 || code[at] != 0x12) return false; /* PackageOp */
    at += 1 + 1 + (code[at + 1] >> 6);                     /* the length has up to 3 more bytes */
    if (at >= length || code[at++] < 2) return false;      /* elements */
    uint64_t types[2];
    for (uint32_t i = 0; i < 2; i++) {
        if (!read_integer(code, length, &at, &types[i]) || types[i] > 7) return false;
        out_types[i] = (uint8_t)types[i];
    }
    return true;
}

static void read_sleep_types(const struct acpi_memory *memory, uint64_t dsdt,
                             struct acpi_machine *machine)
{
    uint32_t length;
    const uint8_t *code = table_view(memory, dsdt, &length);
    if (code == nullptr || !bytes_equal(code, "DSDT", 4)) return;
    for (uint32_t at = HEADER_BYTES + 1; length - at > 4 && at < length; at++) {
        if (!bytes_equal(code + at, "_S5_", 4)) continue;
        /* NameOp, perhaps with a root prefix between it and the name: else it is only a mention. */
        bool is_name = code[at - 1] == 0x08 || (code[at - 1] == '\\' && code[at - 2] == 0x08);
        if (is_name && read_sleep_package(code, length, at + 4, machine->sleep_types)) {
            machine->has_sleep_types = true;
            return;
        }
    }
}

static uint16_t port_at(const uint8_t *table, uint32_t length, uint32_t offset)
{
    if (!span_fits(offset, 4, length)) return 0;
    uint32_t port = load_le32(table + offset);
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

static void read_reset(const uint8_t *table, uint32_t length, struct acpi_machine *machine)
{
    if (length <= FADT_RESET_VALUE || !(load_le32(table + FADT_FLAGS) & FADT_FLAG_RESET)) return;
    uint8_t space = table[FADT_RESET];
    uint64_t address = load_le64(table + FADT_RESET + 4);
    if (space == SPACE_PORT && address > UINT16_MAX) return;
    if ((space != SPACE_PORT && space != SPACE_MEMORY) || address == 0) return;
    machine->has_reset = true;
    machine->reset_is_memory = space == SPACE_MEMORY;
    machine->reset_address = address;
    machine->reset_value = table[FADT_RESET_VALUE];
}

static void read_fadt(const struct acpi_tables *tables, struct acpi_machine *machine)
{
    uint32_t length;
    const uint8_t *table = acpi_find(tables, "FACP", &length);
    if (table == nullptr || length < FADT_FLAGS + 4) return;
    machine->control_ports[0] = port_at(table, length, FADT_CONTROL_A);
    machine->control_ports[1] = port_at(table, length, FADT_CONTROL_B);
    machine->smi_port = port_at(table, length, FADT_SMI_PORT);
    machine->smi_enable = table[FADT_SMI_ENABLE];
    if (table[FADT_TIMER_BYTES] == 4) machine->timer_port = port_at(table, length, FADT_TIMER);
    machine->timer_is_32_bits = (load_le32(table + FADT_FLAGS) & FADT_FLAG_TIMER_LONG) != 0;
    read_reset(table, length, machine);

    uint64_t dsdt = span_fits(FADT_DSDT_8, 8, length) ? load_le64(table + FADT_DSDT_8) : 0;
    if (dsdt == 0) dsdt = load_le32(table + FADT_DSDT_4);
    read_sleep_types(&tables->memory, dsdt, machine);
}

void acpi_read_machine(const struct acpi_tables *tables, struct acpi_machine *out_machine)
{
    *out_machine = (struct acpi_machine){0};
    for (uint32_t line = 0; line < ACPI_LEGACY_LINES; line++)
        out_machine->legacy_lines[line].line = line;
    read_madt(tables, out_machine);
    read_hpet(tables, out_machine);
    read_fadt(tables, out_machine);
}
