/*
 * `selftest` on the command line: what only the kernel itself can test, on the machine it runs
 * on.
 *
 * Context: task, on the boot thread, all processors running. Panics at the first thing that is
 * wrong.
 */
#pragma once

void self_test(void);
