/* Pools of provided buffers, as far as they go without anything that arrives. */
#include "peal/memory.h"
#include "peal/pool.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PAGE      ABI_PAGE_BYTES
#define POOLS_MAX 64u /* kernel/vm/buffer_pool.h */

static struct raw_scratch scratch;

static struct abi_completion create(uint32_t offset, uint32_t length, uint64_t chunk_bytes)
{
    return raw_call((struct abi_submission){.op = ABI_OP_POOL_CREATE,
                                            .buffer_index = scratch.index,
                                            .buffer_offset_bytes = offset,
                                            .length_bytes = length,
                                            .args = {chunk_bytes}});
}

static struct abi_completion give(uint64_t pool, uint64_t chunk)
{
    return raw_call((struct abi_submission){.op = ABI_OP_POOL_GIVE, .args = {pool, chunk}});
}

static uint32_t destroy(uint64_t pool)
{
    return raw_status(raw_call((struct abi_submission){.op = ABI_OP_POOL_DESTROY, .args = {pool}}));
}

GUEST_TEST(a_pool_is_made_of_the_chunks_that_fit)
{
    struct abi_completion made = create(8, 100, 33);
    EXPECT(raw_is_ok(made) && made.value < POOLS_MAX);
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(give(made.value, 2))); /* it is free */
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, raw_status(give(made.value, 3)));
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, raw_status(give(made.value, UINT64_MAX)));
    EXPECT_EQUAL(ABI_STATUS_OK, destroy(made.value));
    EXPECT_EQUAL(ABI_STATUS_BUFFER_NOT_REGISTERED, destroy(made.value));
    EXPECT_EQUAL(ABI_STATUS_BUFFER_NOT_REGISTERED, raw_status(give(made.value, 0)));
}

GUEST_TEST(what_is_no_pool_is_refused)
{
    static const uint64_t beyond[] = {POOLS_MAX, UINT32_MAX, 1ull << 32, UINT64_MAX};
    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        EXPECT_EQUAL(ABI_STATUS_INVALID_BUFFER_INDEX, destroy(beyond[i]));
        EXPECT_EQUAL(ABI_STATUS_INVALID_BUFFER_INDEX, raw_status(give(beyond[i], 0)));
    }
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(create(0, 64, 0)));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(create(0, 64, 65)));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(create(0, 0, 1)));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(create(0, ABI_POOL_CHUNKS_MAX + 1, 1)));
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, raw_status(create((uint32_t)scratch.size_bytes, 64, 1)));
    uint32_t read_only = raw_register(scratch.handle, ABI_ACCESS_READ);
    struct abi_submission request = {
        .op = ABI_OP_POOL_CREATE, .buffer_index = read_only, .length_bytes = 64, .args = {64}};
    EXPECT_EQUAL(ABI_STATUS_PERMISSION_DENIED, raw_status(raw_call(request)));
    EXPECT_STATUS(OK, peal_buffer_unregister(read_only));
}

GUEST_TEST(there_are_only_so_many_pools)
{
    uint64_t made[POOLS_MAX + 1];
    uint32_t count = 0;
    struct abi_completion done = {0};
    while (count <= POOLS_MAX && raw_is_ok(done = create(0, PAGE, PAGE / 2)))
        made[count++] = done.value;
    EXPECT_EQUAL(POOLS_MAX, count);
    EXPECT_EQUAL(ABI_STATUS_QUOTA_EXCEEDED, raw_status(done));
    EXPECT_EQUAL(ABI_STATUS_OK, destroy(made[--count]));
    done = create(0, PAGE, PAGE);
    EXPECT(raw_is_ok(done) && done.value == made[count++]);
    while (count > 0)
        EXPECT_EQUAL(ABI_STATUS_OK, destroy(made[--count]));
}

GUEST_TEST(a_pool_keeps_its_memory_without_handle_and_registration)
{
    uint64_t handle =
        raw_call((struct abi_submission){.op = ABI_OP_BUFFER_CREATE, .args = {PAGE}}).value;
    uint32_t index = raw_register(handle, ABI_ACCESS_READ | ABI_ACCESS_WRITE);
    struct abi_completion made = raw_call((struct abi_submission){
        .op = ABI_OP_POOL_CREATE, .buffer_index = index, .length_bytes = PAGE, .args = {64}});
    EXPECT(raw_is_ok(made));
    EXPECT_STATUS(OK, peal_buffer_unregister(index));
    EXPECT(raw_close(handle));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(give(made.value, 63)));
    EXPECT_EQUAL(ABI_STATUS_OK, destroy(made.value));
}

GUEST_TEST(the_library_makes_a_pool_of_ordinary_memory)
{
    static uint8_t memory[4 * 512];
    pool_result made = peal_pool_create((span){memory, sizeof(memory)}, 512);
    REQUIRE(is_ok(made.status));
    OWNED(pool) pool = TAKE(made.value);
    EXPECT(peal_pool_chunk(&pool, 3) == memory + 3 * 512);
    EXPECT_STATUS(INVALID_ARGUMENT, peal_pool_give(&pool, 3).status);
    EXPECT_STATUS(OUT_OF_RANGE, peal_pool_give(&pool, 4).status);
    EXPECT_STATUS(INVALID_ARGUMENT, peal_pool_create((span){memory, 8}, 9).status);
}

GUEST_TEST_SETUP
{
    scratch = raw_scratch_make(32 * PAGE);
}
