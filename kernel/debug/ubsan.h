/*
 * The undefined behaviour sanitizer's reports, in kernels built with UBSAN=1: one log line each,
 * from module "ubsan". Context: any.
 */
#pragma once
#include <stdint.h>

/* How many there have been; 0 in other kernels. */
uint64_t ubsan_reports(void);
