/*
 * The first serial port, a 16550 at its traditional address: what is typed there is console input,
 * what programs write goes out. National Semiconductor PC16550D data sheet, section 8.
 *
 * Receiving is driven by interrupts, sending is polled with a bound: a port that stops taking bytes
 * loses output and delays nobody for long. The kernel's log writes to the same port, whenever its
 * transmitter is empty.
 *
 * Locking: none. Sending is serialised by the console's mutex for this output, receiving by the
 * interrupt; they touch different registers.
 */
#include "arch/arch/cpu.h"
#include "arch/arch/mmio.h"
#include "arch/arch/trap.h"
#include "debug/log.h"
#include "device/console.h"
#include "device/device_init.h"

static constexpr uint16_t PORT = 0x3f8;
static constexpr uint32_t LINE = 4; /* of the ISA bus */

/* Registers, from the port on: 8, table II. */
#define UART_DATA             (PORT + 0)
#define UART_INTERRUPT_ENABLE (PORT + 1)
#define UART_FIFO_CONTROL     (PORT + 2)
#define UART_LINE_STATUS      (PORT + 5)
#define UART_SCRATCH          (PORT + 7)

#define ENABLE_RECEIVED 0x01u /* 8.7 */
#define FIFO_ON         0x01u /* 8.5; one byte is enough for an interrupt */
#define STATUS_RECEIVED 0x01u /* 8.4 */
#define STATUS_DAMAGED  0x1cu /* parity, framing, break */
#define STATUS_EMPTY    0x20u

/*
 * The transmitter holds 16 bytes: 8.5. We send one fewer at a time, since the log may have seen it
 * empty at the same moment and add a byte of its own.
 */
static constexpr uint32_t BURST_BYTES = 15;
static constexpr uint32_t SEND_LOOKS_MAX = 20'000; /* a burst takes 1.3 ms, a look about 1 us */
static constexpr uint32_t RECEIVE_BYTES_MAX = 256; /* per interrupt */

static bool wait_until_empty(void)
{
    for (uint32_t look = 0; look < SEND_LOOKS_MAX; look++) {
        if (port8_read(UART_LINE_STATUS) & STATUS_EMPTY) return true;
        cpu_relax();
    }
    return false;
}

/* Sends one byte; `room` is what the transmitter still takes before it must be empty again. */
static bool send(char byte, uint32_t *room)
{
    if (*room == 0) {
        if (!wait_until_empty()) return false;
        *room = BURST_BYTES;
    }
    port8_write(UART_DATA, (uint8_t)byte);
    --*room;
    return true;
}

/* Terminals want a carriage return before each line feed. */
static void write_out(const char *bytes, size_t length)
{
    uint32_t room = 0;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n' && !send('\r', &room)) return;
        if (!send(bytes[i], &room)) return;
    }
}

static void receive(void *argument)
{
    (void)argument;
    char typed[RECEIVE_BYTES_MAX];
    uint32_t count = 0;
    uint8_t line = 0;
    for (uint32_t i = 0; i < RECEIVE_BYTES_MAX; i++) {
        line = port8_read(UART_LINE_STATUS);
        if ((line & STATUS_RECEIVED) == 0) break;
        char byte = (char)port8_read(UART_DATA);
        if ((line & STATUS_DAMAGED) == 0) typed[count++] = byte;
    }
    if (line & STATUS_RECEIVED) {
        /* More is there: without a new edge on the line there would be no further interrupt. */
        port8_write(UART_INTERRUPT_ENABLE, 0);
        port8_write(UART_INTERRUPT_ENABLE, ENABLE_RECEIVED);
    }
    if (count > 0) console_input(typed, count);
}

/* 8.10: the scratch register keeps what is written; nothing at all reads as ones. */
static bool is_present(void)
{
    port8_write(UART_SCRATCH, 0x5a);
    if (port8_read(UART_SCRATCH) != 0x5a) return false;
    port8_write(UART_SCRATCH, 0xa5);
    return port8_read(UART_SCRATCH) == 0xa5;
}

void device_init_serial(void)
{
    if (!is_present()) {
        log_line("serial", "no port");
        return;
    }
    console_add_output(write_out);
    interrupt_vector vector;
    if (!is_ok(interrupt_allocate(receive, nullptr, 0, &vector))) {
        log_line("serial", "no interrupt vector: output only");
        return;
    }
    if (!is_ok(interrupt_route_legacy(LINE, vector))) {
        interrupt_free(vector);
        log_line("serial", "no interrupt line: output only");
        return;
    }
    port8_write(UART_FIFO_CONTROL, FIFO_ON);
    port8_write(UART_INTERRUPT_ENABLE, ENABLE_RECEIVED);
    /* What came before now has raised its edge already. */
    bool were_on = interrupts_disable();
    receive(nullptr);
    interrupts_restore(were_on);
}
