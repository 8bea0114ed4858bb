/*
 * `fail_one_in=N` on the kernel's command line: of the allocations made for programs, one in N
 * fails.
 *
 * Spared are init and what it starts itself, so that somebody is left to tell how it went. What
 * fails differs from run to run; what must hold does not: no panic, and nothing lost once the
 * programs have ended.
 *
 * Context: boot, once, when processes exist.
 */
#pragma once
#include "base/text.h"

void fault_injection_init(text command_line);
