#include "base/checked.h"
#include "device/block_device.h"
#include "fs/vfs/page_cache_internal.h"
#include "fs/vfs/vfs_test_volume.h"
#include "mm/heap.h"
#include "support/single_thread_mutex.h"
#include <abi/ring.h>

static buffer_pin span; /* scratch: a buffer of BUFFER_BYTES, or part of it */
static constexpr uint64_t BUFFER_BYTES = 1u << 20;

static void begin(uint64_t file_bytes)
{
    static bool is_ready;
    if (!is_ready) {
        host_memory_init();
        CHECK_STATUS(OK, vfs_init());
        is_ready = true;
    }
    volume_make(file_bytes);
    buffer_result made = buffer_create(&(struct buffer_options){.size_bytes = BUFFER_BYTES});
    CHECK_STATUS(OK, made.status);
    span = (buffer_pin){.buffer = made.value, .length = BUFFER_BYTES};
}

static void end(void)
{
    volume_drop();
    span.offset = 0;
    buffer_pin_drop(&span);
}

static uint8_t bytes[BUFFER_BYTES];

/* Writes `length` bytes of the value at the offset. */
static size_result write_value(struct object *open, uint64_t offset, bool append, uint8_t value,
                               uint64_t length)
{
    memset(bytes, value, length);
    CHECK_STATUS(OK, buffer_write(span.buffer, span.offset, bytes, length));
    span.length = length;
    return vfs_write(open, offset, append, &span);
}

static uint64_t read_bytes(struct object *open, uint64_t offset, uint64_t length)
{
    span.length = length;
    size_result read = vfs_read(open, offset, &span);
    CHECK_STATUS(OK, read.status);
    buffer_read(span.buffer, span.offset, bytes, read.value);
    return read.value;
}

static bool all_are(const uint8_t *where, uint8_t value, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        if (where[i] != value) return false;
    return true;
}

/* ---- writing ---- */

TEST(what_is_written_is_read_at_once_and_is_on_the_disk_after_a_sync)
{
    begin(10000);
    struct object *open = volume_open();
    CHECK_EQUAL(3000, write_value(open, 5000, false, 0x55, 3000).value);
    CHECK_EQUAL(10000, read_bytes(open, 0, 20000));
    CHECK(all_are(bytes + 5000, 0x55, 3000));
    CHECK_EQUAL(volume_byte_at(4999), bytes[4999]);
    CHECK_EQUAL(volume_byte_at(8000), bytes[8000]);
    CHECK_EQUAL(0, volume.writes);
    CHECK_STATUS(OK, vfs_sync(open));
    CHECK_EQUAL(1, volume.writes);
    CHECK_EQUAL(1, volume.syncs);
    CHECK(all_are(volume.disk + 5000, 0x55, 3000));
    CHECK_EQUAL(volume_byte_at(8000), volume.disk[8000]);
    CHECK_EQUAL(0, page_cache_dirty_pages());
    object_put(open);
    end();
}

TEST(a_write_waits_only_for_pages_that_it_leaves_something_of)
{
    begin(10000);
    struct object *open = volume_open();
    span.length = 4096;
    CHECK_EQUAL(4096, vfs_write_cached(open, 4096, false, &span).value); /* a whole page */
    span.length = 1808;
    CHECK_STATUS(OK, vfs_write_cached(open, 8192, false, &span).status); /* up to the end */
    span.length = 10;
    CHECK_STATUS(WOULD_BLOCK, vfs_write_cached(open, 100, false, &span).status);
    CHECK_STATUS(WOULD_BLOCK, vfs_write_cached(open, 20000, false, &span).status); /* a gap */
    CHECK_EQUAL(0, volume.reads);
    CHECK_STATUS(OK, vfs_write(open, 100, false, &span).status);
    CHECK_EQUAL(1, volume.reads);
    object_put(open);
    end();
}

TEST(a_gap_reads_as_zeros_in_memory_and_on_the_disk)
{
    begin(5000);
    struct object *open = volume_open();
    CHECK_EQUAL(10, write_value(open, 50000, false, 0x77, 10).value);
    CHECK_EQUAL(50010, read_bytes(open, 0, 60000));
    CHECK(all_are(bytes + 5000, 0, 45000));
    CHECK_STATUS(OK, vfs_sync(open));
    CHECK_EQUAL(50010, volume.disk_size);
    CHECK(all_are(volume.disk + 5000, 0, 45000));
    CHECK(all_are(volume.disk + 50000, 0x77, 10));
    object_put(open);
    end();
}

