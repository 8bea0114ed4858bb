#include "direct_bench.h"
#include "busy_time.h"
#include "peal/block_device.h"
#include "peal/memory.h"
#include "peal/program.h"
#include "peal/ring.h"

#define BYTES_MAX 65536u
#define DEPTH_MAX 32u

static alignas(ABI_PAGE_BYTES) uint8_t memory[DEPTH_MAX * BYTES_MAX];

/* `depth` reads at once, each at a place of its own, and waits for all. */
static status read_once(block_device_ref device, const struct direct_bench *what, uint32_t round)
{
    for (uint32_t i = 0; i < what->depth; i++) {
        struct location where;
        TRY(peal_locate_whole(memory + (size_t)i * what->bytes, what->bytes, ABI_ACCESS_WRITE,
                              &where));
        struct abi_submission *slot = peal_ring_slot();
        if (slot == nullptr) return FAIL(QUEUE_FULL);
        uint64_t number = (uint64_t)round * what->depth + i;
        *slot = (struct abi_submission){.op = ABI_OP_READ,
                                        .capability = device.raw,
                                        .offset_bytes = number * 7 % 256 * BYTES_MAX,
                                        .buffer_index = where.buffer_index,
                                        .buffer_offset_bytes = where.offset_bytes,
                                        .length_bytes = where.length_bytes};
        peal_ring_push();
    }
    TRY(peal_submit(what->depth, ABI_DEADLINE_NEVER).status);
    status all = OK;
    struct abi_completion done;
    uint32_t count = 0;
    while (peal_reap(&done)) {
        count++;
        if (done.tag != ABI_RESULT_OK) all = status_of_raw(done.error);
    }
    return count == what->depth ? all : FAIL(IO_ERROR);
}

static status read_rounds(block_device_ref device, const struct direct_bench *what, uint32_t rounds)
{
    for (uint32_t i = 0; i < rounds; i++)
        TRY(read_once(device, what, i));
    return OK;
}

status direct_bench_run(const struct direct_bench *what, uint64_t *out_ns)
{
    if (what->depth > DEPTH_MAX || what->bytes > BYTES_MAX || what->rounds == 0)
        return FAIL(INVALID_ARGUMENT);
    text device_name = what->fallback;
    peal_environment_get(what->variable, &device_name);
    block_device_result opened =
        peal_block_device_open(peal_granted_directory(TEXT("root")), device_name, RIGHTS_READ);
    TRY(opened.status);
    OWNED(block_device_handle) device = TAKE(opened.value);
    /* Not counted: pages come into being. */
    TRY(read_rounds(block_device_borrow(&device), what, what->rounds / 10 + 1));
    size_result before = busy_time_ns();
    TRY(before.status);
    TRY(read_rounds(block_device_borrow(&device), what, what->rounds));
    size_result after = busy_time_ns();
    TRY(after.status);
    *out_ns = (after.value - before.value) / ((uint64_t)what->rounds * what->depth);
    return OK;
}
