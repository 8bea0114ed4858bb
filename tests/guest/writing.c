/*
 * Contents of files on a disk: written at offsets, at a position and at the end, cut and
 * lengthened, seen through several handles, kept while open, bounded by the volume and the file
 * system; what a stat says of it; the right each of it needs.
 */
#include "peal/bytes.h"
#include "peal/channel.h"
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/thread.h"
#include "support/guest_test.h"
#include "support/raw.h"
#include "support/workspace.h"

#define PAGE          ABI_PAGE_BYTES
#define SCRATCH_BYTES (64 * PAGE)
#define FILE_MAX      0xffffffffull /* FAT32: FAT Specification 1.03, DIR_FileSize */

static struct raw_scratch scratch, other;

static int end_at_once(uint64_t)
{
    return 0;
}

GUEST_TEST_SETUP
{
    scratch = raw_scratch_make(SCRATCH_BYTES);
    other = raw_scratch_make(SCRATCH_BYTES);
    running_thread threads[2]; /* their stacks are kept for those that follow */
    for (uint32_t i = 0; i < 2; i++) {
        running_thread_result started = peal_thread_create(end_at_once, 0);
        if (!is_ok(started.status)) return;
        threads[i] = started.value;
    }
    for (uint32_t i = 0; i < 2; i++)
        running_thread_drop(&threads[i]);
}

/* ---- single submissions ---- */

static struct abi_completion transfer(uint8_t op, uint64_t file, uint64_t offset, uint32_t length)
{
    return raw_call((struct abi_submission){
        .op = op,
        .capability = file,
        .offset_bytes = offset,
        .buffer_index = op == ABI_OP_WRITE ? scratch.index : other.index,
        .length_bytes = length,
    });
}

/* Writes what is in `scratch`, reads into `other`. */
static struct abi_completion write_at(uint64_t file, uint64_t offset, uint32_t length)
{
    return transfer(ABI_OP_WRITE, file, offset, length);
}
static struct abi_completion read_at(uint64_t file, uint64_t offset, uint32_t length)
{
    return transfer(ABI_OP_READ, file, offset, length);
}

static struct abi_completion append(uint64_t file, uint64_t offset, uint32_t length)
{
    return raw_call((struct abi_submission){
        .op = ABI_OP_WRITE,
        .capability = file,
        .offset_bytes = offset,
        .op_flags = ABI_WRITE_APPEND,
        .buffer_index = scratch.index,
        .length_bytes = length,
    });
}

static struct abi_completion plain_call(uint8_t op, uint64_t capability, uint64_t argument)
{
    return raw_call(
        (struct abi_submission){.op = op, .capability = capability, .args = {argument}});
}

static uint64_t size_of(uint64_t file)
{
    struct abi_stat stat = {0};
    EXPECT_STATUS(OK, peal_raw_stat(file, &stat));
    return stat.size_bytes;
}

static uint64_t position_of(uint64_t file)
{
    struct abi_stat stat = {0};
    EXPECT_STATUS(OK, peal_raw_stat(file, &stat));
    return stat.file.position_bytes;
}

static bool are_all(const uint8_t *bytes, uint8_t value, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        if (bytes[i] != value) return false;
    return true;
}

static void expect_size(uint64_t expected, uint64_t file)
{
    EXPECT_EQUAL(expected, size_of(file));
}

/* ---- writing ---- */

/* What the file should be, byte by byte. */
static uint8_t model[SCRATCH_BYTES];

static void expect_is_model(uint64_t file, uint64_t size)
{
    expect_size(size, file);
    EXPECT_EQUAL(size, read_at(file, 0, SCRATCH_BYTES).value);
    EXPECT(memcmp(other.bytes, model, size) == 0);
}

