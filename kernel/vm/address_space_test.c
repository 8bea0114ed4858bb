/*
 * Address spaces over the real page tables and frames. Random numbers are played here, flushes
 * are counted by the host's stand-in for the processor.
 */
#include "arch/arch/page_table.h"
#include "arch/host/host.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "mm/heap.h"
#include "random/random.h"
#include "support/test.h"
#include "vm/address_space.h"
#include <abi/ops.h>
#include <stdlib.h>

#define LOW        ABI_USER_ADDRESS_MIN
#define READ       ABI_ACCESS_READ
#define WRITE      ABI_ACCESS_WRITE
#define EXECUTE    ABI_ACCESS_EXECUTE
#define PAGES(n)   ((uint64_t)(n) * PAGE_BYTES)
#define ADDRESS(n) user_at(LOW + PAGES(n))

uint64_t random_number(void)
{
    return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
}

static struct memory_quota *quota;

static struct address_space *new_space(void)
{
    host_memory_init();
    page_table_kernel();
    host_flushes = 0;
    quota = memory_quota_create(64 << 20);
    CHECK(quota != nullptr);
    address_space_result made = address_space_create(quota);
    CHECK_STATUS(OK, made.status);
    return made.value;
}

static void end_space(struct address_space *space)
{
    address_space_destroy(space);
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
}

static struct buffer *new_buffer(uint64_t pages, uint32_t flags)
{
    buffer_result made = buffer_create(
        &(struct buffer_options){.quota = quota, .size_bytes = PAGES(pages), .flags = flags});
    CHECK_STATUS(OK, made.status);
    return made.value;
}

/* All of the buffer, through a capability. */
static address_result map_through(struct address_space *space, struct capability *capability,
                                  user_address address)
{
    struct buffer *buffer = buffer_of(capability->object);
    CHECK(capability_use_try(capability));
    address_result mapped =
        address_space_map(space, &(struct mapping_request){.buffer = buffer,
                                                           .capability = capability,
                                                           .length_bytes = buffer_size(buffer),
                                                           .address = address,
                                                           .access = READ | WRITE,
                                                           .access_max = READ | WRITE});
    capability_unuse(capability);
    return mapped;
}

static address_result map_at(struct address_space *space, struct buffer *buffer, uint64_t offset,
                             uint64_t pages, user_address address, uint8_t access)
{
    return address_space_map(space, &(struct mapping_request){
                                        .buffer = buffer,
                                        .buffer_offset = offset,
                                        .length_bytes = PAGES(pages),
                                        .address = address,
                                        .access = access,
                                        .access_max = READ | WRITE,
                                    });
}

static struct page_mapping mapping(struct address_space *space, uint64_t page)
{
    return page_table_find(address_space_page_table(space), LOW + PAGES(page));
}

TEST(a_touched_page_is_mapped_with_the_regions_access_and_an_untouched_one_is_not)
{
    struct address_space *space = new_space();
    struct buffer *buffer = new_buffer(4, 0);
    CHECK_STATUS(OK, map_at(space, buffer, PAGES(1), 3, ADDRESS(0), READ | WRITE).status);
    CHECK_EQUAL(0, mapping(space, 0).page_bytes);
    CHECK_STATUS(OK, address_space_fault(space, ADDRESS(1), READ));
    CHECK_STATUS(OK, address_space_fault(space, ADDRESS(1), WRITE)); /* again: nothing to do */
    CHECK_EQUAL(0, mapping(space, 0).page_bytes);
    CHECK_EQUAL(PAGE_BYTES, mapping(space, 1).page_bytes);
    CHECK_EQUAL(PAGE_READ | PAGE_WRITE, mapping(space, 1).access);
    physical_address frame;
    CHECK(buffer_has_page(buffer, 2, &frame));
    CHECK_EQUAL(frame.value, mapping(space, 1).frame.value);

    CHECK_STATUS(NOT_FOUND, address_space_fault(space, ADDRESS(3), READ));
    CHECK_STATUS(NOT_FOUND, address_space_fault(space, user_at(0), READ));
    CHECK_STATUS(NOT_FOUND, address_space_fault(space, user_at(UINT64_MAX), READ));
    CHECK_STATUS(PERMISSION_DENIED, address_space_fault(space, ADDRESS(0), EXECUTE));
    buffer_put(buffer);
    end_space(space);
}

