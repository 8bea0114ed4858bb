#include "worker.h"
#include "crc32.h"
#include "peal/bytes.h"
#include "peal/format.h"
#include "peal/heap.h"
#include "peal/output.h"
#include <abi/ops.h>

#define FOLDERS        3u /* below the worker's own; 0 is that itself */
#define PLACES         4u /* names a file has in turn */
#define PATH_BYTES_MAX 160u
#define PIECE_BYTES    65536u /* read or written at once */
#define GAP_BYTES_MAX  9000u  /* behind the end of a file, when it is written there */

struct stress_file {
    bool exists;
    bool is_settled; /* synced and told of, not changed since */
    uint32_t place;  /* below PLACES: which of its names it has */
    uint64_t size_bytes;
    uint8_t *bytes; /* file_bytes_max of them */
    file_handle open;
};

/* A worker at work. */
struct life {
    struct worker *worker;
    struct stress_plan *plan;
    uint64_t random;
    struct stress_file *files;
    uint8_t *piece; /* PIECE_BYTES */
    bool has_failed;
};

/* ---- chance: splitmix64 ---- */

static uint64_t random_next(struct life *life)
{
    uint64_t z = life->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint64_t random_below(struct life *life, uint64_t limit)
{
    return limit == 0 ? 0 : random_next(life) % limit;
}

static bool one_in(struct life *life, uint64_t n)
{
    return random_below(life, n) == 0;
}

/* Mostly small, at most `limit`. */
static uint64_t random_length(struct life *life, uint64_t limit)
{
    static const uint64_t usual[] = {16, 600, 5000, 40000, UINT64_MAX};
    uint64_t most = usual[random_below(life, sizeof(usual) / sizeof(usual[0]))];
    return random_below(life, (most < limit ? most : limit) + 1);
}

static void fill_random(struct life *life, uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = random_next(life);
        memcpy(bytes + i, &word, length - i < 8 ? length - i : 8);
    }
}

/* ---- names ---- */

struct path {
    char bytes[PATH_BYTES_MAX];
    text name;
};

static uint32_t index_of(const struct life *life, const struct stress_file *file)
{
    return (uint32_t)(file - life->files);
}

/* Short ones in capitals, long ones, ones beyond ASCII: every way a directory stores names. */
static void write_name(struct writer *path, uint32_t index, uint32_t place)
{
    switch ((index + place) % 4) {
    case 0:
        writer_format(path, "F%u-%u.DAT", index, place);
        break;
    case 1:
        writer_format(path, "file %u at place %u of a worker, with a long name.data", index, place);
        break;
    case 2:
        writer_format(path, "Größe-%u-%u-\xf0\x9f\x90\xa7", index, place);
        break;
    default:
        writer_format(path, "plain_file_%u_%u", index, place);
        break;
    }
}

static uint32_t folder_of(uint32_t index, uint32_t place)
{
    return (index + place) % (FOLDERS + 1);
}

static void write_folder(const struct life *life, struct writer *path, uint32_t folder)
{
    writer_format(path, "worker%u", life->worker->number);
    if (folder > 0) writer_format(path, "/folder %u", folder);
}

static text folder_path(const struct life *life, struct path *path, uint32_t folder)
{
    struct writer writer = WRITER(path->bytes);
    write_folder(life, &writer, folder);
    return path->name = writer_text(&writer);
}

static text place_path(const struct life *life, struct path *path, uint32_t index, uint32_t place)
{
    struct writer writer = WRITER(path->bytes);
    write_folder(life, &writer, folder_of(index, place));
    writer_byte(&writer, '/');
    write_name(&writer, index, place);
    return path->name = writer_text(&writer);
}

static text file_path(const struct life *life, struct path *path, const struct stress_file *file)
{
    return place_path(life, path, index_of(life, file), file->place);
}

/* ---- faults ---- */

static void count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* The first one is told, and ends it all. */
static void fault_words(struct life *life, text subject, const char *what, text detail)
{
    count(&life->plan->faults, 1);
    if (life->has_failed) return;
    life->has_failed = true;
    struct writer message = WRITER(life->worker->message);
    writer_format(&message, "%.*s: %s %.*s", TEXT_ARGUMENTS(subject), what, TEXT_ARGUMENTS(detail));
    life->worker->message_bytes = (uint32_t)message.length;
    atomic_store_explicit(&life->plan->is_stopped, true, memory_order_relaxed);
}

