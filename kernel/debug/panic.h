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

/* Adds a few words about the running thread; called with interrupts off, other processors stopped.
 */
void panic_set_thread_describer(void (*describe)(struct text_writer *writer));