TEST(appends_go_to_the_end_and_move_the_position)
{
    begin(4000);
    struct object *open = volume_open();
    struct object *other = volume_open();
    CHECK_EQUAL(500, write_value(open, ABI_OFFSET_CURRENT, true, 1, 500).value);
    CHECK_EQUAL(500, write_value(other, ABI_OFFSET_CURRENT, true, 2, 500).value);
    CHECK_EQUAL(500, write_value(open, ABI_OFFSET_CURRENT, true, 3, 500).value);
    CHECK_EQUAL(5500, vfs_seek(open, 0, ABI_SEEK_CURRENT).value);
    CHECK_EQUAL(5000, vfs_seek(other, 0, ABI_SEEK_CURRENT).value);
    CHECK_EQUAL(1500, read_bytes(open, 4000, 5000));
    CHECK(all_are(bytes, 1, 500) && all_are(bytes + 500, 2, 500) && all_are(bytes + 1000, 3, 500));
    CHECK_EQUAL(500, write_value(other, ABI_OFFSET_CURRENT, false, 4, 500).value);
    CHECK_EQUAL(5500, vfs_seek(other, 0, ABI_SEEK_CURRENT).value);
    object_put(open);
    object_put(other);
    end();
}

TEST(a_full_volume_and_an_offset_beyond_all_numbers_are_told_before_anything_changes)
{
    begin(4000);
    volume.room = 10000;
    struct object *open = volume_open();
    CHECK_STATUS(NO_SPACE, write_value(open, 9000, false, 1, 1001).status);
    CHECK_EQUAL(4000, volume.vnode.size_bytes);
    CHECK_EQUAL(1000, write_value(open, 9000, false, 1, 1000).value);
    CHECK_STATUS(OUT_OF_RANGE, write_value(open, UINT64_MAX - 5, false, 1, 5).status);
    CHECK_STATUS(OUT_OF_RANGE, write_value(open, (1ull << 32) - 10, false, 1, 20).status);
    CHECK_STATUS(OUT_OF_RANGE, vfs_truncate(open, ABI_FILE_BYTES_MAX + 1).status);
    CHECK_STATUS(NO_SPACE, vfs_truncate(open, 10001).status);
    CHECK_EQUAL(10000, volume.vnode.size_bytes);
    object_put(open);
    end();
}

TEST(consecutive_dirty_pages_are_written_together)
{
    begin(0);
    struct object *open = volume_open();
    CHECK_EQUAL(100 * PAGE_BYTES, write_value(open, 0, false, 9, 100 * PAGE_BYTES).value);
    CHECK_STATUS(OK, vfs_sync(open));
    CHECK_EQUAL(4, volume.writes);
    CHECK_EQUAL(100, volume.pages_written);
    CHECK_STATUS(OK, vfs_sync(open));
    CHECK_EQUAL(4, volume.writes);
    object_put(open);
    end();
}

TEST(dirty_pages_are_not_given_up_and_clean_ones_are)
{
    begin(64 * PAGE_BYTES);
    struct object *open = volume_open();
    CHECK_EQUAL(64 * PAGE_BYTES, read_bytes(open, 0, 64 * PAGE_BYTES));
    CHECK_EQUAL(1, write_value(open, 5 * PAGE_BYTES, false, 9, 1).value);
    CHECK_EQUAL(63, page_cache_reclaim(1000));
    CHECK_EQUAL(1, page_cache_pages());
    CHECK_STATUS(OK, vfs_sync(open));
    CHECK_EQUAL(1, page_cache_reclaim(1000));
    CHECK_EQUAL(1, read_bytes(open, 5 * PAGE_BYTES, 1));
    CHECK_EQUAL(9, bytes[0]);
    object_put(open);
    end();
}

/* ---- truncating ---- */

TEST(what_was_cut_off_is_zero_when_the_file_grows_again)
{
    for (uint64_t at = 4095; at <= 4097; at++) {
        begin(20000);
        struct object *open = volume_open();
        CHECK_EQUAL(20000, read_bytes(open, 0, 20000));
        CHECK_EQUAL(10000, write_value(open, 5000, false, 9, 10000).value);
        CHECK_EQUAL(at, vfs_truncate(open, at).value);
        CHECK_EQUAL(at, volume.disk_size);
        CHECK_EQUAL(at, read_bytes(open, 0, 20000));
        CHECK_EQUAL(0, read_bytes(open, at, 1));
        CHECK_EQUAL(15000, vfs_truncate(open, 15000).value);
        CHECK_EQUAL(15000, read_bytes(open, 0, 20000));
        CHECK(all_are(bytes + at, 0, 15000 - at));
        CHECK_EQUAL(volume_byte_at(4000), bytes[4000]);
        CHECK_STATUS(OK, vfs_sync(open));
        CHECK(all_are(volume.disk + at, 0, 15000 - at));
        object_put(open);
        end();
    }
}