static void fault(struct life *life, text subject, const char *what, uint64_t number)
{
    char bytes[24];
    struct writer detail = WRITER(bytes);
    writer_format(&detail, "%lu", number);
    fault_words(life, subject, what, writer_text(&detail));
}

static bool expect(struct life *life, status expected, status actual, text subject,
                   const char *what)
{
    if (expected.code == actual.code) return true;
    fault_words(life, subject, what, peal_status_name(actual));
    return false;
}

/* OK is expected; true for that. There being no room is counted, and no fault. */
static bool had_room(struct life *life, status outcome, text subject, const char *what)
{
    if (outcome.code != STATUS_NO_SPACE) return expect(life, OK, outcome, subject, what);
    count(&life->plan->refused, 1);
    return false;
}

/* ---- the log ---- */

static void log_words(const struct stress_plan *plan, const char *verb, text path, text rest)
{
    if (!plan->logs) return;
    char bytes[2 * PATH_BYTES_MAX];
    struct writer line = WRITER(bytes);
    writer_format(&line, "%s\t%.*s", verb, TEXT_ARGUMENTS(path));
    if (rest.length > 0) writer_format(&line, "\t%.*s", TEXT_ARGUMENTS(rest));
    writer_byte(&line, '\n');
    peal_print_text(writer_text(&line));
    peal_flush();
}

/* Before anything that could change what the disk holds of it. */
static void log_change(struct life *life, struct stress_file *file)
{
    if (!file->is_settled) return;
    struct path path;
    file->is_settled = false;
    log_words(life->plan, "changes", file_path(life, &path, file), TEXT(""));
}

static void log_sync(struct life *life, struct stress_file *file)
{
    char bytes[48];
    struct path path;
    struct writer rest = WRITER(bytes);
    file->is_settled = true;
    writer_format(&rest, "%lu\t%08x", file->size_bytes, crc32(file->bytes, file->size_bytes));
    log_words(life->plan, "synced", file_path(life, &path, file), writer_text(&rest));
}

/* ---- one file ---- */

static void close_file(struct stress_file *file)
{
    file_handle_drop(&file->open);
}

/* It is open then. Made now, if it does not exist. */
static bool open_file(struct life *life, struct stress_file *file)
{
    struct path path;
    if (file->open.raw != ABI_HANDLE_NONE) return true;
    text name = file_path(life, &path, file);
    uint32_t flags = ABI_OPEN_MUST_BE_FILE | (file->exists ? ABI_OPEN_MUST_EXIST : 0);
    status opened = status_of_raw(
        peal_raw_open(life->plan->folder, name, RIGHTS_WRITE, flags, &file->open.raw));
    if (file->exists ? !expect(life, OK, opened, name, "does not open:")
                     : !had_room(life, opened, name, "is not made:"))
        return false;
    if (!file->exists) file->size_bytes = 0;
    file->exists = true;
    return true;
}

/* It is gone, on the disk and here. */
static bool remove_file(struct life *life, struct stress_file *file)
{
    struct path path;
    if (!file->exists) return true;
    log_change(life, file);
    text name = file_path(life, &path, file);
    status removed = peal_delete(life->plan->folder, name, ABI_DELETE_MUST_BE_FILE);
    file->exists = false;
    return expect(life, OK, removed, name, "is not removed:");
}

/* There was no room: what of it was written is not known, so that the file goes. */
static void give_up(struct life *life, struct stress_file *file)
{
    count(&life->plan->refused, 1);
    remove_file(life, file);
    close_file(file);
}

/* True: it went well. The file is gone when there was no room. */
static bool has_gone_well(struct life *life, struct stress_file *file, status outcome,
                          const char *what)
{
    struct path path;
    if (outcome.code == STATUS_NO_SPACE) {
        give_up(life, file);
        return false;
    }
    return expect(life, OK, outcome, file_path(life, &path, file), what);
}

/* ---- reading and comparing ---- */

static void compare(struct life *life, const struct stress_file *file, uint64_t offset,
                    uint64_t length)
{
    for (uint64_t i = 0; i < length; i++) {
        if (life->piece[i] == file->bytes[offset + i]) continue;
        struct path path;
        fault(life, file_path(life, &path, file), "holds another byte than was written, at",
              offset + i);
        return;
    }
    count(&life->plan->verified_bytes, length);
}