TEST(requests_that_make_no_sense_are_refused)
{
    struct address_space *space = new_space();
    struct buffer *buffer = new_buffer(4, 0);
    CHECK_STATUS(INVALID_ARGUMENT, map_at(space, buffer, 1, 1, ADDRESS(0), READ).status);
    CHECK_STATUS(INVALID_ARGUMENT, map_at(space, buffer, 0, 0, ADDRESS(0), READ).status);
    CHECK_STATUS(INVALID_ARGUMENT, map_at(space, buffer, 0, 1, user_at(LOW + 1), READ).status);
    CHECK_STATUS(INVALID_ARGUMENT, map_at(space, buffer, 0, 1, ADDRESS(0), 8).status);
    CHECK_STATUS(INVALID_ARGUMENT, map_at(space, buffer, 0, 1, ADDRESS(0), WRITE | EXECUTE).status);
    CHECK_STATUS(INVALID_ARGUMENT, map_at(space, buffer, 0, 1, ADDRESS(0), EXECUTE).status);
    CHECK_STATUS(OUT_OF_RANGE, map_at(space, buffer, 0, 5, ADDRESS(0), READ).status);
    CHECK_STATUS(OUT_OF_RANGE, map_at(space, buffer, PAGES(4), 1, ADDRESS(0), READ).status);
    CHECK_STATUS(OUT_OF_RANGE, map_at(space, buffer, 0, 1, user_at(LOW - PAGE_BYTES), READ).status);
    CHECK_STATUS(OUT_OF_RANGE,
                 map_at(space, buffer, 0, 1, user_at(ABI_USER_ADDRESS_END), READ).status);
    CHECK_STATUS(OUT_OF_RANGE, map_at(space, buffer, 0, 4, user_at(0 - PAGES(2)), READ).status);
    CHECK_STATUS(
        OK, map_at(space, buffer, 0, 1, user_at(ABI_USER_ADDRESS_END - PAGE_BYTES), READ).status);
    CHECK_STATUS(OK, map_at(space, buffer, 0, 2, ADDRESS(1), READ).status);
    CHECK_STATUS(ALREADY_EXISTS, map_at(space, buffer, 0, 1, ADDRESS(2), READ).status);
    CHECK_STATUS(ALREADY_EXISTS, map_at(space, buffer, 0, 2, ADDRESS(0), READ).status);
    CHECK_EQUAL(2, address_space_region_count(space));
    buffer_put(buffer);
    end_space(space);
}

TEST(chosen_places_are_apart_and_differ_from_space_to_space)
{
    enum { COUNT = 600 };
    uint64_t first_places[2];
    for (int round = 0; round < 2; round++) {
        struct address_space *space = new_space();
        struct buffer *buffer = new_buffer(1024, 0);
        for (int i = 0; i < COUNT; i++) {
            address_result placed =
                map_at(space, buffer, 0, i % 3 == 0 ? 1024 : 2, user_at(0), READ);
            CHECK_STATUS(OK, placed.status);
            if (i == 0) first_places[round] = placed.value.value;
            CHECK_STATUS(NOT_FOUND,
                         address_space_fault(space, user_at(placed.value.value - 1), READ));
        }
        CHECK_EQUAL(COUNT, address_space_region_count(space));
        buffer_put(buffer);
        end_space(space);
    }
    CHECK(first_places[0] != first_places[1]);
}

TEST(neighbours_that_exist_already_are_mapped_by_one_fault)
{
    struct address_space *space = new_space();
    struct buffer *buffer = new_buffer(32, 0);
    for (uint64_t i = 0; i < 32; i++)
        CHECK_STATUS(OK, buffer_touch(buffer, i).status);
    CHECK_STATUS(OK, map_at(space, buffer, 0, 32, ADDRESS(0), READ).status);
    CHECK_STATUS(OK, address_space_fault(space, ADDRESS(20), READ));
    for (uint64_t i = 0; i < 32; i++)
        CHECK_EQUAL(i >= 16 ? PAGE_BYTES : 0, mapping(space, i).page_bytes);
    buffer_put(buffer);
    end_space(space);
}

