/*
 * The console: what people type and what they see.
 *
 * Typed bytes arrive from input drivers (serial line, keyboard) in any context and wait, up to
 * CONSOLE_INPUT_BYTES, for readers; more are dropped and counted. Written bytes go to every output
 * that was added: serial line, screen. Ctrl-C goes to the watch when there is one, and to readers
 * like any other byte when there is none. There is one console; it is also an object that handles
 * name.
 *
 * Context: console_input from any context; reads and watches are callback-based; writing from task
 *          context, where it may sleep.
 * Locking: LOCK_RANK_CONSOLE inside for input; a mutex (LOCK_RANK_CONSOLE_OUTPUT) per output, so
 * that two writes do not mix.
 */
#pragma once
#include "base/list.h"
#include "base/text.h"
#include "cap/object.h"

#define CONSOLE_INPUT_BYTES   4096u
#define CONSOLE_OUTPUTS_MAX   4u
#define CONSOLE_WAIT_BYTES    64u
#define CONSOLE_INTERRUPT_KEY 3 /* what Ctrl-C types: ASCII end of text */

/* Boot, before the first input. */
void console_init(void);
/* Borrowed: the console is always there. */
struct object *console_object(void);

/* Task context; may wait for the device, never for ever. */
typedef void console_output(const char *bytes, size_t length);
/* Boot only, one caller at a time. At most CONSOLE_OUTPUTS_MAX. */
void console_add_output(console_output *output);
void console_write(const char *bytes, size_t length);

/* From drivers: bytes that were typed. Any context, no lock of rank LOCK_RANK_CONSOLE or above
 * held. */
void console_input(const char *bytes, size_t length);
/* Bytes that were typed while there was no room for them. */
uint64_t console_dropped(void);

/* Takes what has been typed, up to capacity; 0 when there is nothing. Any context. */
size_t console_take(char *to, size_t capacity);

/*
 * Somebody who waits: for input, or for Ctrl-C. What was typed is in `bytes` when `ready` is
 * called, once, in any context, holding no lock; the wait is the waiter's again from then on. While
 * anybody waits for input there is none that could be taken.
 */
struct console_wait {
    struct list link; /* the console's */
    void (*ready)(struct console_wait *wait);
    uint32_t capacity; /* set by the waiter: 1..CONSOLE_WAIT_BYTES */
    uint32_t length;   /* of what is in `bytes`, at least 1 */
    char bytes[CONSOLE_WAIT_BYTES];
};
/* False: there is input already and nothing was registered. Each arrival serves the oldest waiter
 * first. */
[[nodiscard]] bool console_wait_input(struct console_wait *wait);
/*
 * False: there is a watch already. The key drops what was typed before it and has not been read:
 * that belongs to what the key ends.
 */
[[nodiscard]] bool console_watch_interrupt(struct console_wait *wait);
/* True: taken back; `ready` will not be called. False: it has been called or is about to be. */
[[nodiscard]] bool console_unwait(struct console_wait *wait);