/* Any part of it, also behind its end, where nothing is. */
static void verify_part(struct life *life, struct stress_file *file, uint64_t offset,
                        uint64_t length)
{
    struct path path;
    uint64_t rest = offset < file->size_bytes ? file->size_bytes - offset : 0;
    uint64_t expected = length < rest ? length : rest;
    size_result read =
        peal_file_read_at(file_borrow(&file->open), (span){life->piece, length}, offset);
    if (!expect(life, OK, read.status, file_path(life, &path, file), "is not read:")) return;
    if (read.value == expected)
        compare(life, file, offset, expected);
    else
        fault(life, file_path(life, &path, file), "gave another number of bytes:", read.value);
}

static void verify_whole(struct life *life, struct stress_file *file)
{
    struct path path;
    size_result size = peal_file_size(file_borrow(&file->open));
    if (!is_ok(size.status) || size.value != file->size_bytes)
        fault(life, file_path(life, &path, file), "has another size:", size.value);
    for (uint64_t at = 0; at <= file->size_bytes && !life->has_failed; at += PIECE_BYTES)
        verify_part(life, file, at, PIECE_BYTES);
}

/* ---- what is done to files ---- */

static void do_verify(struct life *life, struct stress_file *file)
{
    if (!file->exists || !open_file(life, file)) return;
    if (one_in(life, 4)) {
        verify_whole(life, file);
        return;
    }
    uint64_t offset = random_below(life, file->size_bytes + GAP_BYTES_MAX);
    verify_part(life, file, offset, random_length(life, PIECE_BYTES));
}

/* What lies between the old end and the new bytes reads as zeros. */
static void note_written(struct stress_file *file, uint64_t offset, const uint8_t *bytes,
                         uint64_t length)
{
    if (offset > file->size_bytes)
        memset(file->bytes + file->size_bytes, 0, offset - file->size_bytes);
    memcpy(file->bytes + offset, bytes, length);
    if (offset + length > file->size_bytes) file->size_bytes = offset + length;
}

static void write_piece(struct life *life, struct stress_file *file, uint64_t offset,
                        uint64_t length, bool appends)
{
    file_ref open = file_borrow(&file->open);
    view from = {life->piece, length};
    size_result written =
        appends ? peal_file_append(open, from) : peal_file_write_at(open, from, offset);
    if (!has_gone_well(life, file, written.status, "is not written:")) return;
    if (written.value > length) {
        struct path path;
        fault(life, file_path(life, &path, file),
              "took more bytes than there were:", written.value);
        return;
    }
    if (written.value == 0) return;
    note_written(file, offset, life->piece, written.value);
    count(&life->plan->written_bytes, written.value);
}

static void do_write(struct life *life, struct stress_file *file)
{
    log_change(life, file);
    if (!open_file(life, file)) return;
    uint64_t bytes_max = life->plan->file_bytes_max;
    bool appends = one_in(life, 3);
    uint64_t offset =
        appends ? file->size_bytes : random_below(life, file->size_bytes + GAP_BYTES_MAX);
    if (offset >= bytes_max) offset = 0, appends = false;
    uint64_t room = bytes_max - offset;
    uint64_t length = random_length(life, room < PIECE_BYTES ? room : PIECE_BYTES);
    fill_random(life, life->piece, length);
    write_piece(life, file, offset, length, appends);
}

static void do_truncate(struct life *life, struct stress_file *file)
{
    if (!file->exists) return;
    log_change(life, file);
    if (!open_file(life, file)) return;
    uint64_t size = one_in(life, 3) ? random_length(life, life->plan->file_bytes_max)
                                    : random_below(life, file->size_bytes + 1);
    status cut = peal_file_truncate(file_borrow(&file->open), size);
    if (!has_gone_well(life, file, cut, "is not cut:")) return;
    if (size > file->size_bytes) memset(file->bytes + file->size_bytes, 0, size - file->size_bytes);
    file->size_bytes = size;
}

static void do_sync(struct life *life, struct stress_file *file)
{
    if (!file->exists || !open_file(life, file)) return;
    status synced = peal_file_sync(file_borrow(&file->open));
    if (!has_gone_well(life, file, synced, "is not synced:")) return;
    count(&life->plan->syncs, 1);
    log_sync(life, file);
}

static void do_close(struct life *life, struct stress_file *file)
{
    (void)life;
    close_file(file);
}

