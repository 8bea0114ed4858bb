/*
 * Direct reads and writes: of block devices through /dev, and of files, where they have to agree
 * with reads and writes through the cache. What writes to a device needs a disk nobody has mounted,
 * /dev/nvme0n1, and is skipped without it.
 */
#include "peal/bytes.h"
#include "peal/file.h"
#include "peal/ring.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PAGE          ABI_PAGE_BYTES
#define SCRATCH_BYTES (64 * PAGE)
#define PATTERN_BYTES 65536u /* byte n is 1 + n modulo 127 */
#define PATTERN_PATH  TEXT("disk0/numbers/pattern.bin")
#define DISK          TEXT("dev/nvme0n1")
#define MOUNTED_DISK  TEXT("dev/virtio0p1") /* the sample disk's partition */
#define FILE_PATH     TEXT("disk0/direct.tmp")
#define DEPTH         32u

static directory_ref root;
static struct raw_scratch scratch;

GUEST_TEST_SETUP
{
    root = peal_granted_directory(TEXT("root"));
    scratch = raw_scratch_make(SCRATCH_BYTES);
}

static struct abi_completion open_at(text path, uint64_t rights)
{
    memcpy(scratch.bytes, path.bytes, path.length);
    return raw_call((struct abi_submission){.op = ABI_OP_OPEN,
                                            .capability = root.raw,
                                            .buffer_index = scratch.index,
                                            .length_bytes = (uint32_t)path.length,
                                            .args = {rights}});
}

/* 0, and the test is skipped: there is none. */
static uint64_t open_disk(uint64_t rights)
{
    struct abi_completion opened = open_at(DISK, rights);
    if (raw_is_ok(opened)) return opened.value;
    guest_test_skip("there is no NVMe disk to write to");
    return 0;
}

struct place {
    uint64_t offset; /* on the device or in the file */
    uint32_t at;     /* in the scratch buffer */
    uint32_t length;
};

static struct abi_submission transfer(uint8_t op, uint64_t handle, struct place place)
{
    return (struct abi_submission){.op = op,
                                   .capability = handle,
                                   .offset_bytes = place.offset,
                                   .buffer_index = scratch.index,
                                   .buffer_offset_bytes = place.at,
                                   .length_bytes = place.length,
                                   .op_flags = ABI_IO_DIRECT};
}

static struct abi_completion move(uint8_t op, uint64_t handle, struct place place)
{
    return raw_call(transfer(op, handle, place));
}

static void fill(uint32_t at, uint32_t length, uint32_t seed)
{
    for (uint32_t i = 0; i < length; i++)
        scratch.bytes[at + i] = (uint8_t)((i * 7 + seed) >> (i % 5));
}

static bool is_filled(uint32_t at, uint32_t length, uint32_t seed)
{
    for (uint32_t i = 0; i < length; i++)
        if (scratch.bytes[at + i] != (uint8_t)((i * 7 + seed) >> (i % 5))) return false;
    return true;
}

GUEST_TEST(what_is_written_to_a_device_is_read_from_it)
{
    uint64_t disk = open_disk(ABI_RIGHTS_ALL);
    if (disk == 0) return;
    fill(PAGE + 512, 20480, 3);
    struct abi_completion done = move(ABI_OP_WRITE, disk, (struct place){8192, PAGE + 512, 20480});
    EXPECT(raw_is_ok(done));
    EXPECT_EQUAL(20480, done.value);
    EXPECT(raw_is_ok(raw_call((struct abi_submission){.op = ABI_OP_SYNC, .capability = disk})));
    memset(scratch.bytes, 0, SCRATCH_BYTES);
    done = move(ABI_OP_READ, disk, (struct place){8192, 2 * PAGE, 20480});
    EXPECT(raw_is_ok(done));
    EXPECT_EQUAL(20480, done.value);
    EXPECT(is_filled(2 * PAGE, 20480, 3));
    raw_close(disk);
}

GUEST_TEST(a_long_span_takes_several_requests)
{
    uint64_t disk = open_disk(ABI_RIGHTS_ALL);
    if (disk == 0) return;
    fill(0, SCRATCH_BYTES, 9);
    struct abi_completion done =
        move(ABI_OP_WRITE, disk, (struct place){1 << 20, 0, SCRATCH_BYTES});
    EXPECT_EQUAL(SCRATCH_BYTES, done.value);
    memset(scratch.bytes, 0, SCRATCH_BYTES);
    done = move(ABI_OP_READ, disk, (struct place){1 << 20, 0, SCRATCH_BYTES});
    EXPECT_EQUAL(SCRATCH_BYTES, done.value);
    EXPECT(is_filled(0, SCRATCH_BYTES, 9));
    raw_close(disk);
}

