/*
 * Files of a volume: what opening, making, renaming and listing them costs the processor, and how
 * long it takes to write and read much of them. bench/linux/storage.c does the same on Linux.
 *
 * Everything happens in a folder of this program's own in BENCH_FOLDER (/disk0), and is taken away
 * in the end. Context: the bench program's first thread.
 */
#pragma once
#include "peal/status.h"

/* Each: nanoseconds of one operation without the time in which the processor is halted. */
status file_bench_open_stat_close(uint64_t *out_ns);
status file_bench_create_write_sync(uint64_t *out_ns);
status file_bench_create_delete(uint64_t *out_ns);
status file_bench_rename(uint64_t *out_ns);
status file_bench_enumerate(uint64_t *out_ns); /* per entry */

/* Nanoseconds of all 64 MiB, with the waiting. NOT_FOUND: no such file has been prepared */
status file_bench_write_64m(uint64_t *out_ns);
status file_bench_read_64m(uint64_t *out_ns);
status file_bench_read_64m_direct(uint64_t *out_ns);