GUEST_TEST(bytes_written_anywhere_are_there_and_nothing_else_changes)
{
    if (!workspace_begin()) return;
    OWNED(file_handle) file = workspace_file(TEXT("file"), TEXT(""));
    memset(model, 0, sizeof(model));
    uint64_t size = 0, random = 88172645463325252;
    for (uint32_t i = 0; i < 200; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint32_t at = random % (SCRATCH_BYTES - 20000),
                 length = (random >> 32) % (i % 5 * 5000 + 1);
        memset(scratch.bytes, (int)(1 + i), length);
        memset(model + at, (int)(1 + i), length);
        struct abi_completion done = write_at(file.raw, at, length);
        EXPECT_EQUAL(ABI_STATUS_OK, raw_status(done));
        EXPECT_EQUAL(length, done.value);
        if (length > 0 && at + length > size) size = at + length;
        if (i % 40 == 0) EXPECT(raw_is_ok(plain_call(ABI_OP_SYNC, file.raw, 0)));
    }
    expect_is_model(file.raw, size);
    EXPECT_EQUAL(0, position_of(file.raw));
    file_handle_drop(&file);
    file = workspace_open(TEXT("file"));
    expect_is_model(file.raw, size);
    workspace_end();
}

GUEST_TEST(writes_at_the_position_follow_each_other_and_appends_go_to_the_end)
{
    if (!workspace_begin()) return;
    OWNED(file_handle) file = workspace_file(TEXT("file"), TEXT(""));
    memset(scratch.bytes, 'a', PAGE);
    EXPECT_EQUAL(100, write_at(file.raw, ABI_OFFSET_CURRENT, 100).value);
    memset(scratch.bytes, 'b', PAGE);
    EXPECT_EQUAL(50, write_at(file.raw, ABI_OFFSET_CURRENT, 50).value);
    EXPECT_EQUAL(150, position_of(file.raw));
    EXPECT_EQUAL(10, peal_file_seek(file_borrow(&file), 10, ABI_SEEK_SET).value);
    memset(scratch.bytes, 'c', PAGE);
    EXPECT_EQUAL(5, write_at(file.raw, ABI_OFFSET_CURRENT, 5).value);
    EXPECT_EQUAL(15, position_of(file.raw));
    memset(scratch.bytes, 'd', PAGE);
    EXPECT_EQUAL(7, append(file.raw, ABI_OFFSET_CURRENT, 7).value);
    EXPECT_EQUAL(157, position_of(file.raw));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(append(file.raw, 0, 7)));
    EXPECT_EQUAL(157, peal_file_seek(file_borrow(&file), 1000, ABI_SEEK_END).value);
    EXPECT_EQUAL(157, read_at(file.raw, 0, PAGE).value);
    EXPECT(are_all(other.bytes, 'a', 10) && are_all(other.bytes + 10, 'c', 5) &&
           are_all(other.bytes + 15, 'a', 85) && are_all(other.bytes + 100, 'b', 50) &&
           are_all(other.bytes + 150, 'd', 7));
    struct abi_completion nothing = write_at(file.raw, 1000, 0);
    EXPECT(raw_is_ok(nothing) && nothing.value == 0);
    expect_size(157, file.raw);
    workspace_end();
}