TEST(a_cut_that_fails_on_the_disk_is_made_up_for)
{
    begin(20000);
    struct object *open = volume_open();
    volume.truncate_failures = 2;
    CHECK_STATUS(IO_ERROR, vfs_truncate(open, 100).status);
    CHECK_EQUAL(100, read_bytes(open, 0, 20000));
    CHECK_STATUS(IO_ERROR, vfs_sync(open));
    CHECK_EQUAL(20000, volume.disk_size);
    CHECK_STATUS(OK, vfs_sync(open));
    CHECK_EQUAL(100, volume.disk_size);
    object_put(open);
    end();
}

/* ---- errors ---- */

TEST(a_write_that_fails_is_told_to_each_open_file_once_and_tried_again)
{
    begin(0);
    struct object *open = volume_open(), *other = volume_open();
    CHECK_EQUAL(5000, write_value(open, 0, false, 9, 5000).value);
    volume.write_failures = 1;
    CHECK_STATUS(IO_ERROR, vfs_sync(open));
    CHECK_EQUAL(2, page_cache_dirty_pages());
    CHECK_STATUS(OK, vfs_sync(open));
    CHECK_EQUAL(5000, volume.disk_size);
    CHECK(vfs_close_needs_wait(other));
    CHECK_STATUS(IO_ERROR, vfs_close(other));
    CHECK_STATUS(OK, vfs_close(other));
    struct object *late = volume_open(); /* somebody has been told */
    CHECK(!vfs_close_needs_wait(late));
    object_put(late);
    object_put(open);
    object_put(other);
    end();
}

TEST(a_failure_nobody_was_told_of_waits_for_the_next_who_opens_the_file)
{
    begin(0);
    struct object *open = volume_open();
    CHECK_EQUAL(50, write_value(open, 0, false, 9, 50).value);
    object_put(open);
    volume.write_failures = 1;
    volume.write_failure = FAIL(NO_SPACE);
    CHECK_EQUAL(1, page_cache_write_all(8));
    open = volume_open();
    CHECK_STATUS(NO_SPACE, vfs_sync(open));
    CHECK_STATUS(OK, vfs_sync(open));
    object_put(open);
    end();
}

/* ---- files without names ---- */

TEST(what_was_written_to_a_file_nobody_can_open_again_is_not_written_back)
{
    begin(0);
    struct object *open = volume_open();
    CHECK_EQUAL(50000, write_value(open, 0, false, 9, 50000).value);
    atomic_store(&volume.vnode.is_removed, true);
    CHECK_EQUAL(50000, read_bytes(open, 0, 60000));
    CHECK_STATUS(OK, vfs_close(open));
    vnode_put(&volume.vnode); /* the file system's own */
    object_put(open);
    CHECK(volume.is_released);
    CHECK_EQUAL(0, volume.writes);
    CHECK_EQUAL(0, page_cache_pages());
    CHECK_EQUAL(0, page_cache_dirty_pages());
    buffer_pin_drop(&span);
}

/* ---- direct transfers ---- */

TEST(a_direct_transfer_sees_what_was_written_and_is_seen)
{
    begin(40000);
    struct object *open = volume_open();
    struct vnode_extent extent;
    CHECK_EQUAL(100, write_value(open, 4096, false, 9, 100).value);
    CHECK_STATUS(WOULD_BLOCK, vfs_direct_begin(open, 4096, 512, false, false, &extent));
    CHECK_STATUS(OK, vfs_direct_begin(open, 4096, 512, false, true, &extent));
    CHECK_EQUAL(512, extent.length_bytes);
    CHECK_EQUAL(8, extent.first_sector);
    CHECK(all_are(volume.disk + 4096, 9, 100));
    vfs_direct_end(open, 4096, 512, false);

    CHECK_EQUAL(40000, read_bytes(open, 0, 40000));
    CHECK_STATUS(OK, vfs_direct_begin(open, 8192, 1024, true, true, &extent));
    CHECK_EQUAL(1024, read_bytes(open, 8192, 1024)); /* fills what is being overwritten */
    memset(volume.disk + 8192, 0x33, 1024);
    vfs_direct_end(open, 8192, 1024, true);
    CHECK_EQUAL(1024, read_bytes(open, 8192, 1024));
    CHECK(all_are(bytes, 0x33, 1024));
    object_put(open);
    end();
}