static void expect_refused(uint64_t handle, struct place place)
{
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(move(ABI_OP_READ, handle, place)));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(move(ABI_OP_WRITE, handle, place)));
}

GUEST_TEST(parts_of_sectors_are_refused)
{
    uint64_t disk = open_disk(ABI_RIGHTS_ALL);
    if (disk == 0) return;
    expect_refused(disk, (struct place){1, 0, 512});
    expect_refused(disk, (struct place){0, 4, 512});
    expect_refused(disk, (struct place){0, 0, 511});
    expect_refused(disk, (struct place){ABI_OFFSET_CURRENT, 0, 512});
    raw_close(disk);
}

GUEST_TEST(a_device_ends_where_its_size_says)
{
    uint64_t disk = open_disk(ABI_RIGHTS_ALL);
    if (disk == 0) return;
    struct abi_stat stat;
    EXPECT(is_ok(peal_raw_stat(disk, &stat)));
    EXPECT_EQUAL(ABI_KIND_BLOCK_DEVICE, stat.kind);
    EXPECT_EQUAL(stat.size_bytes, stat.block.sector_count * stat.block.sector_bytes);
    struct abi_completion done =
        move(ABI_OP_READ, disk, (struct place){stat.size_bytes - 4096, 0, 8192});
    EXPECT_EQUAL(4096, done.value);
    done = move(ABI_OP_READ, disk, (struct place){stat.size_bytes, 0, 8192});
    EXPECT(raw_is_ok(done) && done.value == 0);
    done = move(ABI_OP_WRITE, disk, (struct place){stat.size_bytes, 0, 8192});
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, raw_status(done));
    struct abi_stat after;
    EXPECT(is_ok(peal_raw_stat(disk, &after)));
    EXPECT_EQUAL(stat.block.reads + 1, after.block.reads);
    EXPECT_EQUAL(stat.block.read_bytes + 4096, after.block.read_bytes);
    raw_close(disk);
}

GUEST_TEST(a_handle_without_the_right_to_write_does_not_write)
{
    uint64_t disk = open_disk(ABI_RIGHT_READ | ABI_RIGHT_CLOSE);
    if (disk == 0) return;
    struct abi_completion done = move(ABI_OP_WRITE, disk, (struct place){0, 0, 512});
    EXPECT_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, raw_status(done));
    EXPECT_EQUAL(512, move(ABI_OP_READ, disk, (struct place){0, 0, 512}).value);
    raw_close(disk);
}

GUEST_TEST(a_device_with_a_volume_is_read_but_not_opened_for_writing)
{
    struct abi_completion opened = open_at(MOUNTED_DISK, ABI_RIGHT_READ | ABI_RIGHT_CLOSE);
    if (!raw_is_ok(opened)) {
        guest_test_skip("there is no sample disk");
        return;
    }
    EXPECT_EQUAL(4096, move(ABI_OP_READ, opened.value, (struct place){0, 0, 4096}).value);
    EXPECT(scratch.bytes[510] == 0x55 && scratch.bytes[511] == 0xaa);
    raw_close(opened.value);
    EXPECT_EQUAL(ABI_STATUS_BUSY, raw_status(open_at(MOUNTED_DISK, ABI_RIGHTS_ALL)));
    EXPECT_EQUAL(ABI_STATUS_BUSY, raw_status(open_at(TEXT("dev/virtio0"), ABI_RIGHTS_ALL)));
}

