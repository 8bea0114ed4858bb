#include "peal/file.h"
#include "peal/bytes.h"
#include "peal/call.h"
#include "peal/heap.h"
#include "peal/memory.h"
#include "peal/path.h"
#include "peal/program.h"

/* ---- names ---- */

/* An operation on a path: what it needs besides the path's place. */
static size_result ask_located(const struct abi_submission *how, struct location path)
{
    struct abi_submission request = *how;
    request.buffer_index = path.buffer_index;
    request.buffer_offset_bytes = path.offset_bytes;
    request.length_bytes = path.length_bytes;
    return peal_call(&request);
}

/* Arguments and environment lie in the start-up block, which is not registered. */
[[gnu::noinline]] static size_result ask_copied(const struct abi_submission *how, text path)
{
    char copy[PATH_BYTES_MAX];
    struct location where;
    memcpy(copy, path.bytes, path.length);
    TRY_AS(size_result, peal_locate_whole(copy, path.length, ABI_ACCESS_READ, &where));
    return ask_located(how, where);
}

static size_result ask_about(const struct abi_submission *how, text path)
{
    struct location where;
    if (path.length > ABI_PATH_BYTES_MAX) return (size_result){.status = FAIL(INVALID_ARGUMENT)};
    if (!is_ok(peal_locate_whole(path.bytes, path.length, ABI_ACCESS_READ, &where)))
        return ask_copied(how, path);
    return ask_located(how, where);
}

static peal_raw_status ask_for_handle(const struct abi_submission *how, text path,
                                      peal_raw_handle *out_handle)
{
    size_result answered = ask_about(how, path);
    *out_handle = is_ok(answered.status) ? answered.value : ABI_HANDLE_NONE;
    return answered.status.code;
}

peal_raw_status peal_raw_open(directory_ref folder, text path, uint64_t rights, uint32_t flags,
                              peal_raw_handle *out_handle)
{
    return ask_for_handle(
        &(struct abi_submission){
            .op = ABI_OP_OPEN, .capability = folder.raw, .op_flags = flags, .args = {rights}},
        path, out_handle);
}

peal_raw_status peal_raw_create(directory_ref folder, text path, uint64_t rights, uint32_t flags,
                                peal_raw_handle *out_handle)
{
    return ask_for_handle(
        &(struct abi_submission){
            .op = ABI_OP_CREATE, .capability = folder.raw, .op_flags = flags, .args = {rights}},
        path, out_handle);
}

status peal_delete(directory_ref folder, text path, uint32_t flags)
{
    return ask_about(&(struct abi_submission){.op = ABI_OP_DELETE,
                                              .capability = folder.raw,
                                              .op_flags = flags},
                     path)
        .status;
}

static void path_owner_drop(char **path)
{
    peal_release(*path);
}
typedef char *path_owner;

status peal_rename(directory_ref folder, text path, directory_ref new_folder, text new_path,
                   uint32_t flags)
{
    bool is_possible = path.length <= PATH_BYTES_MAX && new_path.length <= PATH_BYTES_MAX;
    if (!is_possible || path.length == 0 || new_path.length == 0) return FAIL(INVALID_ARGUMENT);
    struct location where;
    size_t length = path.length + new_path.length;
    OWNED(path_owner) both = peal_allocate(length);
    if (both == nullptr) return FAIL(OUT_OF_MEMORY);
    memcpy(both, path.bytes, path.length);
    memcpy(both + path.length, new_path.bytes, new_path.length);
    TRY(peal_locate_whole(both, length, ABI_ACCESS_READ, &where));
    return ask_located(&(struct abi_submission){.op = ABI_OP_RENAME,
                                                .capability = folder.raw,
                                                .op_flags = flags,
                                                .args = {new_folder.raw, path.length}},
                       where)
        .status;
}

/* ---- contents ---- */

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

