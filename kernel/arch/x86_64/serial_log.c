/*
 * The log on the first serial port: a 16550 at its traditional address, polled, from the first line
 * on. PC16550D data sheet, 8.
 *
 * A port that is not there, or that stops taking bytes, must not stop the kernel: the port is tried
 * with its loop-back, and each byte waits for room only so long.
 */
#include "arch/arch/mmio.h"
#include "arch/x86_64/x86_64.h"
#include "debug/log.h"

#define COM1               0x3f8u
#define UART_DATA          (COM1 + 0)
#define UART_INTERRUPTS    (COM1 + 1)
#define UART_DIVISOR_LOW   (COM1 + 0)
#define UART_DIVISOR_HIGH  (COM1 + 1)
#define UART_FIFO          (COM1 + 2)
#define UART_LINE_CONTROL  (COM1 + 3)
#define UART_MODEM_CONTROL (COM1 + 4)
#define UART_LINE_STATUS   (COM1 + 5)

#define LINE_8N1        0x03u
#define LINE_DIVISOR    0x80u
#define MODEM_LOOP_BACK 0x1eu
#define MODEM_READY     0x0fu /* terminal ready, request to send, both outputs */
#define STATUS_ROOM     0x20u
#define DIVISOR_115200  1u
#define SPIN_MAX        100'000u /* at 115200 baud a byte takes 87 us, a port access about 1 us */

static bool send(uint8_t byte)
{
    for (uint32_t spin = 0; spin < SPIN_MAX; spin++) {
        if (port8_read(UART_LINE_STATUS) & STATUS_ROOM) {
            port8_write(UART_DATA, byte);
            return true;
        }
        cpu_relax();
    }
    return false;
}

static void sink(text piece, bool is_panic)
{
    (void)is_panic;
    for (size_t i = 0; i < piece.length; i++) {
        if (piece.bytes[i] == '\n' && !send('\r')) return;
        if (!send((uint8_t)piece.bytes[i])) return;
    }
}

void machine_init_early_log(void)
{
    port8_write(UART_INTERRUPTS, 0);
    port8_write(UART_LINE_CONTROL, LINE_DIVISOR);
    port8_write(UART_DIVISOR_LOW, DIVISOR_115200);
    port8_write(UART_DIVISOR_HIGH, 0);
    port8_write(UART_LINE_CONTROL, LINE_8N1);
    port8_write(UART_FIFO, 0xc7); /* on, cleared */
    port8_write(UART_MODEM_CONTROL, MODEM_LOOP_BACK);
    port8_write(UART_DATA, 0x5a);
    bool is_there = port8_read(UART_DATA) == 0x5a;
    port8_write(UART_MODEM_CONTROL, MODEM_READY);
    /* An emulated port that was full when it was cleared takes no more until somebody reads. */
    (void)port8_read(UART_DATA);
    if (is_there) log_add_sink(sink);
}
