/*
 * Turning the machine off and on again: ACPI 6.5, 4.8.3.2 (control registers) and 4.8.3.6 (reset
 * register); then the ways that came before.
 */
#include "arch/arch/mmio.h"
#include "arch/x86_64/x86_64.h"
#include "debug/log.h"
#include "mm/direct_map.h"

#define CONTROL_ACPI_MODE    (1u << 0)
#define CONTROL_SLEEP_SHIFT  10u
#define CONTROL_SLEEP_MASK   (7u << CONTROL_SLEEP_SHIFT)
#define CONTROL_SLEEP_ENABLE (1u << 13)

#define RESET_CONTROL_PORT    0xcf9u
#define RESET_CONTROL_PREPARE 0x02u
#define RESET_CONTROL_FULL    0x0eu
#define KEYBOARD_COMMAND_PORT 0x64u
#define KEYBOARD_PULSE_RESET  0xfeu
#define TEST_DEVICE_PORT      0xf4u

#define SETTLE_US      100'000u
#define MODE_LOOKS_MAX 1000u
#define MODE_LOOK_US   1000u

void halt_forever(void)
{
    for (;;)
        __asm__ volatile("cli\n\thlt");
}

static void enter_acpi_mode(const struct acpi_machine *machine)
{
    if (machine->smi_port == 0 || machine->smi_enable == 0) return;
    if (port16_read(machine->control_ports[0]) & CONTROL_ACPI_MODE) return;
    port8_write(machine->smi_port, machine->smi_enable);
    for (uint32_t look = 0; look < MODE_LOOKS_MAX; look++) {
        if (port16_read(machine->control_ports[0]) & CONTROL_ACPI_MODE) return;
        delay_us(MODE_LOOK_US);
    }
}

static void sleep_forever(uint16_t port, uint8_t sleep_type)
{
    uint32_t control = port16_read(port) & ~(CONTROL_SLEEP_MASK | CONTROL_SLEEP_ENABLE);
    control |= (uint32_t)sleep_type << CONTROL_SLEEP_SHIFT;
    port16_write(port, (uint16_t)control);
    port16_write(port, (uint16_t)(control | CONTROL_SLEEP_ENABLE));
}

void machine_power_off(void)
{
    const struct acpi_machine *machine = acpi_machine();
    interrupts_disable();
    machine_stop_others();
    if (machine->has_sleep_types && machine->control_ports[0] != 0) {
        enter_acpi_mode(machine);
        sleep_forever(machine->control_ports[0], machine->sleep_types[0]);
        if (machine->control_ports[1] != 0)
            sleep_forever(machine->control_ports[1], machine->sleep_types[1]);
        delay_us(SETTLE_US);
    }
    /* As in a panic: a processor that was stopped may hold the log's lock. */
    log_panic_text(
        TEXT("power: the machine cannot turn itself off: it is safe to do it by hand\n"));
    halt_forever();
}

static void reset_by_table(const struct acpi_machine *machine)
{
    if (!machine->has_reset) return;
    if (!machine->reset_is_memory) {
        port8_write((uint16_t)machine->reset_address, machine->reset_value);
        return;
    }
    mmio8 *where = machine_map_device(physical_at(machine->reset_address), 1, PAGE_UNCACHED);
    if (where != nullptr) mmio8_write(where, machine->reset_value);
}

void machine_reboot(void)
{
    interrupts_disable();
    machine_stop_others();
    reset_by_table(acpi_machine());
    delay_us(SETTLE_US);
    port8_write(RESET_CONTROL_PORT, RESET_CONTROL_PREPARE);
    port8_write(RESET_CONTROL_PORT, RESET_CONTROL_FULL);
    delay_us(SETTLE_US);
    port8_write(KEYBOARD_COMMAND_PORT, KEYBOARD_PULSE_RESET);
    delay_us(SETTLE_US);
    /* A fault with no table to handle it, nor the fault of that, resets the processor. */
    static const struct [[gnu::packed]] {
        uint16_t limit;
        uint64_t base;
    } no_table;
    __asm__ volatile("lidt %0\n\tint3" : : "m"(no_table));
    halt_forever();
}

void machine_test_exit(uint8_t code)
{
    interrupts_disable();
    port32_write(TEST_DEVICE_PORT, code);
    halt_forever();
}