TEST(unmapping_the_middle_leaves_two_windows_that_show_the_same_bytes)
{
    struct address_space *space = new_space();
    address_space_activate(space);
    struct buffer *buffer = new_buffer(10, 0);
    CHECK_STATUS(OK, map_at(space, buffer, 0, 10, ADDRESS(0), READ | WRITE).status);
    for (uint64_t i = 0; i < 10; i++)
        CHECK_STATUS(OK, address_space_fault(space, ADDRESS(i), WRITE));
    physical_address frame = mapping(space, 8).frame;

    CHECK_STATUS(OK, address_space_unmap(space, ADDRESS(3), PAGES(2)));
    CHECK_EQUAL(1, host_flushes);
    CHECK_EQUAL(2, address_space_region_count(space));
    CHECK_STATUS(NOT_FOUND, address_space_fault(space, ADDRESS(4), READ));
    CHECK_EQUAL(0, mapping(space, 3).page_bytes);
    CHECK_EQUAL(frame.value, mapping(space, 8).frame.value);
    CHECK_STATUS(NOT_FOUND, address_space_unmap(space, ADDRESS(2), PAGES(2)));
    CHECK_STATUS(INVALID_ARGUMENT, address_space_unmap(space, ADDRESS(2), 0));
    CHECK_STATUS(INVALID_ARGUMENT, address_space_unmap(space, ADDRESS(2), 7));
    CHECK_STATUS(OUT_OF_RANGE, address_space_unmap(space, user_at(0), PAGES(1)));

    /* What goes back between them joins both. */
    CHECK_STATUS(OK, map_at(space, buffer, PAGES(3), 2, ADDRESS(3), READ | WRITE).status);
    CHECK_EQUAL(1, address_space_region_count(space));
    CHECK_STATUS(OK, address_space_unmap(space, ADDRESS(0), PAGES(10)));
    CHECK_EQUAL(0, address_space_region_count(space));
    CHECK_EQUAL(1, atomic_load(&buffer_object(buffer)->references));
    buffer_put(buffer);
    address_space_deactivate(space);
    end_space(space);
}

TEST(nothing_is_flushed_where_nothing_was_taken_away)
{
    struct address_space *space = new_space();
    struct buffer *buffer = new_buffer(4, 0);
    CHECK_STATUS(OK, map_at(space, buffer, 0, 4, ADDRESS(0), READ).status);
    CHECK_STATUS(OK, address_space_fault(space, ADDRESS(0), READ));
    address_space_activate(space);
    CHECK_STATUS(OK, address_space_protect(space, ADDRESS(0), PAGES(1), READ | WRITE));
    CHECK_EQUAL(0, host_flushes);
    CHECK_EQUAL(PAGE_READ | PAGE_WRITE, mapping(space, 0).access);
    CHECK_STATUS(OK, address_space_unmap(space, ADDRESS(2), PAGES(1)));
    CHECK_EQUAL(0, host_flushes);
    CHECK_STATUS(OK, address_space_protect(space, ADDRESS(0), PAGES(1), READ));
    CHECK_EQUAL(1, host_flushes);
    address_space_deactivate(space);
    CHECK_STATUS(OK, address_space_unmap(space, ADDRESS(0), PAGES(1))); /* nobody uses it now */
    CHECK_EQUAL(1, host_flushes);
    buffer_put(buffer);
    end_space(space);
}

