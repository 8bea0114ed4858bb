#include "peal/pool.h"
#include "peal/call.h"
#include "peal/memory.h"

pool_result peal_pool_create(span memory, size_t chunk_bytes)
{
    struct location where;
    TRY_AS(pool_result, peal_locate_whole(memory.bytes, memory.length, ABI_ACCESS_WRITE, &where));
    size_result made = peal_call(&(struct abi_submission){.op = ABI_OP_POOL_CREATE,
                                                          .buffer_index = where.buffer_index,
                                                          .buffer_offset_bytes = where.offset_bytes,
                                                          .length_bytes = where.length_bytes,
                                                          .args = {chunk_bytes}});
    TRY_AS(pool_result, made.status);
    return (pool_result){
        .value = {memory, chunk_bytes, .index = (uint32_t)made.value, .is_there = true}};
}

void pool_drop(pool *pool)
{
    if (pool->is_there)
        ignore_status(
            peal_call(&(struct abi_submission){.op = ABI_OP_POOL_DESTROY, .args = {pool->index}})
                .status); /* it is there, unless somebody else destroyed it */
    pool->is_there = false;
}

size_result peal_pool_give(const pool *pool, uint32_t chunk)
{
    return peal_call(
        &(struct abi_submission){.op = ABI_OP_POOL_GIVE, .args = {pool->index, chunk}});
}