GUEST_TEST(many_reads_at_once_each_get_their_own_sectors)
{
    uint64_t disk = open_disk(ABI_RIGHTS_ALL);
    if (disk == 0) return;
    for (uint32_t i = 0; i < DEPTH; i++)
        fill(i * PAGE, PAGE, i * 1000);
    EXPECT_EQUAL(DEPTH * PAGE, move(ABI_OP_WRITE, disk, (struct place){0, 0, DEPTH * PAGE}).value);
    memset(scratch.bytes, 0, SCRATCH_BYTES);
    for (uint32_t i = 0; i < DEPTH; i++) {
        *peal_ring_slot() = transfer(ABI_OP_READ, disk, (struct place){i * PAGE, i * PAGE, PAGE});
        peal_ring_push();
    }
    EXPECT(is_ok(peal_submit(DEPTH, ABI_DEADLINE_NEVER).status));
    struct abi_completion done;
    uint32_t count = 0;
    for (; peal_reap(&done); count++)
        EXPECT(done.tag == ABI_RESULT_OK && done.value == PAGE);
    EXPECT_EQUAL(DEPTH, count);
    for (uint32_t i = 0; i < DEPTH; i++)
        EXPECT(is_filled(i * PAGE, PAGE, i * 1000));
    raw_close(disk);
}

static bool is_pattern(uint32_t at, uint64_t from, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        if (scratch.bytes[at + i] != 1 + (from + i) % 127) return false;
    return true;
}

GUEST_TEST(a_file_is_read_past_the_cache_as_through_it)
{
    struct abi_completion opened = open_at(PATTERN_PATH, ABI_RIGHT_READ | ABI_RIGHT_CLOSE);
    if (!raw_is_ok(opened)) {
        guest_test_skip("there is no sample disk");
        return;
    }
    struct abi_completion done =
        move(ABI_OP_READ, opened.value, (struct place){4096, 0, 3 * 4096 + 512});
    EXPECT_EQUAL(3 * 4096 + 512, done.value);
    EXPECT(is_pattern(0, 4096, 3 * 4096 + 512));
    /* Over the end, which is the end of a sector. */
    done = move(ABI_OP_READ, opened.value, (struct place){PATTERN_BYTES - 1024, 0, 8192});
    EXPECT_EQUAL(1024, done.value);
    EXPECT(is_pattern(0, PATTERN_BYTES - 1024, 1024));
    done = move(ABI_OP_READ, opened.value, (struct place){PATTERN_BYTES, 0, 8192});
    EXPECT(raw_is_ok(done) && done.value == 0);
    done = move(ABI_OP_READ, opened.value, (struct place){1, 0, 512});
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(done));
    done = move(ABI_OP_READ, opened.value, (struct place){0, 4, 512});
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(done));
    raw_close(opened.value);
}

/* ---- files that are written ---- */

static struct abi_completion move_cached(uint8_t op, uint64_t handle, struct place place)
{
    struct abi_submission request = transfer(op, handle, place);
    request.op_flags = 0;
    return raw_call(request);
}

/* A new, empty file. 0, and the test is skipped: there is no disk that could be written to. */
static uint64_t make_file(void)
{
    memcpy(scratch.bytes, FILE_PATH.bytes, FILE_PATH.length);
    struct abi_completion made =
        raw_call((struct abi_submission){.op = ABI_OP_CREATE,
                                         .capability = root.raw,
                                         .buffer_index = scratch.index,
                                         .length_bytes = (uint32_t)FILE_PATH.length,
                                         .args = {ABI_RIGHTS_ALL}});
    if (raw_is_ok(made)) return made.value;
    guest_test_skip("there is no disk to write to");
    return 0;
}

static void end_file(uint64_t file)
{
    raw_close(file);
    memcpy(scratch.bytes, FILE_PATH.bytes, FILE_PATH.length);
    EXPECT(
        raw_is_ok(raw_call((struct abi_submission){.op = ABI_OP_DELETE,
                                                   .capability = root.raw,
                                                   .buffer_index = scratch.index,
                                                   .length_bytes = (uint32_t)FILE_PATH.length})));
}

/* Fills so much of the file, in one way or the other. */
static void put(bool is_direct, uint64_t file, uint64_t offset, uint32_t length, uint32_t seed)
{
    fill(0, length, seed);
    struct place place = {offset, 0, length};
    struct abi_completion done =
        is_direct ? move(ABI_OP_WRITE, file, place) : move_cached(ABI_OP_WRITE, file, place);
    EXPECT(raw_is_ok(done));
    EXPECT_EQUAL(length, done.value);
}

/* Whether that is what is read there, in one way or the other. */
static bool holds(bool is_direct, uint64_t file, uint64_t offset, uint32_t length, uint32_t seed)
{
    memset(scratch.bytes, 0xa5, length);
    struct place place = {offset, 0, length};
    struct abi_completion done =
        is_direct ? move(ABI_OP_READ, file, place) : move_cached(ABI_OP_READ, file, place);
    return raw_is_ok(done) && done.value == length && is_filled(0, length, seed);
}