TEST(protection_splits_is_bounded_and_comes_together_again)
{
    struct address_space *space = new_space();
    struct buffer *buffer = new_buffer(8, 0);
    CHECK_STATUS(OK, map_at(space, buffer, 0, 8, ADDRESS(0), READ | WRITE).status);
    CHECK_STATUS(OK, address_space_fault(space, ADDRESS(4), WRITE));
    CHECK_STATUS(OK, address_space_protect(space, ADDRESS(3), PAGES(3), READ));
    CHECK_EQUAL(3, address_space_region_count(space));
    CHECK_EQUAL(PAGE_READ, mapping(space, 4).access);
    CHECK_STATUS(PERMISSION_DENIED, address_space_fault(space, ADDRESS(4), WRITE));
    CHECK_STATUS(OK, address_space_fault(space, ADDRESS(4), READ));

    CHECK_STATUS(PERMISSION_DENIED, address_space_protect(space, ADDRESS(0), PAGES(8), EXECUTE));
    CHECK_STATUS(INVALID_ARGUMENT,
                 address_space_protect(space, ADDRESS(0), PAGES(8), WRITE | EXECUTE));
    CHECK_STATUS(NOT_FOUND, address_space_protect(space, ADDRESS(0), PAGES(9), READ));

    CHECK_STATUS(OK, address_space_protect(space, ADDRESS(4), PAGES(1), 0));
    CHECK_STATUS(PERMISSION_DENIED, address_space_fault(space, ADDRESS(4), READ));
    CHECK_STATUS(OK, address_space_protect(space, ADDRESS(4), PAGES(1), READ));
    CHECK_STATUS(OK, address_space_protect(space, ADDRESS(3), PAGES(3), WRITE));
    CHECK_EQUAL(1, address_space_region_count(space));
    CHECK_EQUAL(PAGE_READ | PAGE_WRITE, mapping(space, 4).access);
    buffer_put(buffer);
    end_space(space);
}

TEST(large_pages_are_mapped_whole_and_split_where_they_are_cut)
{
    struct address_space *space = new_space();
    struct buffer *buffer = new_buffer(1024, ABI_BUFFER_LARGE_PAGES);
    address_result placed = map_at(space, buffer, 0, 1024, user_at(0), READ | WRITE);
    CHECK_STATUS(OK, placed.status);
    uint64_t start = placed.value.value;
    CHECK(is_aligned(start, LARGE_PAGE_BYTES));
    const struct page_table *table = address_space_page_table(space);
    CHECK_STATUS(OK, address_space_fault(space, user_at(start + PAGES(700)), WRITE));
    CHECK_EQUAL(0, page_table_find(table, start).page_bytes);
    CHECK_EQUAL(LARGE_PAGE_BYTES, page_table_find(table, start + PAGES(512)).page_bytes);

    CHECK_STATUS(OK, address_space_unmap(space, user_at(start + PAGES(600)), PAGES(1)));
    CHECK_EQUAL(PAGE_BYTES, page_table_find(table, start + PAGES(599)).page_bytes);
    CHECK_EQUAL(0, page_table_find(table, start + PAGES(600)).page_bytes);
    frame_result frame = buffer_touch(buffer, 601);
    CHECK_EQUAL(frame.value.value, page_table_find(table, start + PAGES(601)).frame.value);

    /* Not aligned alike in memory and buffer: small pages. */
    CHECK_STATUS(OK, map_at(space, buffer, PAGES(1), 600, ADDRESS(0), READ).status);
    CHECK_STATUS(OK, address_space_fault(space, ADDRESS(512), READ));
    CHECK_EQUAL(PAGE_BYTES, mapping(space, 512).page_bytes);
    buffer_put(buffer);
    end_space(space);
}

TEST(what_the_kernel_mapped_goes_and_what_the_program_put_there_stays)
{
    struct address_space *space = new_space();
    struct buffer *ring = new_buffer(4, 0), *other = new_buffer(4, 0);
    CHECK_STATUS(OK, map_at(space, ring, 0, 4, ADDRESS(0), READ | WRITE).status);
    CHECK_STATUS(OK, address_space_unmap(space, ADDRESS(1), PAGES(1)));
    CHECK_STATUS(OK, map_at(space, other, 0, 1, ADDRESS(1), READ).status);
    address_space_unmap_buffer(space, ADDRESS(0), PAGES(4), ring);
    CHECK_EQUAL(1, address_space_region_count(space));
    CHECK_STATUS(OK, address_space_fault(space, ADDRESS(1), READ));
    CHECK_EQUAL(1, atomic_load(&buffer_object(ring)->references));
    buffer_put(ring);
    buffer_put(other);
    end_space(space);
}

