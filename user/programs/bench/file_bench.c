#include "file_bench.h"
#include "busy_time.h"
#include "peal/call.h"
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/format.h"
#include "peal/memory.h"
#include "peal/program.h"

#define PIECE_BYTES   (64u << 10)
#define PIECES        1024u
#define SMALL_BYTES   4096u
#define ENTRIES       256u
#define SYNC_ROUNDS   64u
#define OPEN_ROUNDS   1000u
#define CHANGE_ROUNDS 200u
#define LIST_ROUNDS   20u
#define PATH_BYTES    128u

static alignas(ABI_PAGE_BYTES) uint8_t piece[PIECE_BYTES];

/* ---- names ---- */

struct path {
    char bytes[PATH_BYTES];
    size_t length;
};

static text path_text(const struct path *path)
{
    return (text){path->bytes, path->length};
}

/* "/disk0" and what follows it. */
static struct path path_below(const char *name, uint32_t number)
{
    text folder = TEXT("/disk0");
    peal_environment_get(TEXT("BENCH_FOLDER"), &folder);
    struct path path;
    struct writer writer = WRITER(path.bytes);
    writer_format(&writer, "%.*s/%s", TEXT_ARGUMENTS(folder), name);
    if (number != UINT32_MAX) writer_format(&writer, "%u", number);
    path.length = writer.length;
    return path;
}

static struct path own_folder(void)
{
    return path_below("bench.folder", UINT32_MAX);
}

/* Written before anything is counted. */
static struct path own_files[ENTRIES];

static void name_files(void)
{
    for (uint32_t i = 0; i < ENTRIES; i++)
        own_files[i] = path_below("bench.folder/file", i);
}

static text own_file(uint32_t number)
{
    return path_text(&own_files[number]);
}

static status folder_make(void)
{
    struct path path = own_folder();
    directory_result made = peal_path_create_directory(path_text(&path), RIGHTS_FOLDER);
    TRY(made.status);
    directory_handle folder = TAKE(made.value);
    directory_handle_drop(&folder);
    return OK;
}

static status folder_remove(void)
{
    struct path path = own_folder();
    return peal_path_delete(path_text(&path), 0);
}

static status file_make(uint32_t number)
{
    file_result made = peal_path_create_file(own_file(number), RIGHTS_WRITE);
    TRY(made.status);
    file_handle file = TAKE(made.value);
    file_handle_drop(&file);
    return OK;
}

static status file_remove(uint32_t number)
{
    return peal_path_delete(own_file(number), 0);
}

/* ---- counting ---- */

struct counted {
    status (*round)(uint32_t number);
    uint32_t warm_rounds; /* first, and not counted: numbers 0 .. */
    uint32_t rounds;      /* the numbers that follow */
    uint32_t files_first; /* there are so many files before, and */
    uint32_t files_last;  /* so many afterwards, which are taken away */
};

static status count_rounds(const struct counted *counted, uint64_t *out_ns)
{
    for (uint32_t i = 0; i < counted->warm_rounds; i++)
        TRY(counted->round(i));
    size_result before = busy_time_ns();
    TRY(before.status);
    for (uint32_t i = 0; i < counted->rounds; i++)
        TRY(counted->round(counted->warm_rounds + i));
    size_result after = busy_time_ns();
    TRY(after.status);
    uint32_t rounds = counted->rounds > 0 ? counted->rounds : 1;
    *out_ns = (after.value - before.value) / rounds;
    return OK;
}

static status count(const struct counted *counted, uint64_t *out_ns)
{
    name_files();
    TRY(folder_make());
    status all = OK;
    for (uint32_t i = 0; i < counted->files_first && is_ok(all); i++)
        all = file_make(i);
    if (is_ok(all)) all = count_rounds(counted, out_ns);
    for (uint32_t i = 0; i < counted->files_last; i++)
        ignore_status(file_remove(i)); /* what is left keeps the folder, which is told */
    status removed = folder_remove();
    return is_ok(all) ? removed : all;
}

static status round_open(uint32_t number)
{
    (void)number;
    file_result opened = peal_path_open_file(own_file(0), RIGHTS_READ);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    struct abi_stat stat;
    return file_stat(file_borrow(&file), &stat);
}

status file_bench_open_stat_close(uint64_t *out_ns)
{
    return count(&(struct counted){round_open, 100, OPEN_ROUNDS, 1, 1}, out_ns);
}