TEST(a_direct_transfer_is_cut_to_whole_sectors_of_the_file)
{
    begin(10000); /* 19 sectors and a part */
    struct object *open = volume_open();
    struct vnode_extent extent;
    CHECK_STATUS(INVALID_ARGUMENT, vfs_direct_begin(open, 100, 512, false, true, &extent));
    CHECK_STATUS(INVALID_ARGUMENT, vfs_direct_begin(open, 512, 100, false, true, &extent));
    CHECK_STATUS(OK, vfs_direct_begin(open, 9216, 4096, false, true, &extent));
    CHECK_EQUAL(512, extent.length_bytes);
    vfs_direct_end(open, 9216, 512, false);
    CHECK_STATUS(OK, vfs_direct_begin(open, 9728, 4096, false, true, &extent));
    CHECK_EQUAL(0, extent.length_bytes); /* nothing has begun */
    CHECK_STATUS(OK, vfs_direct_begin(open, 16384, 512, true, true, &extent));
    CHECK_EQUAL(512, extent.length_bytes);
    CHECK_EQUAL(16896, volume.disk_size);
    CHECK(all_are(volume.disk + 10000, 0, 6896));
    vfs_direct_end(open, 16384, 512, true);
    CHECK_EQUAL(0, volume.vnode.direct_transfers);
    object_put(open);
    end();
}

TEST(the_file_system_hears_of_direct_writes_and_of_nothing_else)
{
    begin(8192);
    struct object *open = volume_open();
    struct vnode_extent extent;
    CHECK_STATUS(OK, vfs_direct_begin(open, 0, 512, false, true, &extent));
    vfs_direct_end(open, 0, 512, false);
    CHECK_EQUAL(0, volume.direct_writes);
    CHECK_STATUS(OK, vfs_direct_begin(open, 0, 512, true, true, &extent));
    CHECK_EQUAL(0, volume.direct_writes);
    atomic_store(&volume.vnode.modified_ns, 1);
    vfs_direct_end(open, 0, 512, true);
    CHECK_EQUAL(1, volume.direct_writes);
    CHECK(atomic_load(&volume.vnode.modified_ns) != 1);
    object_put(open);
    end();
}

TEST(a_cut_does_not_make_a_file_longer_that_lost_pages_meanwhile)
{
    begin(4096);
    struct object *open = volume_open();
    CHECK_EQUAL(12288, write_value(open, 4096, false, 9, 12288).value);
    page_cache_set_end(atomic_load(&volume.vnode.pages), 4096); /* as giving up does */
    mutex_acquire(&volume.vnode.write_lock);
    CHECK_STATUS(IO_ERROR, page_cache_cut(&volume.vnode, 8192));
    mutex_release(&volume.vnode.write_lock);
    CHECK_EQUAL(4096, volume.vnode.size_bytes);
    CHECK_EQUAL(0, volume.truncations);
    CHECK_EQUAL(0, vfs_truncate(open, 0).value);
    CHECK_EQUAL(1, volume.truncations);
    object_put(open);
    end();
}

/* ---- without memory ---- */

TEST(writing_fails_cleanly_when_memory_runs_out)
{
    begin(3000);
    FOR_EACH_FAILING_ALLOCATION {
        object_result opened = vfs_open_vnode(&volume.vnode);
        if (!is_ok(opened.status)) continue;
        span.length = 200 * PAGE_BYTES;
        size_result written = vfs_write(opened.value, 2000, false, &span);
        CHECK(is_ok(written.status) || written.status.code == STATUS_OUT_OF_MEMORY);
        if (is_ok(written.status)) CHECK_EQUAL(volume.vnode.size_bytes, 2000 + written.value);
        CHECK_STATUS(OK, vfs_sync(opened.value));
        CHECK_EQUAL(volume.vnode.size_bytes, volume.disk_size);
        size_result cut = vfs_truncate(opened.value, 3000);
        CHECK(is_ok(cut.status) || cut.status.code == STATUS_OUT_OF_MEMORY);
        object_put(opened.value);
        page_cache_reclaim(UINT64_MAX);
        CHECK_EQUAL(0, page_cache_pages());
        page_cache_destroy(&volume.vnode);
    }
    end();
}

/* ---- against a plain array ---- */

static struct {
    uint8_t bytes[VOLUME_BYTES_MAX];
    uint64_t size;
    uint64_t position;
} model;

