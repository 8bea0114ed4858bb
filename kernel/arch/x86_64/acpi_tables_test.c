#include "arch/x86_64/acpi_tables.h"
#include "base/bytes.h"
#include "support/test.h"

/* A firmware made of a few tables in 64 KiB of memory. */
static uint8_t memory[65536];
static uint32_t used;

#define ROOT 0x100u

static const void *view(void *context, uint64_t physical, uint64_t length)
{
    (void)context;
    if (physical > sizeof(memory) || length > sizeof(memory) - physical) return nullptr;
    return memory + physical;
}
static const struct acpi_memory machine_memory = {.view = view};

static void fix_checksum(uint8_t *bytes, uint32_t length, uint32_t where)
{
    uint8_t sum = 0;
    bytes[where] = 0;
    for (uint32_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + bytes[i]);
    bytes[where] = (uint8_t)-sum;
}

/* Appends a table; its address. */
static uint32_t add_table(const char *signature, const void *body, uint32_t body_bytes)
{
    uint32_t at = used;
    memcpy(memory + at, signature, 4);
    store_le32(memory + at + 4, 36 + body_bytes);
    memcpy(memory + at + 36, body, body_bytes);
    fix_checksum(memory + at, 36 + body_bytes, 9);
    used += (36 + body_bytes + 15) / 16 * 16;
    return at;
}

static void add_root(uint32_t list, uint8_t revision)
{
    uint8_t *root = memory + ROOT;
    memcpy(root, "RSD PTR ", 8);
    root[15] = revision;
    if (revision < 2) store_le32(root + 16, list);
    store_le32(root + 20, 36);
    store_le64(root + 24, list);
    fix_checksum(root, 20, 8);
    fix_checksum(root, 36, 32);
}

static void begin(void)
{
    memset(memory, 0, sizeof(memory));
    used = 0x200;
}

static uint32_t add_madt(void)
{
    static const uint8_t body[] = {
        0,  0,  0xe0, 0xfe, 1, 0, 0,    0, /* local APIC address, flags */
        0,  8,  0,    0,    1, 0, 0,    0, /* processor 0 */
        0,  8,  1,    4,    1, 0, 0,    0, /* processor 4 */
        0,  8,  2,    5,    0, 0, 0,    0, /* processor 5, not enabled */
        9,  16, 0,    0,    4, 0, 0,    0,    1,    0, 0, 0, 0, 0, 0, 0, /* processor 4 again */
        9,  16, 0,    0,    0, 1, 0,    0,    1,    0, 0, 0, 0, 0, 0, 0, /* processor 256 */
        1,  12, 0,    0,    0, 0, 0xc0, 0xfe, 0,    0, 0, 0,             /* I/O APIC */
        2,  10, 0,    0,    2, 0, 0,    0,    0,    0,                   /* line 0 is 2 */
        2,  10, 0,    9,    9, 0, 0,    0,    0x0f, 0,                   /* line 9: level, low */
        77, 3,  0,                                                       /* unknown */
    };
    return add_table("APIC", body, sizeof(body));
}

static uint32_t add_fadt(const uint8_t *code, uint32_t code_bytes)
{
    uint32_t dsdt = add_table("DSDT", code, code_bytes);
    uint8_t body[268 - 36] = {0};
    store_le32(body + 48 - 36, 0xb2);
    body[52 - 36] = 2;
    store_le32(body + 64 - 36, 0x604);
    store_le32(body + 76 - 36, 0x608);
    body[91 - 36] = 4;
    store_le32(body + 112 - 36, 1u << 10 | 1u << 8);
    body[116 - 36] = 1;
    store_le64(body + 120 - 36, 0xcf9);
    body[128 - 36] = 0xf;
    store_le64(body + 140 - 36, dsdt);
    return add_table("FACP", body, sizeof(body));
}

static const uint8_t sleep_code[] = {0x08, '_', 'S', '5', '_', 0x12, 0x08, 4, 0x0a, 5, 0x01, 0, 0};

static struct acpi_machine read_machine(void)
{
    struct acpi_tables tables;
    CHECK_STATUS(OK, acpi_open(&tables, machine_memory, ROOT));
    struct acpi_machine machine;
    acpi_read_machine(&tables, &machine);
    return machine;
}

static struct acpi_machine whole_machine(void)
{
    begin();
    uint8_t list[24];
    uint8_t hpet[20] = {0};
    store_le32(hpet + 8, 0xfed00000);
    store_le64(list, add_madt());
    store_le64(list + 8, add_fadt(sleep_code, sizeof(sleep_code)));
    store_le64(list + 16, add_table("HPET", hpet, sizeof(hpet)));
    add_root(add_table("XSDT", list, sizeof(list)), 2);
    return read_machine();
}