TEST(there_are_only_so_many_regions)
{
    struct address_space *space = new_space();
    struct buffer *buffer = new_buffer(3, 0);
    uint64_t made = 0;
    address_result placed;
    while (is_ok((placed = map_at(space, buffer, 0, 3, ADDRESS(4 * made), READ)).status))
        made++;
    CHECK_STATUS(QUOTA_EXCEEDED, placed.status);
    CHECK_EQUAL(ADDRESS_SPACE_REGIONS_MAX, made);
    CHECK_STATUS(QUOTA_EXCEEDED, address_space_unmap(space, ADDRESS(1), PAGES(1)));
    CHECK_STATUS(QUOTA_EXCEEDED, address_space_protect(space, ADDRESS(1), PAGES(1), 0));
    CHECK_STATUS(OK, address_space_unmap(space, ADDRESS(0), PAGES(1))); /* needs no more */
    CHECK_STATUS(OK, address_space_unmap(space, ADDRESS(6), PAGES(1)));
    CHECK_EQUAL(ADDRESS_SPACE_REGIONS_MAX, address_space_region_count(space));
    CHECK_STATUS(OK, address_space_unmap(space, ADDRESS(1), PAGES(2)));
    CHECK_STATUS(OK, address_space_unmap(space, ADDRESS(9), PAGES(1)));
    buffer_put(buffer);
    end_space(space);
}

TEST(a_change_that_runs_out_of_memory_changes_nothing)
{
    host_memory_init();
    page_table_kernel();
    FOR_EACH_FAILING_ALLOCATION {
        quota = memory_quota_create(64 << 20);
        if (quota == nullptr) continue;
        address_space_result made = address_space_create(quota);
        buffer_result buffer =
            buffer_create(&(struct buffer_options){.quota = quota, .size_bytes = PAGES(6)});
        if (is_ok(made.status) && is_ok(buffer.status)) {
            struct address_space *space = made.value;
            bool is_mapped =
                is_ok(map_at(space, buffer.value, 0, 6, ADDRESS(0), READ | WRITE).status);
            CHECK_EQUAL(is_mapped, address_space_region_count(space));
            status touched = address_space_fault(space, ADDRESS(3), WRITE);
            if (is_mapped && !is_ok(touched)) CHECK_STATUS(OUT_OF_MEMORY, touched);
            status changed = address_space_protect(space, ADDRESS(2), PAGES(2), READ);
            CHECK_EQUAL(is_mapped ? (is_ok(changed) ? 3 : 1) : 0,
                        address_space_region_count(space));
            uint32_t before = address_space_region_count(space);
            status unmapped = address_space_unmap(space, ADDRESS(1), PAGES(4));
            CHECK_EQUAL(is_ok(unmapped) ? 2 : before, address_space_region_count(space));
        }
        if (is_ok(buffer.status)) buffer_put(buffer.value);
        if (is_ok(made.status)) address_space_destroy(made.value);
        CHECK_EQUAL(0, memory_quota_used(quota));
        memory_quota_put(quota);
    }
}

/* ---- revocation ---- */

static struct capability *root, *child; /* of the buffer below */
static struct revocation revocation;

static void no_progress(struct revocation *unused)
{
    (void)unused;
}

/* A space and a buffer, which only the capabilities keep. */
static struct address_space *new_lent_space(uint64_t pages, uint32_t flags)
{
    static bool is_ready;
    struct address_space *space = new_space();
    if (!is_ready) CHECK_STATUS(OK, capability_init());
    is_ready = true;
    struct buffer *buffer = new_buffer(pages, flags);
    capability_result made = capability_create(buffer_object(buffer), ABI_RIGHTS_ALL);
    CHECK_STATUS(OK, made.status);
    root = made.value;
    capability_result derived = capability_derive(root, ABI_RIGHTS_ALL, (derivation){0});
    CHECK_STATUS(OK, derived.status);
    child = derived.value;
    buffer_put(buffer);
    return space;
}