static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (random_state >> 33) % limit;
}

/* Mostly near edges of pages. */
static uint64_t random_offset(void)
{
    uint64_t offset = random_below(60) * PAGE_BYTES + random_below(5);
    return offset < 2 || random_below(4) == 0 ? random_below(240000) : offset - 2;
}

static void model_write(uint64_t offset, uint8_t value, uint64_t length)
{
    if (offset > model.size) memset(model.bytes + model.size, 0, offset - model.size);
    memset(model.bytes + offset, value, length);
    model.size = max_of(model.size, offset + length);
}

static void step_write(struct object *open)
{
    uint64_t length = 1 + random_below(random_below(2) ? 100 : 40000);
    uint8_t value = (uint8_t)(1 + random_below(255));
    uint32_t how = (uint32_t)random_below(4);
    uint64_t offset = random_offset();
    bool append = how == 0;
    uint64_t given = how <= 1 ? ABI_OFFSET_CURRENT : offset;
    uint64_t where = append ? model.size : how == 1 ? model.position : offset;
    memset(bytes, value, length);
    CHECK_STATUS(OK, buffer_write(span.buffer, span.offset, bytes, length));
    span.length = length;
    size_result done = vfs_write_cached(open, given, append, &span);
    if (done.status.code == STATUS_WOULD_BLOCK) {
        buffer_pin rest = span;
        rest.offset += done.value;
        rest.length -= done.value;
        uint64_t before = done.value;
        done = vfs_write(open, how <= 1 ? given : given + before, append, &rest);
        done.value += before;
    }
    CHECK_STATUS(OK, done.status);
    CHECK_EQUAL(length, done.value);
    model_write(where, value, length);
    if (how <= 1) model.position = where + length;
}

static void step_read(struct object *open)
{
    uint64_t offset = random_offset(), length = 1 + random_below(60000);
    uint64_t expected = offset >= model.size ? 0 : min_of(length, model.size - offset);
    CHECK_EQUAL(expected, read_bytes(open, offset, length));
    CHECK_BYTES(model.bytes + offset, bytes, expected);
}

static void step_truncate(struct object *open)
{
    uint64_t size = random_offset();
    CHECK_EQUAL(size, vfs_truncate(open, size).value);
    if (size > model.size) memset(model.bytes + model.size, 0, size - model.size);
    model.size = size;
}

static void step_direct(struct object *open, bool is_write)
{
    uint64_t offset = round_down(random_offset(), 512), length = 512 * (1 + random_below(30));
    struct vnode_extent extent;
    CHECK_STATUS(OK, vfs_direct_begin(open, offset, length, is_write, true, &extent));
    if (is_write) model_write(offset + length, 0, 0);
    if (extent.length_bytes == 0) return;
    uint8_t value = (uint8_t)(1 + random_below(255));
    if (random_below(2)) step_read(open);
    if (is_write) {
        memset(volume.disk + offset, value, extent.length_bytes);
        memset(model.bytes + offset, value, extent.length_bytes);
    } else {
        CHECK_BYTES(model.bytes + offset, volume.disk + offset, extent.length_bytes);
    }
    vfs_direct_end(open, offset, extent.length_bytes, is_write);
}

static void step_sync(struct object *open)
{
    if (random_below(4) == 0) {
        volume.write_failures = 1;
        ignore_status(vfs_sync(open)); /* fails if there was anything to write */
        volume.write_failures = 0;
        ignore_status(vfs_sync(open)); /* tells of that */
    }
    CHECK_STATUS(OK, vfs_sync(open));
    CHECK_EQUAL(model.size, volume.disk_size);
    CHECK_BYTES(model.bytes, volume.disk, model.size);
}

static void step(struct object *open)
{
    switch (random_below(12)) {
    case 0:
        return step_truncate(open);
    case 1:
        return step_direct(open, false);
    case 2:
        return step_direct(open, true);
    case 3:
        return step_sync(open);
    case 4:
        page_cache_reclaim(random_below(50));
        return;
    case 5:
    case 6:
    case 7:
        return step_read(open);
    default:
        return step_write(open);
    }
}

TEST(a_cached_file_is_like_an_array_of_bytes)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        random_state = seed;
        begin(random_below(100000));
        model.size = volume.disk_size;
        model.position = 0;
        memcpy(model.bytes, volume.disk, model.size);
        struct object *open = volume_open();
        for (uint32_t i = 0; i < 1000; i++)
            step(open);
        step_sync(open);
        object_put(open);
        end();
    }
}