static uint64_t size_of(uint64_t file)
{
    struct abi_stat stat = {0};
    EXPECT(is_ok(peal_raw_stat(file, &stat)));
    return stat.size_bytes;
}

static void truncate_to(uint64_t file, uint64_t size_bytes)
{
    EXPECT(raw_is_ok(raw_call(
        (struct abi_submission){.op = ABI_OP_TRUNCATE, .capability = file, .args = {size_bytes}})));
}

GUEST_TEST(what_is_written_to_a_file_directly_is_read_through_the_cache)
{
    uint64_t file = make_file();
    if (file == 0) return;
    put(true, file, 0, 16 * PAGE, 1);
    EXPECT_EQUAL(16 * PAGE, size_of(file));
    EXPECT(holds(false, file, 0, 16 * PAGE, 1)); /* all pages are in memory now */
    put(true, file, 2 * PAGE + 512, PAGE, 2);    /* parts of two */
    EXPECT(holds(false, file, 2 * PAGE + 512, PAGE, 2));
    EXPECT(holds(true, file, 2 * PAGE + 512, PAGE, 2));
    EXPECT(holds(false, file, 0, 2 * PAGE, 1)); /* and what is in front of them */
    end_file(file);
}

GUEST_TEST(what_is_written_through_the_cache_is_read_directly)
{
    uint64_t file = make_file();
    if (file == 0) return;
    put(false, file, 0, 16 * PAGE, 3);
    EXPECT(holds(true, file, 0, 16 * PAGE, 3)); /* nobody has synced */
    put(false, file, 5 * PAGE + 1024, 512, 4);  /* dirty again */
    EXPECT(holds(true, file, 5 * PAGE + 1024, 512, 4));
    EXPECT(holds(false, file, 5 * PAGE + 1024, 512, 4));
    EXPECT(holds(true, file, 0, 5 * PAGE, 3));
    end_file(file);
}

GUEST_TEST(a_direct_write_keeps_what_is_dirty_around_it)
{
    uint64_t file = make_file();
    if (file == 0) return;
    put(false, file, 0, 4 * PAGE, 5);
    put(true, file, PAGE + 512, 512, 6); /* inside a dirty page */
    EXPECT(holds(false, file, 0, PAGE + 512, 5));
    EXPECT(holds(false, file, PAGE + 512, 512, 6));
    EXPECT(holds(true, file, PAGE + 512, 512, 6));
    memset(scratch.bytes, 0, 4 * PAGE);
    EXPECT_EQUAL(4 * PAGE, move(ABI_OP_READ, file, (struct place){0, 0, 4 * PAGE}).value);
    memset(scratch.bytes + PAGE + 512, 0, 512);
    uint8_t *hole = scratch.bytes + PAGE + 512;
    for (uint32_t i = 0; i < 512; i++)
        hole[i] = (uint8_t)(((PAGE + 512 + i) * 7 + 5) >> ((PAGE + 512 + i) % 5));
    EXPECT(is_filled(0, 4 * PAGE, 5)); /* all the rest is as it was */
    end_file(file);
}

GUEST_TEST(a_direct_write_behind_the_end_leaves_zeros_between)
{
    uint64_t file = make_file();
    if (file == 0) return;
    put(false, file, 0, 700, 7);
    put(true, file, 8 * PAGE, 1024, 8);
    EXPECT_EQUAL(8 * PAGE + 1024, size_of(file));
    EXPECT(holds(false, file, 0, 700, 7));
    EXPECT(holds(true, file, 8 * PAGE, 1024, 8));
    EXPECT_EQUAL(8 * PAGE, move(ABI_OP_READ, file, (struct place){0, 0, 8 * PAGE}).value);
    for (uint32_t i = 700; i < 8 * PAGE; i++)
        if (scratch.bytes[i] != 0) {
            EXPECT_EQUAL(0, scratch.bytes[i]);
            break;
        }
    end_file(file);
}

