/*
 * The kernel's log: lines for people, on every sink that is installed.
 *
 * A line is "[seconds.micros] module: text". Sinks are few, installed at boot, and must not log.
 * Context: any, interrupts included; never sleeps, never allocates.
 * Locking: an internal lock, taken last (LOCK_RANK_LOG), that a panic breaks.
 */
#pragma once
#include "base/annotations.h"
#include "base/text.h"

/* Writes one line; a newline is added. Cut at 240 bytes. */
void log_line(const char *module, const char *format, ...) PRINTF_LIKE(2, 3);

/* Receives finished pieces of log, in order. `is_panic`: other processors have been stopped. */
typedef void log_sink(text piece, bool is_panic);
#define LOG_SINKS_MAX 4
/* The sink first receives what has been logged so far, as far as it is kept. */
void log_add_sink(log_sink *sink);

/* Where time stamps come from; without one, lines have none. */
void log_set_clock(uint64_t (*now_ns)(void));
/* Raw text to every sink, for panic output. */
void log_panic_text(text piece);
/* The last bytes logged, kept in memory: copies up to `capacity` and returns how many. */
size_t log_tail(char *to, size_t capacity);
