/*
 * Direct reads and writes: of block devices through /dev, and of files. What writes needs a disk
 * nobody has mounted, /dev/nvme0n1, and is skipped without it.
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
    if (raw_status(done) == ABI_STATUS_PERMISSION_DENIED) {
        raw_close(opened.value);
        guest_test_skip("the volume does not say where its files lie");
        return;
    }
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
