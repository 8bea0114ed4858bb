#include "arch/host/host.h"
#include "support/test.h"
#include "vm/buffer_pool.h"
#include <abi/ops.h>
#include <stdlib.h>

static struct memory_quota *quota;
static struct buffer *buffer;
static struct buffer_pool_table table;

static void prepare(uint64_t pages)
{
    host_memory_init();
    quota = memory_quota_create(64 << 20);
    CHECK(quota != nullptr);
    buffer_result made =
        buffer_create(&(struct buffer_options){.quota = quota, .size_bytes = pages * PAGE_BYTES});
    CHECK_STATUS(OK, made.status);
    buffer = made.value;
    buffer_pool_table_init(&table, quota);
}

static void end(void)
{
    buffer_pool_table_empty(&table);
    CHECK_EQUAL(1, atomic_load(&buffer_object(buffer)->references));
    buffer_put(buffer);
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
}

static pool_index_result create(uint64_t offset, uint64_t length, uint64_t chunk_bytes)
{
    buffer_pin span = {.buffer = buffer, .offset = offset, .length = length};
    return buffer_pool_create(&table, &span, chunk_bytes);
}

/* The chunk taken; UINT32_MAX: none is free. */
static uint32_t take(uint32_t pool, buffer_pin *out_pin)
{
    uint32_t chunk;
    status taken = buffer_pool_take(&table, pool, out_pin, &chunk);
    if (is_ok(taken)) return chunk;
    CHECK_STATUS(WOULD_BLOCK, taken);
    return UINT32_MAX;
}

TEST(a_pool_gives_each_chunk_once_until_it_comes_back)
{
    prepare(1);
    CHECK_EQUAL(0, create(100, 50, 12).value); /* four, and two bytes that are none's */
    for (uint32_t i = 0; i < 4; i++) {
        buffer_pin pin;
        CHECK_EQUAL(i, take(0, &pin));
        CHECK(pin.offset == 100 + i * 12 && pin.length == 12 && pin.buffer == buffer);
        buffer_pin_drop(&pin);
    }
    buffer_pin pin;
    CHECK_EQUAL(UINT32_MAX, take(0, &pin));
    CHECK_EQUAL(1, buffer_pool_give(&table, 0, 2).value);
    CHECK_EQUAL(2, take(0, &pin));
    buffer_pin_drop(&pin);
    end();
}

TEST(what_was_not_taken_cannot_be_given)
{
    prepare(1);
    CHECK_EQUAL(0, create(0, 64, 16).value);
    CHECK_STATUS(INVALID_ARGUMENT, buffer_pool_give(&table, 0, 0).status);
    CHECK_STATUS(OUT_OF_RANGE, buffer_pool_give(&table, 0, 4).status);
    CHECK_STATUS(OUT_OF_RANGE, buffer_pool_give(&table, 0, UINT64_MAX).status);
    CHECK_STATUS(BUFFER_NOT_REGISTERED, buffer_pool_give(&table, 1, 0).status);
    CHECK_STATUS(INVALID_BUFFER_INDEX, buffer_pool_give(&table, BUFFER_POOLS_MAX, 0).status);
    buffer_pin pin;
    CHECK_EQUAL(0, take(0, &pin));
    buffer_pin_drop(&pin);
    CHECK_EQUAL(4, buffer_pool_give(&table, 0, 0).value);
    CHECK_STATUS(INVALID_ARGUMENT, buffer_pool_give(&table, 0, 0).status);
    end();
}

TEST(chunks_have_bytes_and_fit_and_are_not_too_many)
{
    prepare(17);
    CHECK_STATUS(INVALID_ARGUMENT, create(0, 64, 0).status);
    CHECK_STATUS(INVALID_ARGUMENT, create(0, 64, 65).status);
    CHECK_STATUS(INVALID_ARGUMENT, create(0, 64, UINT64_MAX).status);
    CHECK_STATUS(INVALID_ARGUMENT, create(0, ABI_POOL_CHUNKS_MAX + 1, 1).status);
    pool_index_result most = create(0, ABI_POOL_CHUNKS_MAX, 1);
    CHECK_STATUS(OK, most.status);
    buffer_pin pin;
    for (uint32_t i = 0; i < ABI_POOL_CHUNKS_MAX; i++) {
        CHECK_EQUAL(i, take(most.value, &pin));
        buffer_pin_drop(&pin);
    }
    CHECK_EQUAL(UINT32_MAX, take(most.value, &pin));
    end();
}