GUEST_TEST(a_gap_reads_as_zeros)
{
    if (!workspace_begin()) return;
    memset(scratch.bytes, 0xee, SCRATCH_BYTES);
    /* What is free now held this before. */
    OWNED(file_handle) before = workspace_file(TEXT("before"), TEXT(""));
    EXPECT_EQUAL(SCRATCH_BYTES, write_at(before.raw, 0, SCRATCH_BYTES).value);
    EXPECT(raw_is_ok(plain_call(ABI_OP_SYNC, before.raw, 0)));
    file_handle_drop(&before);
    EXPECT_STATUS(OK, peal_delete(workspace(), TEXT("before"), 0));
    EXPECT_STATUS(OK, peal_directory_sync(workspace()));

    OWNED(file_handle) file = workspace_file(TEXT("file"), TEXT("x"));
    EXPECT_EQUAL(1, write_at(file.raw, 100'000, 1).value);
    for (uint32_t round = 0; round < 2; round++) {
        EXPECT_EQUAL(100'001, read_at(file.raw, 0, SCRATCH_BYTES).value);
        EXPECT_EQUAL('x', other.bytes[0]);
        EXPECT(are_all(other.bytes + 1, 0, 99'999));
        EXPECT_EQUAL(0xee, other.bytes[100'000]);
        file_handle_drop(&file);
        file = workspace_open(TEXT("file"));
    }
    workspace_end();
}

GUEST_TEST(a_file_is_cut_and_what_was_cut_off_never_comes_back)
{
    if (!workspace_begin()) return;
    memset(scratch.bytes, 'x', SCRATCH_BYTES);
    OWNED(file_handle) file = workspace_file(TEXT("file"), TEXT(""));
    EXPECT_EQUAL(50'000, write_at(file.raw, 0, 50'000).value);
    EXPECT(raw_is_ok(plain_call(ABI_OP_SYNC, file.raw, 0)));
    static const uint64_t cuts[] = {40'000, 12'289, 12'288, 4097, 513, 512, 511, 1, 0};
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        EXPECT_EQUAL(cuts[i], plain_call(ABI_OP_TRUNCATE, file.raw, cuts[i]).value);
        expect_size(cuts[i], file.raw);
        EXPECT_EQUAL(cuts[i], read_at(file.raw, 0, SCRATCH_BYTES).value);
        EXPECT(are_all(other.bytes, 'x', cuts[i]));
        EXPECT_EQUAL(50'000, plain_call(ABI_OP_TRUNCATE, file.raw, 50'000).value);
        EXPECT_EQUAL(50'000, read_at(file.raw, 0, SCRATCH_BYTES).value);
        EXPECT(are_all(other.bytes, 'x', cuts[i]));
        EXPECT(are_all(other.bytes + cuts[i], 0, 50'000 - cuts[i]));
        if (i % 2 == 0) EXPECT(raw_is_ok(plain_call(ABI_OP_SYNC, file.raw, 0)));
    }
    EXPECT_EQUAL(0, position_of(file.raw));
    EXPECT_EQUAL(3, plain_call(ABI_OP_TRUNCATE, file.raw, 3).value);
    file_handle_drop(&file);
    EXPECT(workspace_holds(TEXT("file"), TEXT("\0\0\0")));
    workspace_end();
}

GUEST_TEST(two_handles_to_one_file_see_one_file)
{
    if (!workspace_begin()) return;
    OWNED(file_handle) one = workspace_file(TEXT("file"), TEXT("first"));
    OWNED(file_handle) two = workspace_open(TEXT("FILE"));
    struct abi_stat stat_of_one = {0}, stat_of_two = {0};
    EXPECT_STATUS(OK, peal_raw_stat(one.raw, &stat_of_one));
    EXPECT_STATUS(OK, peal_raw_stat(two.raw, &stat_of_two));
    EXPECT_EQUAL(stat_of_one.file.number, stat_of_two.file.number);
    EXPECT_EQUAL(stat_of_one.file.volume, stat_of_two.file.volume);
    EXPECT(stat_of_one.object_id != stat_of_two.object_id);
    memcpy(scratch.bytes, "second", 6);
    EXPECT_EQUAL(6, write_at(one.raw, 3, 6).value);
    EXPECT_EQUAL(9, read_at(two.raw, 0, PAGE).value);
    EXPECT(memcmp(other.bytes, "firsecond", 9) == 0);
    EXPECT_EQUAL(2, plain_call(ABI_OP_TRUNCATE, two.raw, 2).value);
    EXPECT_EQUAL(2, read_at(one.raw, 0, PAGE).value);
    EXPECT_EQUAL(6, append(two.raw, ABI_OFFSET_CURRENT, 6).value);
    EXPECT_EQUAL(0, position_of(one.raw));
    expect_size(8, one.raw);
    workspace_end();
}

static struct appending {
    uint64_t file;
    _Atomic uint32_t failures;
} appending;

static int append_records(uint64_t number)
{
    static uint8_t records[2][30];
    memset(records[number], (int)('a' + number), sizeof(records[0]));
    for (uint32_t i = 0; i < 200; i++) {
        size_result done = peal_file_append((file_ref){appending.file}, VIEW_OF(records[number]));
        appending.failures += !is_ok(done.status) || done.value != sizeof(records[0]);
    }
    return 0;
}

GUEST_TEST(appends_of_several_are_in_one_piece_each_and_none_is_lost)
{
    if (!workspace_begin()) return;
    OWNED(file_handle) file = workspace_file(TEXT("file"), TEXT(""));
    appending = (struct appending){.file = file.raw};
    running_thread threads[2];
    for (uint64_t i = 0; i < 2; i++)
        threads[i] = peal_thread_create(append_records, i).value;
    for (uint32_t i = 0; i < 2; i++)
        EXPECT_STATUS(OK, peal_thread_join(&threads[i]).status);
    EXPECT_EQUAL(0, appending.failures);
    EXPECT_EQUAL(2 * 200 * 30, read_at(file.raw, 0, SCRATCH_BYTES).value);
    uint32_t of_first = 0;
    for (uint32_t i = 0; i < 400; i++) {
        EXPECT(are_all(other.bytes + 30 * i, other.bytes[30 * i], 30));
        of_first += other.bytes[30 * i] == 'a';
    }
    EXPECT_EQUAL(200, of_first);
    workspace_end();
}

/* ---- room ---- */

GUEST_TEST(a_deleted_file_lives_as_long_as_it_is_open_and_then_gives_its_room_back)
{
    if (!workspace_begin()) return;
    uint64_t free_before = workspace_free_bytes();
    memset(scratch.bytes, 'x', SCRATCH_BYTES);
    OWNED(file_handle) file = workspace_file(TEXT("file"), TEXT(""));
    EXPECT_EQUAL(SCRATCH_BYTES, write_at(file.raw, 0, SCRATCH_BYTES).value);
    EXPECT(raw_is_ok(plain_call(ABI_OP_SYNC, file.raw, 0)));
    EXPECT_STATUS(OK, peal_delete(workspace(), TEXT("file"), 0));
    EXPECT_STATUS(NOT_FOUND, workspace_find(TEXT("file")));
    EXPECT(free_before - workspace_free_bytes() >= SCRATCH_BYTES);
    EXPECT_EQUAL(SCRATCH_BYTES, read_at(file.raw, 0, SCRATCH_BYTES).value);
    EXPECT(are_all(other.bytes, 'x', SCRATCH_BYTES));
    memset(scratch.bytes, 'y', PAGE);
    EXPECT_EQUAL(PAGE, write_at(file.raw, SCRATCH_BYTES, PAGE).value);
    EXPECT(raw_is_ok(plain_call(ABI_OP_SYNC, file.raw, 0)));
    EXPECT_EQUAL(10, plain_call(ABI_OP_TRUNCATE, file.raw, 10).value);
    EXPECT_EQUAL(1, write_at(file.raw, 1, 1).value);
    EXPECT_EQUAL(10, read_at(file.raw, 0, PAGE).value);
    EXPECT(memcmp(other.bytes, "xyxxxxxxxx", 10) == 0);
    /* The name is another's, which has nothing to do with it. */
    OWNED(file_handle) next = workspace_file(TEXT("file"), TEXT("next"));
    EXPECT_EQUAL(10, read_at(file.raw, 0, PAGE).value);
    file_handle_drop(&file);
    EXPECT(workspace_holds(TEXT("file"), TEXT("next")));
    file_handle_drop(&next);
    EXPECT_STATUS(OK, peal_delete(workspace(), TEXT("file"), 0));
    EXPECT_EQUAL(free_before, workspace_free_bytes());
    workspace_end();
}

/* Appends until there is no room; answers the size then. */
static uint64_t fill_up(uint64_t file, uint64_t most)
{
    uint64_t size = 0;
    while (size < most) {
        struct abi_completion done = append(file, ABI_OFFSET_CURRENT, SCRATCH_BYTES);
        if (!raw_is_ok(done)) {
            EXPECT_EQUAL(ABI_STATUS_NO_SPACE, raw_status(done));
            break;
        }
        size += done.value;
    }
    return size;
}

GUEST_TEST(a_full_volume_says_so_when_it_is_written_to_and_room_comes_back)
{
    if (!workspace_begin()) return;
    struct abi_stat stat = {0};
    EXPECT_STATUS(OK, directory_stat(workspace(), &stat));
    const uint64_t cluster = stat.file.cluster_bytes, free_before = workspace_free_bytes();
    memset(scratch.bytes, 'f', SCRATCH_BYTES);
    OWNED(file_handle) file = workspace_file(TEXT("file"), TEXT(""));
    uint64_t size = fill_up(file.raw, free_before + 1);
    uint64_t left = free_before - size;
    EXPECT(size <= free_before && left < SCRATCH_BYTES + cluster);
    expect_size(size, file.raw);
    /* All that is left goes, and no byte more. */
    EXPECT_EQUAL(ABI_STATUS_NO_SPACE,
                 raw_status(plain_call(ABI_OP_TRUNCATE, file.raw, free_before + cluster)));
    struct abi_completion longest = plain_call(ABI_OP_TRUNCATE, file.raw, free_before);
    EXPECT_EQUAL(ABI_STATUS_OK, raw_status(longest));
    EXPECT_EQUAL(ABI_STATUS_NO_SPACE, raw_status(append(file.raw, ABI_OFFSET_CURRENT, 1)));
    EXPECT_EQUAL(ABI_STATUS_OK, raw_status(plain_call(ABI_OP_SYNC, file.raw, 0)));
    EXPECT_EQUAL(0, workspace_free_bytes());
    OWNED(file_handle) empty = workspace_file(TEXT("empty"), TEXT("")); /* needs no cluster */
    EXPECT_EQUAL(ABI_STATUS_NO_SPACE, raw_status(write_at(empty.raw, 0, 1)));
    EXPECT_STATUS(NO_SPACE, peal_directory_create(workspace(), TEXT("d"), RIGHTS_FOLDER).status);
    expect_size(0, empty.raw);
    expect_size(free_before, file.raw);
    EXPECT_EQUAL(cluster, plain_call(ABI_OP_TRUNCATE, file.raw, cluster).value);
    EXPECT_EQUAL(1, write_at(empty.raw, 0, 1).value);
    EXPECT_EQUAL(cluster, read_at(file.raw, 0, PAGE).value);
    EXPECT(are_all(other.bytes, 'f', cluster));
    file_handle_drop(&file);
    file_handle_drop(&empty);
    EXPECT_STATUS(OK, peal_delete(workspace(), TEXT("file"), 0));
    EXPECT_STATUS(OK, peal_delete(workspace(), TEXT("empty"), 0));
    EXPECT_EQUAL(free_before, workspace_free_bytes());
    workspace_end();
}

GUEST_TEST(what_a_deleted_file_had_can_be_written_to_at_once)
{
    if (!workspace_begin()) return;
    uint64_t free_before = workspace_free_bytes();
    memset(scratch.bytes, 'f', SCRATCH_BYTES);
    for (uint32_t round = 0; round < 3; round++) {
        OWNED(file_handle) file = workspace_file(TEXT("file"), TEXT(""));
        EXPECT_EQUAL(free_before, plain_call(ABI_OP_TRUNCATE, file.raw, free_before).value);
        if (round == 1) EXPECT(raw_is_ok(plain_call(ABI_OP_SYNC, file.raw, 0)));
        file_handle_drop(&file);
        EXPECT_STATUS(OK, peal_delete(workspace(), TEXT("file"), 0));
        if (round < 2) continue;
        OWNED(directory_handle) folder = workspace_folder(TEXT("d"));
    }
    workspace_end();
}

GUEST_TEST(no_file_is_longer_than_the_file_system_allows)
{
    if (!workspace_begin()) return;
    OWNED(file_handle) file = workspace_file(TEXT("file"), TEXT("x"));
    static const struct {
        uint64_t offset;
        uint32_t length, outcome;
    } cases[] = {
        {FILE_MAX, 1, ABI_STATUS_OUT_OF_RANGE},
        {FILE_MAX - 1, 2, ABI_STATUS_OUT_OF_RANGE},
        {FILE_MAX - 1, 1, ABI_STATUS_NO_SPACE}, /* the volume is smaller */
        {FILE_MAX - PAGE, PAGE, ABI_STATUS_NO_SPACE},
        {1ull << 32, 1, ABI_STATUS_OUT_OF_RANGE},
        {1ull << 48, 1, ABI_STATUS_OUT_OF_RANGE},
        {UINT64_MAX - 1, 1, ABI_STATUS_OUT_OF_RANGE},
        {UINT64_MAX - 1, 100, ABI_STATUS_OUT_OF_RANGE},
        {INT64_MAX, PAGE, ABI_STATUS_OUT_OF_RANGE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t outcome = raw_status(write_at(file.raw, cases[i].offset, cases[i].length));
        EXPECT_MESSAGE(outcome == cases[i].outcome, "%u bytes at %lx: status %u, not %u",
                       cases[i].length, cases[i].offset, outcome, cases[i].outcome);
    }
    EXPECT_EQUAL(ABI_STATUS_NO_SPACE, raw_status(plain_call(ABI_OP_TRUNCATE, file.raw, FILE_MAX)));
    static const uint64_t sizes[] = {FILE_MAX + 1, 1ull << 48, (1ull << 48) + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE,
                     raw_status(plain_call(ABI_OP_TRUNCATE, file.raw, sizes[i])));
    expect_size(1, file.raw);
    EXPECT_STATUS(OK, peal_file_sync(file_borrow(&file)));
    workspace_end();
}

/* ---- what a stat says ---- */

GUEST_TEST(times_move_when_a_file_changes_and_as_they_are_set)
{
    if (!workspace_begin()) return;
    const uint64_t second = 1'000'000'000, then = 1'234'567'890 * second; /* an even second */
    uint64_t now = peal_clock_real_ns();
    OWNED(file_handle) file = workspace_file(TEXT("file"), TEXT("x"));
    struct abi_stat stat = {0};
    EXPECT_STATUS(OK, file_stat(file_borrow(&file), &stat));
    EXPECT(stat.file.created_ns + 2 * second > now && stat.file.created_ns < now + 60 * second);
    EXPECT(stat.file.modified_ns + 2 * second > now && stat.file.modified_ns < now + 60 * second);
    EXPECT_STATUS(OK, peal_file_set_modified(file_borrow(&file), then));
    file_handle_drop(&file);
    file = workspace_open(TEXT("file"));
    EXPECT_STATUS(OK, file_stat(file_borrow(&file), &stat));
    EXPECT_EQUAL(then, stat.file.modified_ns);
    EXPECT_EQUAL(1, write_at(file.raw, 0, 1).value);
    EXPECT_STATUS(OK, file_stat(file_borrow(&file), &stat));
    EXPECT(stat.file.modified_ns + 2 * second > now);
    EXPECT_STATUS(OK, peal_file_set_modified(file_borrow(&file), then));
    EXPECT_EQUAL(0, plain_call(ABI_OP_TRUNCATE, file.raw, 0).value);
    EXPECT_STATUS(OK, file_stat(file_borrow(&file), &stat));
    EXPECT(stat.file.modified_ns + 2 * second > now);
    EXPECT_STATUS(OK, peal_file_set_modified(file_borrow(&file), then));
    EXPECT_STATUS(OK, peal_file_set_modified(file_borrow(&file), 0)); /* now */
    EXPECT_STATUS(OK, file_stat(file_borrow(&file), &stat));
    EXPECT(stat.file.modified_ns + 2 * second > now);
    OWNED(directory_handle) folder = workspace_folder(TEXT("folder"));
    EXPECT_STATUS(OK, peal_directory_set_modified(directory_borrow(&folder), then));
    EXPECT_STATUS(OK, directory_stat(directory_borrow(&folder), &stat));
    EXPECT_EQUAL(then, stat.file.modified_ns);
    workspace_end();
}

GUEST_TEST(a_stat_tells_of_the_volume_and_of_the_room_on_it)
{
    if (!workspace_begin()) return;
    OWNED(file_handle) file = workspace_file(TEXT("file"), TEXT(""));
    OWNED(file_handle) second = workspace_file(TEXT("second"), TEXT("x"));
    struct abi_stat before = {0}, after = {0}, of_second = {0};
    EXPECT(workspace_free_bytes() > 0); /* settles what was deleted before */
    EXPECT_STATUS(OK, file_stat(file_borrow(&file), &before));
    const uint64_t cluster = before.file.cluster_bytes;
    EXPECT(cluster >= 512 && (cluster & (cluster - 1)) == 0);
    EXPECT_EQUAL(0, before.file.volume_flags);
    EXPECT(before.file.volume_total_bytes > before.file.volume_free_bytes);
    EXPECT_EQUAL(0, before.file.volume_total_bytes % cluster);
    EXPECT(before.file.device[0] != 0);
    EXPECT_EQUAL(0, before.file.attributes & ABI_ATTRIBUTE_READ_ONLY);
    EXPECT_STATUS(OK, file_stat(file_borrow(&second), &of_second));
    EXPECT(of_second.file.number != before.file.number);
    EXPECT_EQUAL(before.file.volume, of_second.file.volume);
    /* What is in memory yet has its room all the same. */
    EXPECT_EQUAL(cluster * 3 + 1, write_at(file.raw, 0, (uint32_t)cluster * 3 + 1).value);
    EXPECT_STATUS(OK, file_stat(file_borrow(&file), &after));
    EXPECT_EQUAL(before.file.volume_free_bytes - 4 * cluster, after.file.volume_free_bytes);
    EXPECT(raw_is_ok(plain_call(ABI_OP_SYNC, file.raw, 0)));
    EXPECT_STATUS(OK, file_stat(file_borrow(&file), &after));
    EXPECT_EQUAL(before.file.volume_free_bytes - 4 * cluster, after.file.volume_free_bytes);
    EXPECT_EQUAL(cluster + 1, plain_call(ABI_OP_TRUNCATE, file.raw, cluster + 1).value);
    EXPECT_EQUAL(before.file.volume_free_bytes - 2 * cluster, workspace_free_bytes());
    workspace_end();
}

/* ---- handles ---- */

static uint32_t bit_of(uint64_t right)
{
    return (uint32_t)__builtin_ctzll(right);
}

static void expect_lacks(uint64_t right, struct abi_completion done)
{
    EXPECT_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, raw_status(done));
    EXPECT_EQUAL(bit_of(right), ABI_DETAIL_RIGHT(done.detail));
}

GUEST_TEST(each_change_of_a_file_needs_the_right_to_write_and_a_look_the_right_to_read)
{
    if (!workspace_begin()) return;
    OWNED(file_handle) file = workspace_file(TEXT("file"), TEXT("x"));
    uint64_t reader = raw_dup(file.raw, ABI_RIGHTS_ALL & ~(uint64_t)ABI_RIGHT_WRITE);
    expect_lacks(ABI_RIGHT_WRITE, write_at(reader, 0, 1));
    expect_lacks(ABI_RIGHT_WRITE, write_at(reader, ABI_OFFSET_CURRENT, 1));
    expect_lacks(ABI_RIGHT_WRITE, append(reader, ABI_OFFSET_CURRENT, 1));
    expect_lacks(ABI_RIGHT_WRITE, plain_call(ABI_OP_TRUNCATE, reader, 0));
    expect_lacks(ABI_RIGHT_WRITE, plain_call(ABI_OP_SYNC, reader, 0));
    expect_lacks(ABI_RIGHT_WRITE, plain_call(ABI_OP_SET_MODIFIED, reader, 0));
    EXPECT_EQUAL(1, read_at(reader, 0, 1).value);
    uint64_t writer = raw_dup(file.raw, ABI_RIGHTS_ALL & ~(uint64_t)ABI_RIGHT_READ);
    expect_lacks(ABI_RIGHT_READ, read_at(writer, 0, 1));
    EXPECT_EQUAL(1, write_at(writer, 0, 1).value);
    uint64_t fixed = raw_dup(file.raw, ABI_RIGHTS_ALL & ~(uint64_t)ABI_RIGHT_SEEK);
    expect_lacks(ABI_RIGHT_SEEK, plain_call(ABI_OP_SEEK, fixed, 0));
    EXPECT(raw_close(reader) && raw_close(writer) && raw_close(fixed));
    expect_size(1, file.raw);
    workspace_end();
}

GUEST_TEST(a_file_opened_through_a_directory_for_reading_cannot_be_written)
{
    if (!workspace_begin()) return;
    OWNED(file_handle) made = workspace_file(TEXT("file"), TEXT("x"));
    file_handle_drop(&made);
    directory_result without =
        directory_dup(workspace(), ABI_RIGHTS_ALL & ~(uint64_t)ABI_RIGHT_WRITE);
    OWNED(directory_handle) folder = TAKE(without.value);
    file_result opened = peal_file_open(directory_borrow(&folder), TEXT("file"), ABI_RIGHTS_ALL);
    EXPECT_STATUS(OK, opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    expect_lacks(ABI_RIGHT_WRITE, write_at(file.raw, 0, 1));
    expect_lacks(ABI_RIGHT_WRITE, plain_call(ABI_OP_TRUNCATE, file.raw, 0));
    EXPECT_STATUS(NOT_FOUND,
                  peal_file_open(directory_borrow(&folder), TEXT("new"), ABI_RIGHTS_ALL).status);
    file_result created = peal_file_create(directory_borrow(&folder), TEXT("new"), ABI_RIGHTS_ALL);
    EXPECT_STATUS(OK, created.status);
    OWNED(file_handle) fresh = TAKE(created.value);
    expect_lacks(ABI_RIGHT_WRITE, write_at(fresh.raw, 0, 1));
    EXPECT(workspace_holds(TEXT("file"), TEXT("x")));
    workspace_end();
}

GUEST_TEST(a_file_goes_through_a_channel_and_is_written_at_the_other_end)
{
    if (!workspace_begin()) return;
    OWNED(file_handle) file = workspace_file(TEXT("file"), TEXT("first"));
    OWNED(channel_pair) pair = {0};
    EXPECT_STATUS(OK, peal_channel_create(&pair, 0));
    struct peal_parcel parcel = PEAL_MOVE(&file, RIGHTS_HANDLE | ABI_RIGHT_WRITE);
    EXPECT_STATUS(
        OK, peal_channel_send_with(channel_borrow(&pair.ends[0]), view_of(TEXT("")), &parcel, 1));
    EXPECT(file_is_nil(file_borrow(&file)));
    static uint8_t bytes[16];
    OWNED(channel_message) message = {.bytes = SPAN_OF(bytes)};
    EXPECT_STATUS(OK, peal_channel_receive(channel_borrow(&pair.ends[1]), &message));
    OWNED(file_handle) received = channel_message_take_file(&message, 0);
    memcpy(scratch.bytes, "second", 6);
    EXPECT_EQUAL(6, append(received.raw, ABI_OFFSET_CURRENT, 6).value);
    expect_lacks(ABI_RIGHT_READ, read_at(received.raw, 0, 1));
    file_handle_drop(&received);
    EXPECT(workspace_holds(TEXT("file"), TEXT("firstsecond")));
    workspace_end();
}

GUEST_TEST(files_for_reading_refuse_every_change)
{
    static const text paths[] = {TEXT("boot/bin/true"), TEXT("proc/memory")};
    directory_ref root = peal_granted_directory(TEXT("root"));
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        file_result opened = peal_file_open(root, paths[i], ABI_RIGHTS_ALL);
        EXPECT_STATUS(OK, opened.status);
        OWNED(file_handle) file = TAKE(opened.value);
        EXPECT_EQUAL(ABI_STATUS_PERMISSION_DENIED, raw_status(write_at(file.raw, 0, 1)));
        EXPECT_EQUAL(ABI_STATUS_PERMISSION_DENIED,
                     raw_status(append(file.raw, ABI_OFFSET_CURRENT, 1)));
        EXPECT_EQUAL(ABI_STATUS_PERMISSION_DENIED,
                     raw_status(plain_call(ABI_OP_TRUNCATE, file.raw, 0)));
        EXPECT_EQUAL(ABI_STATUS_PERMISSION_DENIED,
                     raw_status(plain_call(ABI_OP_SET_MODIFIED, file.raw, 0)));
    }
}
