/*
 * A PS/2 keyboard behind an 8042 controller, as input of the console.
 *
 * IBM Personal System/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device
 * Controller"; section names below are its own. Whether there is one is found by asking it; every
 * wait is bounded, and a machine without one goes on without.
 *
 * Locking: the decoder is the interrupt handler's; there is one.
 */
#include "arch/arch/cpu.h"
#include "arch/arch/mmio.h"
#include "arch/arch/trap.h"
#include "debug/log.h"
#include "device/console.h"
#include "device/device_init.h"
#include "drivers/input/keyboard.h"
#include "time/clock.h"

static constexpr uint16_t DATA_PORT = 0x60;
static constexpr uint16_t STATUS_PORT = 0x64;
static constexpr uint16_t COMMAND_PORT = 0x64;
static constexpr uint32_t LINE = 1; /* of the ISA bus */

/* "Status register" */
#define STATUS_OUTPUT_FULL 0x01u
#define STATUS_INPUT_FULL  0x02u
#define STATUS_AUXILIARY   0x20u /* the byte is the mouse's */

/* "Controller commands" */
#define COMMAND_READ_MODE         0x20u
#define COMMAND_WRITE_MODE        0x60u
#define COMMAND_DISABLE_AUXILIARY 0xa7u
#define COMMAND_SELF_TEST         0xaau
#define COMMAND_DISABLE_KEYBOARD  0xadu
#define COMMAND_ENABLE_KEYBOARD   0xaeu
#define SELF_TEST_PASSED          0x55u

/* "Controller command byte" */
#define MODE_KEYBOARD_INTERRUPT  0x01u
#define MODE_AUXILIARY_INTERRUPT 0x02u
#define MODE_KEYBOARD_OFF        0x10u
#define MODE_TRANSLATE           0x40u /* scancode set 1 arrives, whatever the keyboard sends */

static constexpr uint64_t WAIT_MS = 50; /* for the controller; its self-test takes longest */
static constexpr uint32_t DRAIN_BYTES_MAX = 64; /* more than any controller keeps */

static struct keyboard keyboard;

static bool wait_status(uint8_t mask, uint8_t wanted)
{
    deadline limit = deadline_in_ms(WAIT_MS);
    for (;;) {
        bool is_last_look = deadline_passed(limit);
        if ((port8_read(STATUS_PORT) & mask) == wanted) return true;
        if (is_last_look) return false;
        cpu_relax();
    }
}

static bool send_command(uint8_t command)
{
    if (!wait_status(STATUS_INPUT_FULL, 0)) return false;
    port8_write(COMMAND_PORT, command);
    return true;
}

static bool send_data(uint8_t data)
{
    if (!wait_status(STATUS_INPUT_FULL, 0)) return false;
    port8_write(DATA_PORT, data);
    return true;
}

static bool read_answer(uint8_t *out)
{
    if (!wait_status(STATUS_OUTPUT_FULL, STATUS_OUTPUT_FULL)) return false;
    *out = port8_read(DATA_PORT);
    return true;
}

static void drain(void)
{
    for (uint32_t i = 0; i < DRAIN_BYTES_MAX; i++) {
        if ((port8_read(STATUS_PORT) & STATUS_OUTPUT_FULL) == 0) return;
        (void)port8_read(DATA_PORT);
    }
}

/* Leaves the keyboard enabled, translating and interrupting; the mouse off. */
static bool bring_up(void)
{
    if (port8_read(STATUS_PORT) == 0xff) return false; /* nobody answers on the bus */
    if (!send_command(COMMAND_DISABLE_KEYBOARD) || !send_command(COMMAND_DISABLE_AUXILIARY))
        return false;
    drain();
    uint8_t answer;
    if (!send_command(COMMAND_SELF_TEST) || !read_answer(&answer) || answer != SELF_TEST_PASSED)
        return false;
    uint8_t mode;
    if (!send_command(COMMAND_READ_MODE) || !read_answer(&mode)) return false;
    mode |= MODE_KEYBOARD_INTERRUPT | MODE_TRANSLATE;
    mode &= (uint8_t)~(MODE_AUXILIARY_INTERRUPT | MODE_KEYBOARD_OFF);
    if (!send_command(COMMAND_WRITE_MODE) || !send_data(mode)) return false;
    return send_command(COMMAND_ENABLE_KEYBOARD);
}

static void key_arrived(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < DRAIN_BYTES_MAX; i++) {
        uint8_t now = port8_read(STATUS_PORT);
        if ((now & STATUS_OUTPUT_FULL) == 0) return;
        uint8_t scancode = port8_read(DATA_PORT);
        if (now & STATUS_AUXILIARY) continue;
        char typed[KEYBOARD_SEQUENCE_BYTES_MAX];
        size_t length = keyboard_decode(&keyboard, scancode, typed);
        if (length > 0) console_input(typed, length);
    }
}

void device_init_input(void)
{
    interrupt_vector vector;
    if (!is_ok(interrupt_allocate(key_arrived, nullptr, 0, &vector))) {
        log_line("keyboard", "no interrupt vector");
        return;
    }
    if (!bring_up()) {
        interrupt_free(vector);
        log_line("keyboard", "no PS/2 controller");
        return;
    }
    if (!is_ok(interrupt_route_legacy(LINE, vector))) {
        interrupt_free(vector);
        log_line("keyboard", "no interrupt line");
        return;
    }
    bool were_on = interrupts_disable();
    key_arrived(nullptr); /* what came before the line was routed */
    interrupts_restore(were_on);
}
