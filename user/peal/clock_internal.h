/* Between clock.c and start-up. */
#pragma once
#include <abi/clock.h>

void peal_clock_init(const struct abi_clock_page *page);
