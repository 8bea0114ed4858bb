#include "transfer.h"
#include "peal/call.h"
#include "peal/clock.h"
#include "peal/format.h"
#include "peal/heap.h"
#include "peal/memory.h"

/* A run under way. */
struct run {
    const struct transfer_plan *plan;
    struct location places[DEPTH_MAX]; /* in memory, one for each at a time */
    uint64_t begun_ns[DEPTH_MAX];
    uint64_t random;
    uint64_t started;
    uint64_t ended;
    uint32_t *latencies_us; /* of those that ended */
    status outcome;         /* the first error */
};

/* splitmix64 */
static uint64_t random_next(struct run *run)
{
    uint64_t z = run->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint64_t next_offset(struct run *run)
{
    const struct transfer_plan *plan = run->plan;
    uint64_t pieces = plan->size_bytes / plan->piece_bytes;
    uint64_t piece = plan->is_random ? random_next(run) % pieces : run->started % pieces;
    return piece * plan->piece_bytes;
}

/* With the memory of number `index`. False: no room in the ring now. */
static bool start_one(struct run *run, uint32_t index)
{
    const struct transfer_plan *plan = run->plan;
    struct abi_submission *slot = peal_ring_slot();
    if (slot == nullptr) return false;
    struct abi_submission request = {
        .capability = plan->target,
        .offset_bytes = next_offset(run),
        .buffer_index = run->places[index].buffer_index,
        .buffer_offset_bytes = run->places[index].offset_bytes,
        .length_bytes = (uint32_t)plan->piece_bytes,
        .op_flags = plan->is_direct ? ABI_IO_DIRECT : 0,
        .user_data = index,
    };
    if (plan->is_write)
        peal_prepare_write(slot, request);
    else
        peal_prepare_read(slot, request);
    run->begun_ns[index] = peal_clock_now_ns();
    peal_ring_push();
    run->started++;
    return true;
}

static void note_end(struct run *run, const struct abi_completion *done)
{
    uint64_t took_ns = peal_clock_now_ns() - run->begun_ns[done->user_data % DEPTH_MAX];
    run->latencies_us[run->ended++] = (uint32_t)(took_ns / 1000);
    if (!is_ok(run->outcome)) return;
    if (done->tag != ABI_RESULT_OK)
        run->outcome = (status){done->error};
    else if (done->value != run->plan->piece_bytes)
        run->outcome = FAIL(OUT_OF_RANGE);
}

/* Waits for one at least, and starts another in place of each that ended. */
static void turn(struct run *run)
{
    struct abi_completion done;
    size_result entered = peal_submit(1, ABI_DEADLINE_NEVER);
    if (!is_ok(entered.status) && is_ok(run->outcome)) run->outcome = entered.status;
    while (peal_reap(&done)) {
        note_end(run, &done);
        bool is_more = run->started < run->plan->count && is_ok(run->outcome);
        if (is_more && !start_one(run, (uint32_t)done.user_data)) run->outcome = FAIL(QUEUE_FULL);
    }
}

static void run_all(struct run *run, text words)
{
    struct progress progress = {.total = run->plan->count};
    for (uint32_t i = 0; i < run->plan->depth && run->started < run->plan->count; i++)
        if (!start_one(run, i)) break;
    while (run->ended < run->started) {
        turn(run);
        progress_show(&progress, run->ended, words);
    }
    progress_end(&progress);
}

/* Shell's sort: short, and fast enough for what a disk does. */
static void sort(uint32_t *numbers, uint64_t count)
{
    static const uint64_t gaps[] = {29524, 9841, 3280, 1093, 364, 121, 40, 13, 4, 1};
    for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
        uint64_t gap = gaps[g];
        for (uint64_t i = gap; i < count; i++) {
            uint32_t number = numbers[i];
            uint64_t at = i;
            for (; at >= gap && numbers[at - gap] > number; at -= gap)
                numbers[at] = numbers[at - gap];
            numbers[at] = number;
        }
    }
}

static status sync_target(const struct transfer_plan *plan)
{
    return peal_call(&(struct abi_submission){.op = ABI_OP_SYNC, .capability = plan->target})
        .status;
}

static status run_with(struct run *run, uint8_t *memory, text words,
                       struct transfer_result *out_result)
{
    const struct transfer_plan *plan = run->plan;
    for (uint32_t i = 0; i < plan->depth; i++) {
        uint8_t *piece = memory + i * plan->piece_bytes;
        for (uint64_t at = 0; at < plan->piece_bytes; at++)
            piece[at] = (uint8_t)(at + i); /* the pages exist before the clock runs */
        TRY(peal_locate_whole(piece, plan->piece_bytes, ABI_ACCESS_READ | ABI_ACCESS_WRITE,
                              &run->places[i]));
    }
    uint64_t began_ns = peal_clock_now_ns();
    run_all(run, words);
    TRY(run->outcome);
    if (plan->ends_with_sync) TRY(sync_target(plan));
    out_result->elapsed_ns = peal_clock_now_ns() - began_ns;
    sort(run->latencies_us, run->ended);
    out_result->median_ns = run->latencies_us[run->ended / 2] * 1000ull;
    out_result->slow_ns = run->latencies_us[run->ended * 95 / 100] * 1000ull;
    return OK;
}

status transfer_run(const struct transfer_plan *plan, text words,
                    struct transfer_result *out_result)
{
    OWNED(heap_block) latencies = {peal_allocate_zeroed(plan->count + 1, sizeof(uint32_t))};
    pointer_result memory = peal_memory_map(plan->depth * plan->piece_bytes);
    TRY(memory.status);
    status outcome = FAIL(OUT_OF_MEMORY);
    if (latencies.bytes != nullptr) {
        struct run run = {.plan = plan, .latencies_us = latencies.bytes, .random = 42};
        outcome = run_with(&run, memory.value, words, out_result);
    }
    status unmapped = peal_memory_unmap(memory.value);
    return is_ok(outcome) ? unmapped : outcome;
}