TEST(a_destroyed_pool_is_empty_and_its_chunks_stay_until_they_are_done_with)
{
    prepare(1);
    CHECK_EQUAL(0, create(0, 64, 16).value);
    CHECK_STATUS(OK, buffer_pool_check(&table, 0));
    buffer_pin pin, other;
    CHECK_EQUAL(0, take(0, &pin));
    CHECK_STATUS(OK, buffer_pool_destroy(&table, 0));
    CHECK_STATUS(BUFFER_NOT_REGISTERED, buffer_pool_destroy(&table, 0));
    CHECK_STATUS(BUFFER_NOT_REGISTERED, buffer_pool_check(&table, 0));
    CHECK_STATUS(INVALID_BUFFER_INDEX, buffer_pool_check(&table, UINT32_MAX));
    CHECK_STATUS(INVALID_BUFFER_INDEX, buffer_pool_destroy(&table, BUFFER_POOLS_MAX));
    CHECK_EQUAL(UINT32_MAX, take(0, &other));
    CHECK_STATUS(OK, buffer_write(pin.buffer, pin.offset, "still there", 11));
    buffer_pin_drop(&pin);
    end();
}

TEST(there_are_only_so_many_pools)
{
    prepare(1);
    for (uint32_t i = 0; i < BUFFER_POOLS_MAX; i++)
        CHECK_EQUAL(i, create(0, 64, 16).value);
    uint64_t used = memory_quota_used(quota);
    CHECK_STATUS(QUOTA_EXCEEDED, create(0, 64, 16).status);
    CHECK_EQUAL(used, memory_quota_used(quota));
    CHECK_STATUS(OK, buffer_pool_destroy(&table, 7));
    CHECK_EQUAL(7, create(0, 64, 16).value);
    end();
}

TEST(a_pool_over_revoked_memory_gives_nothing)
{
    static bool is_ready;
    prepare(1);
    if (!is_ready) CHECK_STATUS(OK, capability_init());
    is_ready = true;
    struct capability *root = capability_create(buffer_object(buffer), ABI_RIGHTS_ALL).value;
    CHECK(capability_use_try(root));
    buffer_pin span = {.buffer = buffer, .length = 64, .capability = root};
    CHECK_EQUAL(0, buffer_pool_create(&table, &span, 16).value);
    capability_unuse(root);
    buffer_pin pin;
    CHECK_EQUAL(0, take(0, &pin));
    CHECK(pin.capability == root);
    buffer_pin_drop(&pin);
    atomic_fetch_or(&root->state, CAPABILITY_REVOKED); /* as a revocation does first */
    uint32_t chunk;
    CHECK_STATUS(CAPABILITY_REVOKED, buffer_pool_take(&table, 0, &pin, &chunk));
    CHECK_EQUAL(4, buffer_pool_give(&table, 0, 0).value);
    atomic_fetch_and(&root->state, ~CAPABILITY_REVOKED);
    capability_release(root);
    end();
}

TEST(creating_a_pool_fails_cleanly_without_memory)
{
    host_memory_init();
    FOR_EACH_FAILING_ALLOCATION {
        quota = memory_quota_create(64 << 20);
        if (quota == nullptr) continue;
        buffer_result made =
            buffer_create(&(struct buffer_options){.quota = quota, .size_bytes = PAGE_BYTES});
        buffer_pool_table_init(&table, quota);
        if (is_ok(made.status)) {
            buffer = made.value;
            pool_index_result pool = create(0, 4096, 1);
            if (!is_ok(pool.status)) CHECK_STATUS(OUT_OF_MEMORY, pool.status);
            buffer_pool_table_empty(&table);
            buffer_put(buffer);
        }
        CHECK_EQUAL(0, memory_quota_used(quota));
        memory_quota_put(quota);
    }
}

/* Against the plainest model: an array that says which are out. */
TEST(random_taking_and_giving_is_what_a_plain_model_says)
{
    enum { CHUNKS = 200 };
    bool is_out[CHUNKS] = {0};
    uint32_t out_count = 0;
    prepare(1);
    CHECK_EQUAL(0, create(0, CHUNKS * 20, 20).value);
    srandom(1);
    for (uint32_t i = 0; i < 100'000; i++) {
        if (random() % 2 == 0) {
            buffer_pin pin;
            uint32_t chunk = take(0, &pin);
            CHECK_EQUAL(out_count == CHUNKS, chunk == UINT32_MAX);
            if (chunk == UINT32_MAX) continue;
            CHECK(!is_out[chunk]);
            is_out[chunk] = true;
            out_count++;
            buffer_pin_drop(&pin);
        } else {
            uint32_t chunk = (uint32_t)random() % CHUNKS;
            pool_index_result given = buffer_pool_give(&table, 0, chunk);
            CHECK_EQUAL(is_out[chunk], is_ok(given.status));
            if (!is_ok(given.status)) continue;
            is_out[chunk] = false;
            out_count--;
            CHECK_EQUAL(CHUNKS - out_count, given.value);
        }
    }
    end();
}
