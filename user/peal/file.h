/*
 * Files and directories: what is read, written or listed. Streams are in stream.h.
 *
 * Reads and writes move bytes between the object and registered memory; see memory.h for what that
 * is. They may move fewer than asked for; 0 read is the end. A directory is opened relative to
 * another: there is no other way to name a file.
 *
 * Context: any thread; sleeps until the device has answered.
 */
#pragma once
#include "peal/stream.h"
#include <abi/ring.h>

/* Rights to ask for when opening. */
#define RIGHTS_HANDLE  (ABI_RIGHT_CLOSE | ABI_RIGHT_STAT | ABI_RIGHT_DUP)
#define RIGHTS_READ    (RIGHTS_HANDLE | ABI_RIGHT_READ | ABI_RIGHT_SEEK)
#define RIGHTS_EXECUTE (RIGHTS_HANDLE | ABI_RIGHT_READ | ABI_RIGHT_EXECUTE)
#define RIGHTS_FOLDER                                                                            \
    (RIGHTS_HANDLE | ABI_RIGHT_READ | ABI_RIGHT_SEEK | ABI_RIGHT_ENUMERATE | ABI_RIGHT_LOOK_UP | \
     ABI_RIGHT_EXECUTE)

/*
 * Opens `path` below `folder` with those of `rights` that the folder has.
 *
 *   NOT_FOUND            nothing of that name, or it is no file (no directory)
 *   PERMISSION_DENIED    the path is absolute or contains '..'
 *   INVALID_ARGUMENT     it is empty, too long or not UTF-8
 */
peal_raw_status peal_raw_open(directory_ref folder, text path, uint64_t rights, uint32_t flags,
                              peal_raw_handle *out_handle ACQUIRES_HANDLE);
static inline file_result peal_file_open(directory_ref folder, text path, uint64_t rights)
{
    file_result result = {0};
    result.status = status_of_raw(
        peal_raw_open(folder, path, rights, ABI_OPEN_MUST_BE_FILE, &result.value.raw));
    return result;
}
static inline directory_result peal_directory_open(directory_ref folder, text path, uint64_t rights)
{
    directory_result result = {0};
    result.status = status_of_raw(
        peal_raw_open(folder, path, rights, ABI_OPEN_MUST_BE_FOLDER, &result.value.raw));
    return result;
}

/* At the file's own position, which moves. IO_ERROR, BUFFER_NOT_REGISTERED */
size_result peal_file_read(file_ref file, span into);
size_result peal_file_write(file_ref file, view from);
/* At `offset_bytes`; the position stays. */
size_result peal_file_read_at(file_ref file, span into, uint64_t offset_bytes);
size_result peal_file_write_at(file_ref file, view from, uint64_t offset_bytes);
/* Moves the position to `distance` from ABI_SEEK_SET, _CURRENT or _END, clamped to the file. */
size_result peal_file_seek(file_ref file, int64_t distance, uint32_t from);
size_result peal_file_size(file_ref file);

/*
 * Completes when Ctrl-C is typed, which then does not reach readers. BUSY when somebody watches.
 */
status peal_console_watch(console_ref console);

/*
 * Walks what is inside a directory, a process (its handles, or what its flight recorders hold) or
 * the system (its processes).
 *
 *     struct listing listing = {.raw = folder.raw};
 *     const struct abi_directory_entry *entry;
 *     while ((entry = peal_list_directory(&listing)) != nullptr) ...
 *     TRY(listing.status);
 *
 * An entry is good until the next call.
 */
struct listing {
    peal_raw_handle raw;
    uint8_t op; /* the library's */
    uint64_t cookie;
    uint32_t at_bytes;
    uint32_t filled_bytes;
    bool is_at_end;
    status status;
    alignas(8) uint8_t records[2048];
};
const struct abi_directory_entry *peal_list_directory(struct listing *listing);
const struct abi_handle_entry *peal_list_handles(struct listing *listing);
const struct abi_process_entry *peal_list_processes(struct listing *listing);
/* A process that looks at itself comes to no end: each look is a record of its own. */
const struct abi_trace_record *peal_list_trace(struct listing *listing);
static inline text directory_entry_name(const struct abi_directory_entry *entry)
{
    return (text){(const char *)(entry + 1), entry->name_bytes};
}

/*
 * Opens a path as a person means it: relative to the granted "cwd", or from the granted "root"
 * when it is absolute or goes up with '..' (resolved as text against the variable PWD).
 *
 *   INVALID_CAPABILITY   the handle that would be needed was not granted
 */
peal_raw_status peal_raw_path_open(text path, uint64_t rights, uint32_t flags,
                                   peal_raw_handle *out_handle ACQUIRES_HANDLE);
static inline file_result peal_path_open_file(text path, uint64_t rights)
{
    file_result result = {0};
    result.status =
        status_of_raw(peal_raw_path_open(path, rights, ABI_OPEN_MUST_BE_FILE, &result.value.raw));
    return result;
}
static inline directory_result peal_path_open_directory(text path, uint64_t rights)
{
    directory_result result = {0};
    result.status =
        status_of_raw(peal_raw_path_open(path, rights, ABI_OPEN_MUST_BE_FOLDER, &result.value.raw));
    return result;
}
