/*
 * The log. A line is put together on the caller's stack, then kept and handed to the sinks under
 * the lock.
 *
 * Locking: a word of its own, because this module lies below sync/. A panic breaks it: its owner
 * may be a processor that has just been stopped.
 */
#include "debug/log.h"
#include "arch/arch/cpu.h"
#include "base/format.h"
#include "debug/log_ring.h"
#include <stdatomic.h>

#define LINE_BYTES_MAX 240u

static _Atomic bool is_locked;
static _Atomic bool is_broken; /* by a panic: nobody locks any more */

/* Guarded by is_locked. */
static struct log_ring ring;
static log_sink *sinks[LOG_SINKS_MAX];
static uint32_t sink_count;

static uint64_t (*clock_ns)(void); /* written once, at boot */

static bool lock(void)
{
    bool were_on = interrupts_disable();
    /* Pairs with the release in unlock(). */
    while (atomic_exchange_explicit(&is_locked, true, memory_order_acquire)) {
        if (atomic_load_explicit(&is_broken, memory_order_relaxed)) break;
        cpu_relax();
    }
    return were_on;
}

static void unlock(bool were_on)
{
    atomic_store_explicit(&is_locked, false, memory_order_release);
    interrupts_restore(were_on);
}

static void write_locked(text piece, bool is_panic)
{
    log_ring_write(&ring, piece);
    for (uint32_t i = 0; i < sink_count; i++)
        sinks[i](piece, is_panic);
}

void log_line(const char *module, const char *format, ...)
{
    char bytes[LINE_BYTES_MAX + 1];
    struct text_writer writer = {.bytes = bytes, .capacity = LINE_BYTES_MAX};
    if (clock_ns != nullptr) {
        uint64_t us = clock_ns() / 1000;
        text_format(&writer, "[%5llu.%06llu] ", (unsigned long long)(us / 1'000'000),
                    (unsigned long long)(us % 1'000'000));
    }
    text_format(&writer, "%s: ", module);
    va_list arguments;
    va_start(arguments, format);
    text_format_list(&writer, format, arguments);
    va_end(arguments);
    bytes[writer.length] = '\n';

    bool were_on = lock();
    write_locked((text){bytes, writer.length + 1}, false);
    unlock(were_on);
}

void log_add_sink(log_sink *sink)
{
    bool were_on = lock();
    if (sink_count < LOG_SINKS_MAX) {
        text kept[2];
        log_ring_view(&ring, kept);
        for (uint32_t i = 0; i < 2; i++)
            if (kept[i].length > 0) sink(kept[i], false);
        sinks[sink_count++] = sink;
    }
    unlock(were_on);
}

void log_set_clock(uint64_t (*now_ns)(void))
{
    clock_ns = now_ns;
}

void log_panic_text(text piece)
{
    atomic_store_explicit(&is_broken, true, memory_order_relaxed);
    write_locked(piece, true);
}

size_t log_tail(char *to, size_t capacity)
{
    bool were_on = lock();
    size_t count = log_ring_read(&ring, to, capacity);
    unlock(were_on);
    return count;
}