static void end_lent_space(struct address_space *space)
{
    capability_release(child);
    capability_release(root);
    end_space(space);
}

/* Takes back what derives from the root, as far as it gets without waiting. */
static enum revocation_progress revoke(void)
{
    enum revocation_progress progress;
    while ((progress = revocation_advance(&revocation)) == REVOCATION_AGAIN) {
    }
    return progress;
}

static void begin_revocation(void)
{
    CHECK(capability_use_try(root));
    revocation_init(&revocation, root, false, no_progress);
}

TEST(a_revocation_removes_what_was_mapped_through_what_it_takes_back)
{
    struct address_space *space = new_lent_space(8, 0);
    CHECK(is_ok(map_through(space, root, ADDRESS(0)).status));
    CHECK(is_ok(map_through(space, child, ADDRESS(100)).status));
    CHECK_STATUS(OK, address_space_unmap(space, ADDRESS(103), PAGES(2)));
    CHECK_STATUS(OK, address_space_protect(space, ADDRESS(106), PAGES(1), READ));
    CHECK_EQUAL(5, address_space_region_count(space));
    CHECK_STATUS(OK, address_space_fault(space, ADDRESS(1), WRITE));
    CHECK_STATUS(OK, address_space_fault(space, ADDRESS(101), WRITE));
    address_space_activate(space);
    uint64_t flushes = host_flushes;
    begin_revocation();
    CHECK_EQUAL(REVOCATION_DONE, revoke());
    capability_unuse(root);
    CHECK(host_flushes > flushes);
    CHECK_EQUAL(1, address_space_region_count(space));
    CHECK_STATUS(NOT_FOUND, address_space_fault(space, ADDRESS(101), READ));
    CHECK_EQUAL(0, mapping(space, 101).page_bytes);
    CHECK_EQUAL(PAGE_BYTES, mapping(space, 1).page_bytes); /* its own stays */
    CHECK(child->object == nullptr);
    address_space_deactivate(space);
    end_lent_space(space);
}

TEST(what_is_revoked_cannot_be_mapped)
{
    struct address_space *space = new_lent_space(2, 0);
    struct buffer *buffer = buffer_of(root->object);
    CHECK(capability_use_try(child));
    begin_revocation();
    CHECK_EQUAL(REVOCATION_WAITING, revoke());
    struct mapping_request request = {.buffer = buffer,
                                      .capability = child,
                                      .length_bytes = PAGES(2),
                                      .access = READ,
                                      .access_max = READ};
    CHECK_STATUS(CAPABILITY_REVOKED, address_space_map(space, &request).status);
    CHECK_EQUAL(0, address_space_region_count(space));
    capability_unuse(child);
    CHECK_EQUAL(REVOCATION_DONE, revoke());
    capability_unuse(root);
    end_lent_space(space);
}

TEST(neighbours_through_different_capabilities_stay_apart)
{
    struct address_space *space = new_lent_space(4, 0);
    CHECK(capability_use_try(child));
    CHECK(capability_use_try(root));
    struct mapping_request request = {.buffer = buffer_of(root->object),
                                      .capability = root,
                                      .length_bytes = PAGES(2),
                                      .address = ADDRESS(0),
                                      .access = READ,
                                      .access_max = READ};
    CHECK_STATUS(OK, address_space_map(space, &request).status);
    request.buffer_offset = PAGES(2);
    request.address = ADDRESS(2);
    request.capability = child;
    CHECK_STATUS(OK, address_space_map(space, &request).status);
    CHECK_EQUAL(2, address_space_region_count(space));
    CHECK_STATUS(OK, address_space_unmap(space, ADDRESS(2), PAGES(2)));
    request.capability = root;
    CHECK_STATUS(OK, address_space_map(space, &request).status);
    CHECK_EQUAL(1, address_space_region_count(space));
    capability_unuse(child);
    capability_unuse(root);
    end_lent_space(space);
}