/* A file that is removed while it is open lives on until it is closed. */
static void do_remove(struct life *life, struct stress_file *file)
{
    if (!file->exists) return;
    bool is_used_after = one_in(life, 2) && open_file(life, file);
    if (!remove_file(life, file)) return;
    if (is_used_after) {
        uint64_t length = random_length(life, life->plan->file_bytes_max);
        if (length > PIECE_BYTES) length = PIECE_BYTES;
        verify_whole(life, file);
        fill_random(life, life->piece, length);
        size_result written =
            peal_file_write_at(file_borrow(&file->open), (view){life->piece, length}, 0);
        if (is_ok(written.status)) {
            note_written(file, 0, life->piece, written.value);
            verify_whole(life, file);
        }
    }
    close_file(file);
}

/* False: for want of room it is where it was; or a fault. */
static bool rename_to(struct life *life, struct stress_file *file, text new_name)
{
    struct path path;
    text name = file_path(life, &path, file);
    if (file->is_settled) log_words(life->plan, "moves", name, new_name);
    status moved =
        peal_rename(life->plan->folder, name, (directory_ref){ABI_HANDLE_NONE}, new_name, 0);
    if (had_room(life, moved, name, "is not moved:")) return true;
    if (file->is_settled) log_words(life->plan, "moves", new_name, name);
    return false;
}

/* To another of its names, mostly in another folder. */
static void do_move(struct life *life, struct stress_file *file)
{
    struct path new_path;
    if (!file->exists) return;
    uint32_t place = (file->place + 1 + (uint32_t)random_below(life, PLACES - 1)) % PLACES;
    if (rename_to(life, file, place_path(life, &new_path, index_of(life, file), place)))
        file->place = place;
}

/* Over another file, which is gone then. */
static void do_replace(struct life *life, struct stress_file *file)
{
    struct path new_path;
    struct stress_file *victim = &life->files[random_below(life, life->plan->files)];
    if (!file->exists || !victim->exists || victim == file) return;
    log_change(life, victim);
    log_change(life, file);
    if (!rename_to(life, file, file_path(life, &new_path, victim))) return;
    close_file(victim);
    uint8_t *bytes = victim->bytes;
    victim->bytes = file->bytes;
    victim->size_bytes = file->size_bytes;
    victim->open = TAKE(file->open);
    file->bytes = bytes;
    file->exists = false;
}

/* ---- folders ---- */

static bool is_in_folder(const struct life *life, const struct stress_file *file, uint32_t folder)
{
    return file->exists && folder_of(index_of(life, file), file->place) == folder;
}

static uint32_t files_in_folder(const struct life *life, uint32_t folder)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < life->plan->files; i++)
        found += is_in_folder(life, &life->files[i], folder);
    return found;
}

/* False: not, for want of room; or a fault. */
static bool make_folder(struct life *life, text name)
{
    directory_result made = peal_directory_create(life->plan->folder, name, RIGHTS_FOLDER);
    directory_handle_drop(&made.value);
    return had_room(life, made.status, name, "is not made:");
}

/* A new one takes its place. Removing it is refused as long as something is in it. */
static void do_replace_folder(struct life *life, struct stress_file *file)
{
    struct path path, new_path;
    (void)file;
    uint32_t folder = 1 + (uint32_t)random_below(life, FOLDERS);
    text name = folder_path(life, &path, folder);
    text new_name = folder_path(life, &new_path, FOLDERS + 1);
    bool is_empty = files_in_folder(life, folder) == 0;
    if (is_empty && !make_folder(life, new_name)) return;
    status removed = peal_delete(life->plan->folder, name, ABI_DELETE_MUST_BE_FOLDER);
    bool is_expected =
        expect(life, is_empty ? OK : FAIL(NOT_EMPTY), removed, name, "was to be removed:");
    if (!is_expected || !is_empty) return;
    status moved =
        peal_rename(life->plan->folder, new_name, (directory_ref){ABI_HANDLE_NONE}, name, 0);
    expect(life, OK, moved, new_name, "is not moved:");
}

/* The file of this name in a folder, or nullptr. */
static struct stress_file *file_named(const struct life *life, uint32_t folder, text name)
{
    for (uint32_t i = 0; i < life->plan->files; i++) {
        struct path path;
        struct stress_file *file = &life->files[i];
        if (is_in_folder(life, file, folder) &&
            peal_text_ends_with(file_path(life, &path, file), name))
            return file;
    }
    return nullptr;
}