static status round_create_write_sync(uint32_t number)
{
    file_result made = peal_path_create_file(own_file(number), RIGHTS_WRITE);
    TRY(made.status);
    OWNED(file_handle) file = TAKE(made.value);
    TRY(peal_file_write(file_borrow(&file), (view){piece, SMALL_BYTES}).status);
    return peal_file_sync(file_borrow(&file));
}

status file_bench_create_write_sync(uint64_t *out_ns)
{
    struct counted counted = {round_create_write_sync, 8, SYNC_ROUNDS, 0, 8 + SYNC_ROUNDS};
    return count(&counted, out_ns);
}

static status round_create_delete(uint32_t number)
{
    (void)number;
    TRY(file_make(0));
    return file_remove(0);
}

status file_bench_create_delete(uint64_t *out_ns)
{
    return count(&(struct counted){round_create_delete, 20, CHANGE_ROUNDS, 0, 0}, out_ns);
}

/* File 0 becomes file 1, that becomes file 0, ... */
static status round_rename(uint32_t number)
{
    return peal_path_rename(own_file(number % 2), own_file((number + 1) % 2), 0);
}

status file_bench_rename(uint64_t *out_ns)
{
    return count(&(struct counted){round_rename, 20, CHANGE_ROUNDS, 1, 1}, out_ns);
}

static status round_list(uint32_t number)
{
    (void)number;
    struct path path = own_folder();
    directory_result opened = peal_path_open_directory(path_text(&path), RIGHTS_FOLDER);
    TRY(opened.status);
    OWNED(directory_handle) folder = TAKE(opened.value);
    struct listing listing = {.raw = folder.raw};
    uint32_t files = 0;
    while (peal_list_directory(&listing) != nullptr)
        files++;
    TRY(listing.status);
    return files == ENTRIES ? OK : FAIL(OUT_OF_RANGE);
}

status file_bench_enumerate(uint64_t *out_ns)
{
    TRY(count(&(struct counted){round_list, 2, LIST_ROUNDS, ENTRIES, ENTRIES}, out_ns));
    *out_ns /= ENTRIES;
    return OK;
}

/* ---- much of a file, in time ---- */

static status write_all(file_ref file)
{
    for (uint32_t i = 0; i < PIECES; i++) {
        size_result wrote = peal_file_write(file, VIEW_OF(piece));
        TRY(wrote.status);
        if (wrote.value != PIECE_BYTES) return FAIL(OUT_OF_RANGE);
    }
    return peal_file_sync(file);
}

status file_bench_write_64m(uint64_t *out_ns)
{
    for (uint32_t i = 0; i < PIECE_BYTES; i++)
        piece[i] = (uint8_t)(1 + i % 127);
    struct path path = path_below("bench64m.tmp", UINT32_MAX);
    uint64_t start_ns = peal_clock_now_ns();
    file_result made = peal_path_create_file(path_text(&path), RIGHTS_WRITE);
    TRY(made.status);
    OWNED(file_handle) file = TAKE(made.value);
    status wrote = write_all(file_borrow(&file));
    *out_ns = peal_clock_now_ns() - start_ns;
    file_handle_drop(&file);
    status removed = peal_path_delete(path_text(&path), 0);
    return is_ok(wrote) ? removed : wrote;
}

static status read_all(text path, bool is_direct, uint64_t *out_ns)
{
    struct location where;
    TRY(peal_locate_whole(piece, sizeof(piece), ABI_ACCESS_WRITE, &where));
    uint64_t start_ns = peal_clock_now_ns();
    file_result opened = peal_path_open_file(path, RIGHTS_READ);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    for (uint32_t i = 0; i < PIECES; i++) {
        size_result read =
            peal_call(&(struct abi_submission){.op = ABI_OP_READ,
                                               .op_flags = is_direct ? ABI_IO_DIRECT : 0,
                                               .capability = file.raw,
                                               .offset_bytes = (uint64_t)i * PIECE_BYTES,
                                               .buffer_index = where.buffer_index,
                                               .buffer_offset_bytes = where.offset_bytes,
                                               .length_bytes = where.length_bytes});
        TRY(read.status);
        if (read.value != PIECE_BYTES) return FAIL(OUT_OF_RANGE);
    }
    *out_ns = peal_clock_now_ns() - start_ns;
    return OK;
}

status file_bench_read_64m(uint64_t *out_ns)
{
    static uint32_t files_read;
    struct path path = path_below("cold", files_read++);
    return read_all(path_text(&path), false, out_ns);
}

status file_bench_read_64m_direct(uint64_t *out_ns)
{
    struct path path = path_below("direct", UINT32_MAX);
    return read_all(path_text(&path), true, out_ns);
}
