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

/* Rights to ask for when opening. With the right to write, what is not there is made. */
#define RIGHTS_HANDLE  (ABI_RIGHT_CLOSE | ABI_RIGHT_STAT | ABI_RIGHT_DUP)
#define RIGHTS_READ    (RIGHTS_HANDLE | ABI_RIGHT_READ | ABI_RIGHT_SEEK)
#define RIGHTS_WRITE   (RIGHTS_READ | ABI_RIGHT_WRITE)
#define RIGHTS_EXECUTE (RIGHTS_HANDLE | ABI_RIGHT_READ | ABI_RIGHT_EXECUTE)
#define RIGHTS_FOLDER                                                                            \
    (RIGHTS_HANDLE | ABI_RIGHT_READ | ABI_RIGHT_SEEK | ABI_RIGHT_ENUMERATE | ABI_RIGHT_LOOK_UP | \
     ABI_RIGHT_EXECUTE)
#define RIGHTS_FOLDER_WRITE (RIGHTS_FOLDER | ABI_RIGHT_WRITE | ABI_RIGHT_CREATE | ABI_RIGHT_DELETE)

/*
 * Opens `path` below `folder` with those of `rights` that the folder has. A file that is not there
 * is made when one may write to it, unless the flags say ABI_OPEN_MUST_EXIST.
 *
 *   NOT_FOUND            nothing of that name, or it is no file (no directory)
 *   PERMISSION_DENIED    the path is absolute or contains '..'; or nothing can be made there
 *   INSUFFICIENT_RIGHTS  it would have to be made, and the folder lacks RIGHT_CREATE
 *   NO_SPACE
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

/*
 * Makes a file or a directory and opens it.
 *   ALREADY_EXISTS       also when only the case of letters differs
 *   INVALID_ARGUMENT     also: the file system cannot hold the name
 *   NOT_FOUND (a directory on the way), NO_SPACE, PERMISSION_DENIED, INSUFFICIENT_RIGHTS
 */
peal_raw_status peal_raw_create(directory_ref folder, text path, uint64_t rights, uint32_t flags,
                                peal_raw_handle *out_handle ACQUIRES_HANDLE);
static inline file_result peal_file_create(directory_ref folder, text path, uint64_t rights)
{
    file_result result = {0};
    result.status = status_of_raw(peal_raw_create(folder, path, rights, 0, &result.value.raw));
    return result;
}
static inline directory_result peal_directory_create(directory_ref folder, text path,
                                                     uint64_t rights)
{
    directory_result result = {0};
    result.status =
        status_of_raw(peal_raw_create(folder, path, rights, ABI_CREATE_FOLDER, &result.value.raw));
    return result;
}

/*
 * Takes a name away: of a file, or of an empty directory; `flags` are ABI_DELETE_... Whoever has
 * the file open can go on using it.
 *   NOT_FOUND, NOT_EMPTY, PERMISSION_DENIED, INSUFFICIENT_RIGHTS, IO_ERROR
 */
status peal_delete(directory_ref folder, text path, uint32_t flags);
/*
 * Moves or renames: `path` below `folder` becomes `new_path` below `new_folder`, nil for the same
 * one. A file replaces a file there, a directory an empty directory, unless ABI_RENAME_KEEP. At any
 * moment, also after a power cut, there is the old or the new.
 *   NOT_FOUND, ALREADY_EXISTS (KEEP, or one is a directory and the other is none), NOT_EMPTY
 *   INVALID_ARGUMENT      a directory into itself; no name for this file system
 *   PERMISSION_DENIED     another volume: copy and delete instead
 *   INSUFFICIENT_RIGHTS   also: more could be done with it through new_folder than through folder
 *   NO_SPACE, IO_ERROR, OUT_OF_MEMORY
 */
status peal_rename(directory_ref folder, text path, directory_ref new_folder, text new_path,
                   uint32_t flags);

/*
 * At the file's own position, which moves. IO_ERROR, BUFFER_NOT_REGISTERED. Writing lengthens the
 * file as needed: NO_SPACE, OUT_OF_RANGE (larger than files can be), PERMISSION_DENIED (the volume
 * is read-only). What was written reaches the disk soon, when the file is closed, or with a sync.
 */
size_result peal_file_read(file_ref file, span into);
size_result peal_file_write(file_ref file, view from);
/* At the end, wherever that is when the bytes get there. */
size_result peal_file_append(file_ref file, view from);
/* At `offset_bytes`; the position stays. */
size_result peal_file_read_at(file_ref file, span into, uint64_t offset_bytes);
size_result peal_file_write_at(file_ref file, view from, uint64_t offset_bytes);
/* Moves the position to `distance` from ABI_SEEK_SET, _CURRENT or _END, clamped to the file. */
size_result peal_file_seek(file_ref file, int64_t distance, uint32_t from);
size_result peal_file_size(file_ref file);
/* Cuts the file, or lengthens it with zeros. NO_SPACE, OUT_OF_RANGE, PERMISSION_DENIED, IO_ERROR */
status peal_file_truncate(file_ref file, uint64_t size_bytes);
/* What was written survives a power cut from here on; of a directory: everything on its volume.
 * Errors of writes since the last sync, too. IO_ERROR, NO_SPACE, TIMED_OUT */
status peal_file_sync(file_ref file);
status peal_directory_sync(directory_ref folder);
/* Nanoseconds since 1970; 0 for now. PERMISSION_DENIED (the volume is read-only), IO_ERROR */
status peal_file_set_modified(file_ref file, uint64_t modified_ns);
status peal_directory_set_modified(directory_ref folder, uint64_t modified_ns);

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
/* The same for a path that is to be made, taken away, moved or touched. A path of the root itself:
 * PERMISSION_DENIED. */
peal_raw_status peal_raw_path_create(text path, uint64_t rights, uint32_t flags,
                                     peal_raw_handle *out_handle ACQUIRES_HANDLE);
static inline file_result peal_path_create_file(text path, uint64_t rights)
{
    file_result result = {0};
    result.status = status_of_raw(peal_raw_path_create(path, rights, 0, &result.value.raw));
    return result;
}
static inline directory_result peal_path_create_directory(text path, uint64_t rights)
{
    directory_result result = {0};
    result.status =
        status_of_raw(peal_raw_path_create(path, rights, ABI_CREATE_FOLDER, &result.value.raw));
    return result;
}
status peal_path_delete(text path, uint32_t flags);
status peal_path_rename(text path, text new_path, uint32_t flags);
/* Of a file or directory that exists. */
status peal_path_set_modified(text path, uint64_t modified_ns);