/* Between its mark and its claim a region is cut, and the part that would be claimed unmapped. */
TEST(a_part_cut_off_a_region_that_is_being_revoked_goes_too)
{
    struct address_space *space = new_lent_space(6, 0);
    CHECK(is_ok(map_through(space, child, ADDRESS(0)).status));
    CHECK_STATUS(OK, address_space_fault(space, ADDRESS(5), WRITE));
    /* As a revocation does first: marked, and nobody told yet. */
    atomic_fetch_or(&child->state, CAPABILITY_REVOKED);
    CHECK_STATUS(OK, address_space_unmap(space, ADDRESS(0), PAGES(3)));
    CHECK_EQUAL(0, address_space_region_count(space));
    CHECK_EQUAL(0, mapping(space, 5).page_bytes);
    atomic_fetch_and(&child->state, ~CAPABILITY_REVOKED);
    end_lent_space(space);
}

TEST(large_pages_are_unmapped_by_a_revocation_however_they_were_cut)
{
    struct address_space *space = new_lent_space(1024, ABI_BUFFER_LARGE_PAGES);
    CHECK(is_ok(map_through(space, child, ADDRESS(512)).status));
    CHECK_STATUS(OK, address_space_fault(space, ADDRESS(512), WRITE));
    CHECK_STATUS(OK, address_space_fault(space, ADDRESS(1024), WRITE));
    CHECK_STATUS(OK, address_space_protect(space, ADDRESS(1026), PAGES(7), READ));
    begin_revocation();
    CHECK_EQUAL(REVOCATION_DONE, revoke());
    capability_unuse(root);
    CHECK_EQUAL(0, address_space_region_count(space));
    CHECK_EQUAL(0, mapping(space, 512).page_bytes);
    CHECK_EQUAL(0, mapping(space, 1027).page_bytes);
    end_lent_space(space);
}

TEST(a_space_that_ends_lets_go_of_what_it_had_mapped)
{
    struct address_space *space = new_lent_space(2, 0);
    CHECK(is_ok(map_through(space, child, ADDRESS(0)).status));
    begin_revocation();
    address_space_destroy(space);
    CHECK_EQUAL(REVOCATION_DONE, revoke());
    capability_unuse(root);
    address_space_result made = address_space_create(quota);
    CHECK_STATUS(OK, made.status);
    end_lent_space(made.value);
}

TEST(regions_are_told_of_in_order_also_to_somebody_who_stays_longer_than_the_space)
{
    struct address_space *space = new_space();
    struct buffer *buffer = new_buffer(4, 0);
    CHECK_STATUS(OK, map_at(space, buffer, PAGES(1), 2, ADDRESS(8), READ).status);
    CHECK_STATUS(OK, map_at(space, buffer, 0, 1, ADDRESS(3), READ | WRITE).status);
    CHECK_STATUS(OK, address_space_fault(space, ADDRESS(3), WRITE));
    struct region_description region;
    CHECK(address_space_describe_region(space, user_at(0), &region));
    CHECK_EQUAL(LOW + PAGES(3), region.start);
    CHECK_EQUAL(LOW + PAGES(4), region.end);
    CHECK_EQUAL(READ | WRITE, region.access);
    CHECK_EQUAL(buffer_object(buffer)->id, region.buffer_id);
    CHECK_EQUAL(PAGES(4), region.buffer_bytes);
    CHECK_EQUAL(PAGES(1), region.buffer_committed_bytes);
    CHECK(address_space_describe_region(space, user_at(region.end), &region));
    CHECK_EQUAL(LOW + PAGES(8), region.start);
    CHECK_EQUAL(PAGES(1), region.buffer_offset);
    CHECK_EQUAL(READ, region.access);
    CHECK_EQUAL(READ | WRITE, region.access_max);
    CHECK_EQUAL(0, region.derivation_id);
    CHECK(!address_space_describe_region(space, user_at(region.end), &region));

    buffer_put(buffer);
    address_space_get(space);
    address_space_destroy(space);
    CHECK(!address_space_describe_region(space, user_at(0), &region));
    address_space_put(space);
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
}
