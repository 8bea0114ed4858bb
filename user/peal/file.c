#include "peal/file.h"
#include "peal/bytes.h"
#include "peal/call.h"
#include "peal/memory.h"
#include "peal/path.h"
#include "peal/program.h"

static peal_raw_status open_located(directory_ref folder, struct location path, uint64_t rights,
                                    uint32_t flags, peal_raw_handle *out_handle)
{
    return peal_call_yielding(&(struct abi_submission){.op = ABI_OP_OPEN,
                                                       .capability = folder.raw,
                                                       .buffer_index = path.buffer_index,
                                                       .buffer_offset_bytes = path.offset_bytes,
                                                       .length_bytes = path.length_bytes,
                                                       .op_flags = flags,
                                                       .args = {rights}},
                              out_handle);
}

/* Arguments and environment lie in the start-up block, which is not registered. */
[[gnu::noinline]] static peal_raw_status open_copied(directory_ref folder, text path,
                                                     uint64_t rights, uint32_t flags,
                                                     peal_raw_handle *out_handle)
{
    char copy[PATH_BYTES_MAX];
    struct location where;
    memcpy(copy, path.bytes, path.length);
    status located = peal_locate_whole(copy, path.length, ABI_ACCESS_READ, &where);
    if (!is_ok(located)) return located.code;
    return open_located(folder, where, rights, flags, out_handle);
}

peal_raw_status peal_raw_open(directory_ref folder, text path, uint64_t rights, uint32_t flags,
                              peal_raw_handle *out_handle)
{
    struct location where;
    if (path.length > ABI_PATH_BYTES_MAX) return ABI_STATUS_INVALID_ARGUMENT;
    if (!is_ok(peal_locate_whole(path.bytes, path.length, ABI_ACCESS_READ, &where)))
        return open_copied(folder, path, rights, flags, out_handle);
    return open_located(folder, where, rights, flags, out_handle);
}

struct transfer {
    uint8_t op;
    uint32_t access;
    uint32_t op_flags;
    uint64_t offset_bytes;
};

static size_result transfer(peal_raw_handle raw, const void *bytes, size_t length,
                            struct transfer how)
{
    struct location where;
    TRY_AS(size_result, peal_locate(bytes, length, how.access, &where));
    return peal_call(&(struct abi_submission){.op = how.op,
                                              .capability = raw,
                                              .offset_bytes = how.offset_bytes,
                                              .buffer_index = where.buffer_index,
                                              .buffer_offset_bytes = where.offset_bytes,
                                              .length_bytes = where.length_bytes,
                                              .op_flags = how.op_flags});
}

size_result peal_file_read_at(file_ref file, span into, uint64_t offset_bytes)
{
    return transfer(file.raw, into.bytes, into.length,
                    (struct transfer){ABI_OP_READ, ABI_ACCESS_WRITE, 0, offset_bytes});
}

size_result peal_file_write_at(file_ref file, view from, uint64_t offset_bytes)
{
    return transfer(file.raw, from.bytes, from.length,
                    (struct transfer){ABI_OP_WRITE, ABI_ACCESS_READ, 0, offset_bytes});
}

size_result peal_file_read(file_ref file, span into)
{
    return peal_file_read_at(file, into, ABI_OFFSET_CURRENT);
}

size_result peal_file_write(file_ref file, view from)
{
    return peal_file_write_at(file, from, ABI_OFFSET_CURRENT);
}

size_result peal_file_seek(file_ref file, int64_t distance, uint32_t from)
{
    return peal_call(&(struct abi_submission){
        .op = ABI_OP_SEEK, .capability = file.raw, .op_flags = from, .args = {(uint64_t)distance}});
}

size_result peal_file_size(file_ref file)
{
    struct abi_stat stat;
    TRY_AS(size_result, file_stat(file, &stat));
    return (size_result){OK, stat.size_bytes};
}

status peal_console_watch(console_ref console)
{
    return peal_call(
               &(struct abi_submission){.op = ABI_OP_CONSOLE_WATCH, .capability = console.raw})
        .status;
}

/* What all records begin with. */
struct record_header {
    uint32_t record_bytes;
    uint32_t kind;
    uint64_t next_cookie;
};

