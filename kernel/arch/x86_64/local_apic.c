/*
 * The interrupt controller inside each processor: Intel SDM vol. 3A, 11. Its registers are in
 * memory, or, in x2APIC mode, model specific registers. That mode is used where the firmware left
 * it on, and where a processor's number does not fit into 8 bits.
 */
#include "arch/arch/mmio.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/x86_64.h"
#include "debug/assert.h"

/* Byte offsets; divided by 16 they number the registers of x2APIC mode. */
#define REGISTER_ID            0x20u
#define REGISTER_TASK_PRIORITY 0x80u
#define REGISTER_ACKNOWLEDGE   0xb0u
#define REGISTER_SPURIOUS      0xf0u

#define REGISTER_COMMAND_LOW   0x300u
#define REGISTER_COMMAND_HIGH  0x310u
#define REGISTER_TIMER         0x320u
#define REGISTER_LINE_0        0x350u
#define REGISTER_LINE_1        0x360u
#define REGISTER_ERROR_VECTOR  0x370u
#define REGISTER_TIMER_INITIAL 0x380u
#define REGISTER_TIMER_CURRENT 0x390u
#define REGISTER_TIMER_DIVIDE  0x3e0u

#define BASE_X2APIC      (1ull << 10)
#define BASE_ENABLED     (1ull << 11)
#define BASE_ADDRESS     0x000f'ffff'ffff'f000ull
#define SPURIOUS_ENABLED (1u << 8)
#define LOCAL_MASKED     (1u << 16)
#define LOCAL_NMI        (4u << 8)
#define DIVIDE_BY_16     3u

#define COMMAND_NMI      (4u << 8)
#define COMMAND_INIT     (5u << 8)
#define COMMAND_STARTUP  (6u << 8)
#define COMMAND_PENDING  (1u << 12)
#define COMMAND_ASSERT   (1u << 14)
#define COMMAND_SPIN_MAX 1'000'000u

#define REGISTERS_BYTES   4096u
#define APIC_ID_SHORT_MAX 254u

static mmio32 *registers;
static bool is_x2apic;

static uint32_t register_read(uint32_t which)
{
    if (is_x2apic) return (uint32_t)msr_read(MSR_X2APIC_FIRST + which / 16);
    return mmio32_read(&registers[which / 4]);
}

static void register_write(uint32_t which, uint32_t value)
{
    if (is_x2apic)
        msr_write(MSR_X2APIC_FIRST + which / 16, value);
    else
        mmio32_write(&registers[which / 4], value);
}

static bool needs_x2apic(void)
{
    if (msr_read(MSR_APIC_BASE) & BASE_X2APIC) return true;
    if (!processor.has_x2apic) return false;
    const struct acpi_machine *machine = acpi_machine();
    for (uint32_t i = 0; i < machine->processor_count; i++)
        if (machine->apic_ids[i] > APIC_ID_SHORT_MAX) return true;
    return false;
}

void local_apic_init(uint64_t physical)
{
    is_x2apic = needs_x2apic();
    if (physical == 0) physical = msr_read(MSR_APIC_BASE) & BASE_ADDRESS;
    if (!is_x2apic) {
        registers = machine_map_device(physical_at(physical), REGISTERS_BYTES, PAGE_UNCACHED);
        if (registers == nullptr) panic("no memory to map the local APIC");
    }
    local_apic_enable();
}

void local_apic_enable(void)
{
    uint64_t base = msr_read(MSR_APIC_BASE) | BASE_ENABLED;
    msr_write(MSR_APIC_BASE, base);
    if (is_x2apic) msr_write(MSR_APIC_BASE, base | BASE_X2APIC);
    register_write(REGISTER_TASK_PRIORITY, 0);
    register_write(REGISTER_SPURIOUS, SPURIOUS_ENABLED | VECTOR_SPURIOUS);
    register_write(REGISTER_LINE_0, LOCAL_MASKED);
    register_write(REGISTER_LINE_1, LOCAL_NMI);
    register_write(REGISTER_ERROR_VECTOR, LOCAL_MASKED);
    register_write(REGISTER_TIMER_DIVIDE, DIVIDE_BY_16);
    register_write(REGISTER_TIMER_INITIAL, 0);
    register_write(REGISTER_TIMER, VECTOR_TIMER); /* one shot */
    local_apic_acknowledge();
}

uint32_t local_apic_id(void)
{
    uint32_t id = register_read(REGISTER_ID);
    return is_x2apic ? id : id >> 24;
}

void local_apic_acknowledge(void)
{
    register_write(REGISTER_ACKNOWLEDGE, 0);
}

static void command(uint32_t apic_id, uint32_t what)
{
    if (is_x2apic) {
        msr_write(MSR_X2APIC_FIRST + REGISTER_COMMAND_LOW / 16, (uint64_t)apic_id << 32 | what);
        return;
    }
    bool were_on =
        interrupts_disable(); /* a handler that sends would come between the two writes */
    for (uint32_t spin = 0; spin < COMMAND_SPIN_MAX; spin++) {
        if (!(register_read(REGISTER_COMMAND_LOW) & COMMAND_PENDING)) break;
        cpu_relax();
    }
    register_write(REGISTER_COMMAND_HIGH, apic_id << 24);
    register_write(REGISTER_COMMAND_LOW, what);
    interrupts_restore(were_on);
}

void local_apic_send(uint32_t apic_id, uint32_t vector)
{
    command(apic_id, COMMAND_ASSERT | vector);
}

void local_apic_send_nmi(uint32_t apic_id)
{
    command(apic_id, COMMAND_ASSERT | COMMAND_NMI);
}

void local_apic_send_init(uint32_t apic_id)
{
    command(apic_id, COMMAND_ASSERT | COMMAND_INIT);
}

void local_apic_send_startup(uint32_t apic_id, uint32_t page)
{
    command(apic_id, COMMAND_ASSERT | COMMAND_STARTUP | page);
}

uint32_t local_apic_timer_count(void)
{
    return register_read(REGISTER_TIMER_CURRENT);
}

void local_apic_timer_start(uint32_t initial_count)
{
    register_write(REGISTER_TIMER_INITIAL, initial_count);
}

void cpu_kick(uint32_t index)
{
    local_apic_send(cpu_locals[index].apic_id, VECTOR_KICK);
}
