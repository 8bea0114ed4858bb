/*
 * Starting init, and what it is told and given.
 *
 * Options of the kernel's command line that have a value become its environment: `run=tests` there
 * is run=tests here. Context: boot, once, after everything else.
 */
#pragma once
#include "base/text.h"

/*
 * `booted_ns`: since the kernel was entered, for the log. Panics when there is no /boot/bin/init
 * that can run: a machine without a program is of no use.
 */
void start_first(text command_line, uint64_t booted_ns);
