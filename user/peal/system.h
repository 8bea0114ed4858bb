/*
 * The machine itself, for programs that were granted its handle ("system"), and chance.
 *
 * Context: any thread.
 */
#pragma once
#include "peal/handle.h"

/* Opens process number `id` with those of `rights` that the system handle has. NOT_FOUND */
peal_raw_status peal_raw_process_open(system_ref system, uint64_t id, uint64_t rights,
                                      peal_raw_handle *out_process ACQUIRES_HANDLE);
static inline process_result peal_process_open(system_ref system, uint64_t id, uint64_t rights)
{
    process_result result = {0};
    result.status = status_of_raw(peal_raw_process_open(system, id, rights, &result.value.raw));
    return result;
}

/* ABI_POWER_OFF or ABI_POWER_REBOOT; returns only when it failed. */
status peal_system_power(system_ref system, uint64_t action);

/* Cryptographically strong random bytes. */
status peal_random(span into);
