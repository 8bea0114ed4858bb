/*
 * Processes: starting them with exactly what they may touch, waiting for them, ending them.
 *
 * Context: any thread.
 */
#pragma once
#include "peal/file.h"
#include "peal/spawn_block.h"

/* PEAL_GRANT("stdin", console, RIGHTS): any ref. */
#define PEAL_GRANT(grant_name, ref, grant_rights) \
    ((struct peal_grant){.name = TEXT(grant_name), .raw = (ref).raw, .rights = (grant_rights)})

/*
 * Starts the program in `file`, which needs RIGHT_EXECUTE.
 *
 *   NOT_EXECUTABLE      the file is no program for this machine
 *   OUT_OF_RANGE        too many arguments or grants, or more than 1 MiB of them
 *   INVALID_ARGUMENT    a grant's name is empty or too long, or a string is not UTF-8
 *   QUOTA_EXCEEDED, OUT_OF_MEMORY
 */
peal_raw_status peal_raw_spawn(file_ref file, const struct peal_spawn *spawn,
                               peal_raw_handle *out_process ACQUIRES_HANDLE);
static inline process_result peal_process_spawn(file_ref file, const struct peal_spawn *spawn)
{
    process_result result = {0};
    result.status = status_of_raw(peal_raw_spawn(file, spawn, &result.value.raw));
    return result;
}

/*
 * For init and its like: starts a program that is handed all this one was, namely the console (also
 * as its streams), the root directory (also as its current one), the machine and the environment.
 * The only argument is its name. Errors as above.
 */
peal_raw_status peal_raw_spawn_heir(file_ref file, text name,
                                    peal_raw_handle *out_process ACQUIRES_HANDLE);
static inline process_result peal_process_spawn_heir(file_ref file, text name)
{
    process_result result = {0};
    result.status = status_of_raw(peal_raw_spawn_heir(file, name, &result.value.raw));
    return result;
}

/* Waits for its end; `out_exit` tells how. TIMED_OUT */
status peal_process_wait(process_ref process, uint64_t deadline_ns, struct abi_exit *out_exit);

/* Ends it with this exit code. */
status peal_process_kill(process_ref process, uint32_t code);

/* How a process ended, in one line for people, without a line end. Nothing for a plain exit. */
struct writer;
void peal_format_exit(struct writer *writer, const struct abi_exit *how);
