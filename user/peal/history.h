/*
 * How handles came to be, and who else can reach what they name.
 *
 * Context: any thread.
 */
#pragma once
#include "peal/handle.h"

/*
 * The handle itself, what it derives from, and so on up to the first one: as many as fit. How many.
 *   CAPABILITY_REVOKED, INVALID_CAPABILITY
 */
size_result peal_raw_explain(peal_raw_handle handle, struct abi_derivation *records,
                             uint32_t capacity);

/* Who can reach the object with this number, in any process, from behind `cookie` on: 0, or the
 * last record's next_cookie. How many; 0 when there are no more. */
size_result peal_system_reach(system_ref system, uint64_t object_id, uint64_t cookie,
                              struct abi_derivation *records, uint32_t capacity);

struct writer;
/* In words: "duplicated", "granted to a new process", ... */
void peal_format_origin(struct writer *writer, uint32_t origin);
/* "shell (3)", "process 3" when the system handle is nil or has no such process, "the kernel" for
 * 0. */
void peal_format_process(struct writer *writer, system_ref system, uint64_t process);