/* Each file is listed once, and nothing else. */
static void do_list(struct life *life, struct stress_file *file)
{
    struct path path;
    (void)file;
    uint32_t folder = (uint32_t)random_below(life, FOLDERS + 1), found = 0;
    text name = folder_path(life, &path, folder);
    directory_result opened = peal_directory_open(life->plan->folder, name, RIGHTS_FOLDER);
    if (!expect(life, OK, opened.status, name, "does not open:")) return;
    OWNED(directory_handle) directory = TAKE(opened.value);
    struct listing listing = {.raw = directory.raw};
    const struct abi_directory_entry *entry;
    while ((entry = peal_list_directory(&listing)) != nullptr) {
        if (entry->kind == ABI_KIND_DIRECTORY) continue;
        if (file_named(life, folder, directory_entry_name(entry)) == nullptr)
            fault(life, directory_entry_name(entry), "is listed and was removed; folder", folder);
        found++;
    }
    expect(life, OK, listing.status, name, "is not listed:");
    if (found != files_in_folder(life, folder))
        fault(life, name, "has another number of files:", found);
}

/* ---- a life ---- */

typedef void action(struct life *life, struct stress_file *file);

/* As often as they stand here. */
static action *const actions[] = {
    do_write,    do_write,  do_write, do_write, do_write,          do_write,
    do_write,    do_write,  do_write, do_write, do_verify,         do_verify,
    do_verify,   do_verify, do_sync,  do_sync,  do_truncate,       do_truncate,
    do_truncate, do_close,  do_close, do_move,  do_move,           do_replace,
    do_remove,   do_remove, do_list,  do_list,  do_replace_folder,
};

/* For the log, most of what was synced should stay as it is for a while. */
static bool is_spared(struct life *life, const struct stress_file *file)
{
    return life->plan->logs && file->is_settled && !one_in(life, 8);
}

static void step(struct life *life)
{
    action *act = actions[random_below(life, sizeof(actions) / sizeof(actions[0]))];
    struct stress_file *file = &life->files[random_below(life, life->plan->files)];
    act(life, is_spared(life, file) ? &life->files[0] : file);
    count(&life->plan->done, 1);
}

static bool has_folders(struct life *life)
{
    for (uint32_t folder = 0; folder <= FOLDERS; folder++) {
        struct path path;
        text name = folder_path(life, &path, folder);
        directory_result made = peal_directory_create(life->plan->folder, name, RIGHTS_FOLDER);
        directory_handle_drop(&made.value);
        if (!expect(life, OK, made.status, name, "is not made:")) return false;
    }
    return true;
}

static bool has_memory(struct life *life)
{
    life->piece = peal_allocate(PIECE_BYTES);
    life->files = peal_allocate_zeroed(life->plan->files, sizeof(*life->files));
    bool is_there = life->piece != nullptr && life->files != nullptr;
    for (uint32_t i = 0; is_there && i < life->plan->files; i++) {
        life->files[i].bytes = peal_allocate(life->plan->file_bytes_max + GAP_BYTES_MAX);
        is_there = life->files[i].bytes != nullptr;
    }
    if (!is_there) fault(life, TEXT("memory"), "ran out for so many files:", life->plan->files);
    return is_there;
}

static void verify_all(struct life *life)
{
    for (uint32_t i = 0; i < life->plan->files && !life->has_failed; i++) {
        struct stress_file *file = &life->files[i];
        if (!file->exists || !open_file(life, file)) continue;
        verify_whole(life, file);
        close_file(file);
    }
}

static void remove_all(struct life *life)
{
    for (uint32_t i = 0; i < life->plan->files; i++)
        remove_file(life, &life->files[i]);
    for (uint32_t folder = FOLDERS + 1; folder-- > 0;) {
        struct path path;
        text name = folder_path(life, &path, folder);
        status removed = peal_delete(life->plan->folder, name, ABI_DELETE_MUST_BE_FOLDER);
        expect(life, OK, removed, name, "is not removed in the end:");
    }
}

int worker_run(uint64_t argument)
{
    struct worker *worker = (struct worker *)(uintptr_t)argument;
    struct life life = {.worker = worker, .plan = worker->plan};
    life.random = worker->plan->seed * 1000003 + worker->number;
    if (!has_memory(&life) || !has_folders(&life)) return 1;
    for (uint64_t i = 0; i < worker->plan->operations; i++) {
        if (atomic_load_explicit(&worker->plan->is_stopped, memory_order_relaxed)) break;
        step(&life);
    }
    for (uint32_t i = 0; i < worker->plan->files; i++)
        close_file(&life.files[i]);
    /* After a fault everything stays as it is, to be looked at. */
    if (!life.has_failed) verify_all(&life);
    if (!life.has_failed && !worker->plan->keeps) remove_all(&life);
    return life.has_failed ? 1 : 0;
}