static bool listing_fill(struct listing *listing)
{
    struct location where;
    listing->status =
        peal_locate_whole(listing->records, sizeof(listing->records), ABI_ACCESS_WRITE, &where);
    if (!is_ok(listing->status)) return false;
    size_result filled =
        peal_call(&(struct abi_submission){.op = listing->op,
                                           .capability = listing->raw,
                                           .buffer_index = where.buffer_index,
                                           .buffer_offset_bytes = where.offset_bytes,
                                           .length_bytes = where.length_bytes,
                                           .args = {listing->cookie}});
    listing->status = filled.status;
    listing->filled_bytes = (uint32_t)filled.value;
    listing->at_bytes = 0;
    listing->is_at_end = !is_ok(filled.status) || filled.value == 0;
    return !listing->is_at_end;
}

/* A listing may come from a server: what makes no sense ends it. */
static const void *listing_broken(struct listing *listing)
{
    listing->is_at_end = true;
    listing->status = FAIL(IO_ERROR);
    return nullptr;
}

/* The next record, of at least `least_bytes`. */
static const void *listing_next(struct listing *listing, uint8_t op, uint32_t least_bytes)
{
    listing->op = op;
    if (listing->is_at_end) return nullptr;
    if (listing->at_bytes >= listing->filled_bytes && !listing_fill(listing)) return nullptr;
    uint32_t left = listing->filled_bytes - listing->at_bytes;
    if (left < least_bytes) return listing_broken(listing);
    const struct record_header *record =
        (const struct record_header *)(listing->records + listing->at_bytes);
    uint32_t bytes = record->record_bytes;
    if (bytes < least_bytes || bytes > left || bytes % 8 != 0) return listing_broken(listing);
    listing->at_bytes += bytes;
    listing->cookie = record->next_cookie;
    return record;
}

const struct abi_directory_entry *peal_list_directory(struct listing *listing)
{
    const struct abi_directory_entry *entry =
        listing_next(listing, ABI_OP_ENUMERATE, sizeof(*entry));
    if (entry == nullptr || entry->name_bytes <= entry->record_bytes - sizeof(*entry)) return entry;
    return listing_broken(listing);
}

const struct abi_handle_entry *peal_list_handles(struct listing *listing)
{
    return listing_next(listing, ABI_OP_ENUMERATE, sizeof(struct abi_handle_entry));
}

const struct abi_process_entry *peal_list_processes(struct listing *listing)
{
    return listing_next(listing, ABI_OP_ENUMERATE, sizeof(struct abi_process_entry));
}

const struct abi_trace_record *peal_list_trace(struct listing *listing)
{
    return listing_next(listing, ABI_OP_PROCESS_TRACE, sizeof(struct abi_trace_record));
}

/* A directory handle cannot open itself by a name: what is meant is another handle to it. */
static peal_raw_status open_itself(directory_ref folder, uint64_t rights, uint32_t flags,
                                   peal_raw_handle *out_handle)
{
    if (flags & ABI_OPEN_MUST_BE_FILE) return ABI_STATUS_NOT_FOUND;
    return peal_raw_dup(folder.raw, rights, out_handle);
}

peal_raw_status peal_raw_path_open(text path, uint64_t rights, uint32_t flags,
                                   peal_raw_handle *out_handle)
{
    directory_ref current = peal_granted_directory(TEXT("cwd"));
    directory_ref root = peal_granted_directory(TEXT("root"));
    if (path_is_plain(path) && !directory_is_nil(current))
        return peal_raw_open(current, path, rights, flags, out_handle);
    if (peal_text_equal(path, TEXT(".")) && !directory_is_nil(current))
        return open_itself(current, rights, flags, out_handle);

    char resolved_bytes[PATH_BYTES_MAX];
    text here = TEXT("/"), resolved;
    peal_environment_get(TEXT("PWD"), &here);
    if (text_is_empty(path)) return ABI_STATUS_INVALID_ARGUMENT;
    if (directory_is_nil(root)) return ABI_STATUS_INVALID_CAPABILITY;
    if (!path_resolve(here, path, resolved_bytes, &resolved)) return ABI_STATUS_INVALID_ARGUMENT;
    text below_root = peal_text_slice(resolved, 1, SIZE_MAX);
    if (text_is_empty(below_root)) return open_itself(root, rights, flags, out_handle);
    return peal_raw_open(root, below_root, rights, flags, out_handle);
}