size_result peal_file_append(file_ref file, view from)
{
    return transfer(
        file.raw, from.bytes, from.length,
        (struct transfer){ABI_OP_WRITE, ABI_ACCESS_READ, ABI_WRITE_APPEND, ABI_OFFSET_CURRENT});
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

/* An operation that says all in its number and an argument. */
static status ask_plainly(uint8_t op, peal_raw_handle raw, uint64_t argument)
{
    return peal_call(&(struct abi_submission){.op = op, .capability = raw, .args = {argument}})
        .status;
}

status peal_file_truncate(file_ref file, uint64_t size_bytes)
{
    return ask_plainly(ABI_OP_TRUNCATE, file.raw, size_bytes);
}

status peal_file_sync(file_ref file)
{
    return ask_plainly(ABI_OP_SYNC, file.raw, 0);
}

status peal_directory_sync(directory_ref folder)
{
    return ask_plainly(ABI_OP_SYNC, folder.raw, 0);
}

status peal_file_set_modified(file_ref file, uint64_t modified_ns)
{
    return ask_plainly(ABI_OP_SET_MODIFIED, file.raw, modified_ns);
}

status peal_directory_set_modified(directory_ref folder, uint64_t modified_ns)
{
    return ask_plainly(ABI_OP_SET_MODIFIED, folder.raw, modified_ns);
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

/* ---- paths as a person means them ---- */

/* What a path means: names below a directory that was granted; none: that directory itself. */
struct place {
    directory_ref folder;
    text path;
};

/* Resolved paths are written to `bytes`. */
static status find_place(text path, char bytes[static PATH_BYTES_MAX], struct place *out_place)
{
    directory_ref current = peal_granted_directory(TEXT("cwd"));
    directory_ref root = peal_granted_directory(TEXT("root"));
    if (path_is_plain(path) && !directory_is_nil(current)) {
        *out_place = (struct place){current, path};
        return OK;
    }
    text here = TEXT("/"), resolved;
    peal_environment_get(TEXT("PWD"), &here);
    if (text_is_empty(path)) return FAIL(INVALID_ARGUMENT);
    if (directory_is_nil(root)) return FAIL(INVALID_CAPABILITY);
    if (!path_resolve(here, path, bytes, &resolved)) return FAIL(INVALID_ARGUMENT);
    *out_place = (struct place){root, peal_text_slice(resolved, 1, SIZE_MAX)};
    return OK;
}

/* The same; a place that has a name. */
static status find_named_place(text path, char bytes[static PATH_BYTES_MAX],
                               struct place *out_place)
{
    TRY(find_place(path, bytes, out_place));
    return text_is_empty(out_place->path) ? FAIL(PERMISSION_DENIED) : OK;
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
    char bytes[PATH_BYTES_MAX];
    struct place place;
    directory_ref current = peal_granted_directory(TEXT("cwd"));
    if (peal_text_equal(path, TEXT(".")) && !directory_is_nil(current))
        return open_itself(current, rights, flags, out_handle);
    status found = find_place(path, bytes, &place);
    if (!is_ok(found)) return found.code;
    if (text_is_empty(place.path)) return open_itself(place.folder, rights, flags, out_handle);
    return peal_raw_open(place.folder, place.path, rights, flags, out_handle);
}

peal_raw_status peal_raw_path_create(text path, uint64_t rights, uint32_t flags,
                                     peal_raw_handle *out_handle)
{
    char bytes[PATH_BYTES_MAX];
    struct place place;
    status found = find_named_place(path, bytes, &place);
    if (!is_ok(found)) return found.code;
    return peal_raw_create(place.folder, place.path, rights, flags, out_handle);
}

status peal_path_delete(text path, uint32_t flags)
{
    char bytes[PATH_BYTES_MAX];
    struct place place;
    TRY(find_named_place(path, bytes, &place));
    return peal_delete(place.folder, place.path, flags);
}

status peal_path_rename(text path, text new_path, uint32_t flags)
{
    OWNED(path_owner) bytes = peal_allocate(2 * PATH_BYTES_MAX);
    if (bytes == nullptr) return FAIL(OUT_OF_MEMORY);
    struct place from, to;
    TRY(find_named_place(path, bytes, &from));
    TRY(find_named_place(new_path, bytes + PATH_BYTES_MAX, &to));
    if (from.folder.raw == to.folder.raw) to.folder = (directory_ref){ABI_HANDLE_NONE};
    return peal_rename(from.folder, from.path, to.folder, to.path, flags);
}

status peal_path_set_modified(text path, uint64_t modified_ns)
{
    peal_raw_handle raw;
    TRY(status_of_raw(
        peal_raw_path_open(path, RIGHTS_HANDLE | ABI_RIGHT_WRITE, ABI_OPEN_MUST_EXIST, &raw)));
    status set = ask_plainly(ABI_OP_SET_MODIFIED, raw, modified_ns);
    peal_raw_close(raw);
    return set;
}