GUEST_TEST(what_was_cut_off_is_not_read_directly)
{
    uint64_t file = make_file();
    if (file == 0) return;
    put(true, file, 0, 8 * PAGE, 9);
    truncate_to(file, 3 * PAGE);
    EXPECT(holds(true, file, 0, 3 * PAGE, 9));
    struct abi_completion done = move(ABI_OP_READ, file, (struct place){3 * PAGE, 0, PAGE});
    EXPECT(raw_is_ok(done) && done.value == 0);
    done = move(ABI_OP_READ, file, (struct place){2 * PAGE, 0, 4 * PAGE});
    EXPECT(raw_is_ok(done) && done.value == PAGE);
    truncate_to(file, 8 * PAGE); /* longer again: what was there does not come back */
    memset(scratch.bytes, 0xa5, 8 * PAGE);
    EXPECT_EQUAL(8 * PAGE, move(ABI_OP_READ, file, (struct place){0, 0, 8 * PAGE}).value);
    EXPECT(is_filled(0, 3 * PAGE, 9));
    uint32_t nonzero = 0;
    for (uint32_t i = 3 * PAGE; i < 8 * PAGE; i++)
        nonzero += scratch.bytes[i] != 0;
    EXPECT_EQUAL(0, nonzero);
    end_file(file);
}

GUEST_TEST(a_file_is_cut_while_direct_reads_of_it_are_under_way)
{
    uint64_t file = make_file();
    if (file == 0) return;
    put(true, file, 0, DEPTH * PAGE, 10);
    memset(scratch.bytes, 0xa5, SCRATCH_BYTES);
    for (uint32_t i = 0; i < DEPTH; i++) {
        *peal_ring_slot() = transfer(ABI_OP_READ, file, (struct place){i * PAGE, i * PAGE, PAGE});
        peal_ring_push();
    }
    *peal_ring_slot() = (struct abi_submission){.op = ABI_OP_TRUNCATE, .capability = file};
    peal_ring_push();
    EXPECT(is_ok(peal_submit(DEPTH + 1, ABI_DEADLINE_NEVER).status));
    struct abi_completion done;
    uint32_t count = 0;
    for (; peal_reap(&done); count++)
        EXPECT(done.tag == ABI_RESULT_OK && (done.value == PAGE || done.value == 0));
    EXPECT_EQUAL(DEPTH + 1, count);
    EXPECT_EQUAL(0, size_of(file));
    for (uint32_t i = 0; i < DEPTH; i++) {
        /* Each page was read before the cut, or not at all. */
        bool is_untouched = scratch.bytes[i * PAGE] == 0xa5 && scratch.bytes[i * PAGE + 1] == 0xa5;
        bool is_read = true;
        for (uint32_t at = i * PAGE; at < (i + 1) * PAGE; at++)
            is_read = is_read && scratch.bytes[at] == (uint8_t)((at * 7 + 10) >> (at % 5));
        EXPECT(is_untouched || is_read);
    }
    end_file(file);
}

GUEST_TEST(direct_writes_of_parts_of_sectors_are_refused_and_change_nothing)
{
    uint64_t file = make_file();
    if (file == 0) return;
    put(false, file, 0, 2 * PAGE, 11);
    static const struct place refused[] = {{1, 0, 512},
                                           {0, 4, 512},
                                           {0, 0, 511},
                                           {4 * PAGE + 1, 0, 512},
                                           {ABI_OFFSET_CURRENT, 0, 512}};
    for (uint32_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        memset(scratch.bytes, 0, PAGE);
        struct abi_completion done = move(ABI_OP_WRITE, file, refused[i]);
        EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(done));
    }
    EXPECT_EQUAL(2 * PAGE, size_of(file));
    EXPECT(holds(false, file, 0, 2 * PAGE, 11));
    end_file(file);
}

GUEST_TEST(a_direct_write_moves_the_time_of_change_on)
{
    uint64_t file = make_file();
    if (file == 0) return;
    put(true, file, 0, PAGE, 12);
    static const uint64_t YEAR_2000_NS = 946'684'800'000'000'000;
    EXPECT(raw_is_ok(raw_call((struct abi_submission){
        .op = ABI_OP_SET_MODIFIED, .capability = file, .args = {YEAR_2000_NS}})));
    struct abi_stat stat = {0};
    EXPECT(is_ok(peal_raw_stat(file, &stat)));
    EXPECT_EQUAL(YEAR_2000_NS, stat.file.modified_ns);
    put(true, file, 0, PAGE, 13);
    EXPECT(raw_is_ok(raw_call((struct abi_submission){.op = ABI_OP_SYNC, .capability = file})));
    EXPECT(is_ok(peal_raw_stat(file, &stat)));
    EXPECT(stat.file.modified_ns > YEAR_2000_NS);
    end_file(file);
}
