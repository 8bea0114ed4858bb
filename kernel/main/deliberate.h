/*
 * `panic=KIND` on the command line: ways for the kernel to be wrong on purpose, so that tests see
 * what happens then.
 *
 *   test        panic() itself            assert      an assertion
 *   read        a page fault on reading   write       on writing to the kernel's own code
 *   execute     on executing data         overflow    of the kernel stack: a double fault
 *   smash       a stack buffer overrun    undefined   an instruction there is none
 *
 * Context: boot processor, once everything that reports is up.
 */
#pragma once
#include "base/text.h"

/* Does not return if it knows the kind. */
void deliberate_panic(text kind);
