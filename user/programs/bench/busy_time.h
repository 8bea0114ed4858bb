/*
 * What a machine with one processor does, without the time it is halted: waiting for a device is
 * none of a program's cost, and with QEMU's `sleep=off` it is a jump of the clock that says
 * nothing.
 */
#pragma once
#include "peal/status.h"

/* Nanoseconds so far, of everybody's work: this program's, the kernel's and its threads'. */
size_result busy_time_ns(void);