TEST(a_machine_is_read_from_its_tables)
{
    struct acpi_machine machine = whole_machine();
    CHECK_EQUAL(0xfee00000, machine.local_apic_address);
    CHECK_EQUAL(3, machine.processor_count);
    CHECK_EQUAL(0, machine.apic_ids[0]);
    CHECK_EQUAL(4, machine.apic_ids[1]);
    CHECK_EQUAL(256, machine.apic_ids[2]);
    CHECK_EQUAL(1, machine.io_apic_count);
    CHECK_EQUAL(0xfec00000, machine.io_apics[0].address);
    CHECK_EQUAL(2, machine.legacy_lines[0].line);
    CHECK_EQUAL(1, machine.legacy_lines[1].line);
    CHECK(!machine.legacy_lines[0].is_level);
    CHECK(machine.legacy_lines[9].is_level && machine.legacy_lines[9].is_active_low);
    CHECK_EQUAL(0xfed00000, machine.hpet_address);
    CHECK_EQUAL(0x608, machine.timer_port);
    CHECK(machine.timer_is_32_bits);
    CHECK_EQUAL(0x604, machine.control_ports[0]);
    CHECK_EQUAL(0, machine.control_ports[1]);
    CHECK(machine.has_reset && !machine.reset_is_memory);
    CHECK_EQUAL(0xcf9, machine.reset_address);
    CHECK_EQUAL(0xf, machine.reset_value);
    CHECK(machine.has_sleep_types);
    CHECK_EQUAL(5, machine.sleep_types[0]);
    CHECK_EQUAL(1, machine.sleep_types[1]);
}

TEST(the_short_list_serves_where_there_is_no_extended_one)
{
    begin();
    uint8_t list[4];
    store_le32(list, add_madt());
    add_root(add_table("RSDT", list, sizeof(list)), 0);
    CHECK_EQUAL(3, read_machine().processor_count);
}

TEST(a_damaged_root_pointer_or_list_is_refused)
{
    struct acpi_tables tables;
    begin();
    CHECK_STATUS(NOT_FOUND, acpi_open(&tables, machine_memory, 0));
    CHECK_STATUS(NOT_FOUND, acpi_open(&tables, machine_memory, ROOT));
    CHECK_STATUS(NOT_FOUND, acpi_open(&tables, machine_memory, sizeof(memory) - 8));

    whole_machine();
    memory[ROOT + 10] ^= 1;
    CHECK_STATUS(NOT_FOUND, acpi_open(&tables, machine_memory, ROOT));
    memory[ROOT + 10] ^= 1;
    memory[load_le64(memory + ROOT + 24) + 30] ^= 1;
    CHECK_STATUS(NOT_FOUND, acpi_open(&tables, machine_memory, ROOT));
}

TEST(a_table_with_a_wrong_checksum_or_length_does_not_exist)
{
    whole_machine();
    struct acpi_tables tables;
    CHECK_STATUS(OK, acpi_open(&tables, machine_memory, ROOT));
    uint32_t length = 0;
    uint8_t *madt = (uint8_t *)(uintptr_t)acpi_find(&tables, "APIC", &length);
    CHECK(madt != nullptr);
    madt[40] ^= 4;
    CHECK(acpi_find(&tables, "APIC", &length) == nullptr);
    madt[40] ^= 4;
    store_le32(madt + 4, 35);
    CHECK(acpi_find(&tables, "APIC", &length) == nullptr);
    store_le32(madt + 4, sizeof(memory));
    CHECK(acpi_find(&tables, "APIC", &length) == nullptr);
}

TEST(an_entry_that_runs_past_its_table_ends_the_list)
{
    begin();
    static const uint8_t body[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 7, 1, 0, 0, 0, 0, 8, 1};
    uint8_t list[8];
    store_le64(list, add_table("APIC", body, sizeof(body)));
    add_root(add_table("XSDT", list, sizeof(list)), 2);
    struct acpi_machine machine = read_machine();
    CHECK_EQUAL(1, machine.processor_count);
    CHECK_EQUAL(7, machine.apic_ids[0]);
}

TEST(a_mention_of_the_sleep_package_is_not_its_definition)
{
    static const uint8_t mention[] = {'x', '_', 'S', '5', '_', 0x12, 8, 4, 0x0a, 5, 0x0a, 5};
    static const uint8_t no_package[] = {0x08, '_', 'S', '5', '_', 0x11, 8, 4, 0x0a, 5};
    static const uint8_t cut[] = {0x08, '_', 'S', '5', '_', 0x12, 8, 4, 0x0a};
    static const uint8_t too_big[] = {0x08, '_', 'S', '5', '_', 0x12, 8, 4, 0x0a, 9, 0, 0};
    static const uint8_t rooted[] = {0x08, '\\', '_', 'S',  '5', '_', 0x12,
                                     0x48, 0,    2,   0x0b, 3,   0,   0};
    static const struct {
        const uint8_t *code;
        uint32_t bytes;
        bool is_found;
    } cases[] = {
        {mention, sizeof(mention), false}, {no_package, sizeof(no_package), false},
        {cut, sizeof(cut), false},         {too_big, sizeof(too_big), false},
        {rooted, sizeof(rooted), true},    {nullptr, 0, false},
    };
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        uint8_t list[8];
        uint8_t nothing = 0;
        const uint8_t *code = cases[i].code ? cases[i].code : &nothing;
        store_le64(list, add_fadt(code, cases[i].bytes));
        add_root(add_table("XSDT", list, sizeof(list)), 2);
        CHECK_EQUAL(cases[i].is_found, read_machine().has_sleep_types);
    }
}
