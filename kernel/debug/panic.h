/*
 * What happens when the kernel is wrong: panic() itself is in debug/assert.h.
 *
 * Context: boot.
 */
#pragma once
#include "base/format.h"

/* In test mode a panic ends QEMU with this code, status 2 * 35 + 1 = 71, instead of standing still.
 */
#define PANIC_TEST_EXIT_CODE 35u
void panic_set_test_mode(bool is_test);

/*
 * How threads are told: the few words that name one, and what it did last, in lines, or nothing.
 * Both are called with interrupts off and the other processors stopped, and take no locks.
 */
struct thread;
struct panic_thread_describer {
    void (*name)(struct text_writer *writer, const struct thread *thread);
    void (*history)(struct text_writer *writer, const struct thread *thread);
    /* What runs on a processor; nullptr: not known. */
    const struct thread *(*find)(uint32_t cpu);
};
void panic_set_thread_describer(const struct panic_thread_describer *describer);
