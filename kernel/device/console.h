/*
 * The console: what people type and what they see.
 *
 * Typed bytes arrive from input drivers (serial, keyboard) in any context and wait, up to CONSOLE_INPUT_BYTES, for readers; more are
 * dropped and counted. Written bytes go to every output that was added: serial line, screen. Ctrl-C goes to the watch when there is one.
 * There is one console; it is also an object that handles name.
 *
 * Context: console_input from any context; reads and watches are callback-based; writing from task context.
 * Locking: LOCK_RANK_CONSOLE for input; a mutex per output so that lines do not mix.
 */
#pragma once
#include "base/list.h"
#include "base/text.h"
#include "cap/object.h"

#define CONSOLE_INPUT_BYTES 4096u
#define CONSOLE_OUTPUTS_MAX 4u

/* Boot. OUT_OF_MEMORY */
status console_init(void);
struct object *console_object(void);

typedef void console_output(const char *bytes, size_t length);
/* Task context; may wait for the device, never for ever. */
void console_add_output(console_output *output);
void console_write(const char *bytes, size_t length);

/* From drivers. */
void console_input(const char *bytes, size_t length);

/* Takes what has been typed, up to capacity; 0 when there is nothing. */
size_t console_take(char *to, size_t capacity);

/* Somebody who waits: for input, or for Ctrl-C. `ready` is called once, in any context, holding no lock. */
struct console_wait {
    struct list link;
    void (*ready)(struct console_wait *wait);
};
/* False: there is input already and nothing was registered. Each arrival readies the oldest waiter. */
bool console_wait_input(struct console_wait *wait);
/* False: there is a watch already. */
bool console_watch_interrupt(struct console_wait *wait);
/* True: taken back before `ready` was called. */
bool console_unwait(struct console_wait *wait);
