/*
 * The life of a ring; accept.c is its submission side, op.c its completion side.
 *
 * Invariants
 *   accepted - suppressed + more - reaped <= completion_entries     so every completion finds its
 * slot written - more + suppressed <= accepted, reaped <= written every op is exactly one of:
 * `current`, in the list of free ops, or pending
 *
 * Locking: ring->lock guards the completion side against those who complete ops that pend; while
 * none does the submitter needs no lock, see accept.c. The linearization point of a completion is
 * the store of the shared completion tail. ring_close() waits under the lock for pending to become
 * 0; the last completion's critical section is then over as soon as the lock can be taken, so the
 * ring may be freed.
 */
#include "base/checked.h"
#include "debug/assert.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "mm/quota.h"
#include "ring/poller.h"
#include "ring/ring_internal.h"

/* Rings that live, and what those that do not any more had counted. Never held together with a
 * ring's lock. */
static spin_lock rings_lock = SPIN_LOCK_INIT(LOCK_RANK_RING);
static struct list rings GUARDED_BY(rings_lock) = LIST_INIT(rings);
static struct ring_counts ended_counts GUARDED_BY(rings_lock);

/* ---- ops ---- */

/* In flight are at most as many as there are completion slots; so every other bit is free. */
static uint64_t set_bits(const struct ring *ring)
{
    return 2ull * ring->completion_entries;
}

void ring_enter_flight(struct ring *ring, struct op *op)
{
    uint64_t number = ring->number_last;
    uint64_t bit;
    do
        bit = ++number & (set_bits(ring) - 1);
    while ((ring->in_flight_set[bit / 64] >> bit % 64 & 1) != 0);
    ring->in_flight_set[bit / 64] |= 1ull << bit % 64;
    ring->number_last = number;
    op->number = number;
    uint32_t pending = atomic_load_explicit(&ring->pending, memory_order_relaxed);
    atomic_store_explicit(&ring->pending, pending + 1, memory_order_relaxed);
}

void ring_leave_flight(struct ring *ring, struct op *op)
{
    uint64_t bit = op->number & (set_bits(ring) - 1);
    ASSERT(op->number != 0 && (ring->in_flight_set[bit / 64] >> bit % 64 & 1) != 0);
    ring->in_flight_set[bit / 64] &= ~(1ull << bit % 64);
    op->number = 0;
    uint32_t pending = atomic_load_explicit(&ring->pending, memory_order_relaxed);
    /* Release: whoever finds 0 without the lock finds the rest of this done. */
    atomic_store_explicit(&ring->pending, pending - 1, memory_order_release);
}

void ring_complete(struct ring *ring, const struct op *op, op_outcome outcome)
{
    bool is_wanted = (op->submission.flags & ABI_SUBMISSION_SKIP_SUCCESS) == 0;
    if (is_wanted || outcome.code != STATUS_OK) {
        ring_write_completion(ring, op->submission.user_data, outcome);
        return;
    }
    uint64_t suppressed = atomic_load_explicit(&ring->suppressed, memory_order_relaxed) + 1;
    atomic_store_explicit(&ring->suppressed, suppressed, memory_order_relaxed);
    ring->extra--;
    ring->header->suppressed_total = suppressed;
}

struct op *ring_take_free(struct ring *ring)
{
    spin_acquire(&ring->lock);
    struct op *op = ring_take_free_locked(ring);
    spin_release(&ring->lock);
    return op;
}

status ring_add_ops(struct ring *ring)
{
    TRY(memory_quota_charge(ring->quota, sizeof(struct op_chunk)));
    struct op_chunk *chunk = heap_take(sizeof(struct op_chunk));
    if (chunk == nullptr) {
        memory_quota_uncharge(ring->quota, sizeof(struct op_chunk));
        return FAIL(OUT_OF_MEMORY);
    }
    for (uint32_t i = 0; i < RING_OPS_PER_CHUNK; i++) {
        op_set_up(&chunk->ops[i], ring);
        chunk->ops[i].next_free = i + 1 < RING_OPS_PER_CHUNK ? &chunk->ops[i + 1] : nullptr;
    }

    spin_acquire(&ring->lock);
    chunk->next = ring->chunks;
    ring->op_count += RING_OPS_PER_CHUNK;
    /* Pairs with the acquire of the flight recorder, which looks for ops under way. */
    __atomic_store_n(&ring->chunks, chunk, __ATOMIC_RELEASE);
    chunk->ops[RING_OPS_PER_CHUNK - 1].next_free = ring->free_first;
    ring->free_first = &chunk->ops[0];
    spin_release(&ring->lock);
    return OK;
}

/* ---- life ---- */

struct ring_layout {
    uint32_t submissions_offset_bytes;
    uint32_t completions_offset_bytes;
    uint32_t total_bytes;
};

static struct ring_layout lay_out(uint32_t entries)
{
    uint64_t submissions = 2 * PAGE_BYTES; /* behind header and doorbell */
    uint64_t completions =
        submissions + round_up(entries * sizeof(struct abi_submission), PAGE_BYTES);
    uint64_t total =
        completions + round_up(2ull * entries * sizeof(struct abi_completion), PAGE_BYTES);
    return (struct ring_layout){(uint32_t)submissions, (uint32_t)completions, (uint32_t)total};
}

/* Makes every page the kernel writes to, and remembers where they are. Without a poller the
 * doorbell page comes when a program touches it. */
static status find_pages(struct ring *ring, const struct ring_layout *layout)
{
    frame_result first = buffer_touch(ring->memory, 0);
    TRY(first.status);
    ring->header = direct_map(first.value);
    if ((ring->flags & ABI_RING_POLLER) != 0) {
        frame_result second = buffer_touch(ring->memory, 1);
        TRY(second.status);
        ring->doorbell = direct_map(second.value);
    }
    uint32_t page_first = layout->submissions_offset_bytes / ABI_PAGE_BYTES;
    uint32_t page_end = layout->total_bytes / ABI_PAGE_BYTES;
    for (uint32_t page = page_first; page < page_end; page++) {
        frame_result frame = buffer_touch(ring->memory, page);
        TRY(frame.status);
        ring->submission_pages[page - page_first] = direct_map(frame.value);
    }
    uint32_t submission_pages =
        (layout->completions_offset_bytes - layout->submissions_offset_bytes) / ABI_PAGE_BYTES;
    ring->completion_pages = ring->submission_pages + submission_pages;
    return OK;
}

static void describe(struct ring *ring, const struct ring_layout *layout)
{
    struct abi_ring_header *header = ring->header;
    header->magic = ABI_RING_MAGIC;
    header->version = ABI_VERSION;
    header->flags = ring->flags;
    header->total_bytes = layout->total_bytes;
    header->submission_entries = ring->submission_entries;
    header->completion_entries = ring->completion_entries;
    header->doorbell_offset_bytes = ABI_PAGE_BYTES;
    header->submissions_offset_bytes = layout->submissions_offset_bytes;
    header->completions_offset_bytes = layout->completions_offset_bytes;
}

static uint64_t page_count(const struct ring_layout *layout)
{
    return (layout->total_bytes - layout->submissions_offset_bytes) / ABI_PAGE_BYTES;
}

static uint64_t set_words(uint32_t entries)
{
    return round_up(4ull * entries, 64) / 64;
}

/* The ring, where its pages are, the set of what is in flight, and what priorities need. */
static uint64_t ring_bytes(const struct ring_layout *layout, uint32_t entries, uint32_t flags)
{
    uint64_t planning = (flags & ABI_RING_PRIORITIES) != 0 ? sizeof(uint16_t) + sizeof(uint8_t) : 0;
    return sizeof(struct ring) + page_count(layout) * sizeof(uint8_t *) +
           set_words(entries) * sizeof(uint64_t) + planning * entries;
}

/* Gives back what the ring has, however far its creation came. */
static void dismantle(struct ring *ring)
{
    if (ring->record.recorder != nullptr) recorder_end(ring->record.recorder);
    while (ring->chunks != nullptr) {
        struct op_chunk *chunk = ring->chunks;
        ring->chunks = chunk->next;
        for (uint32_t i = 0; i < RING_OPS_PER_CHUNK; i++)
            timer_wait_idle(&chunk->ops[i].timer); /* it may have completed the op a moment ago */
        heap_give(chunk);
        memory_quota_uncharge(ring->quota, sizeof(struct op_chunk));
    }
    if (ring->memory != nullptr) buffer_put(ring->memory);
    struct ring_layout layout = lay_out(ring->submission_entries);
    memory_quota_uncharge(ring->quota, ring_bytes(&layout, ring->submission_entries, ring->flags));
    if (ring->quota != nullptr) memory_quota_put(ring->quota);
    heap_give(ring);
}

static ring_result ring_take(struct memory_quota *quota, const struct ring_layout *layout,
                             uint32_t entries, uint32_t flags)
{
    uint64_t bytes = ring_bytes(layout, entries, flags);
    TRY_AS(ring_result, memory_quota_charge(quota, bytes));
    struct ring *ring = heap_take_zeroed(bytes);
    if (ring == nullptr) {
        memory_quota_uncharge(quota, bytes);
        return (ring_result){.status = FAIL(OUT_OF_MEMORY)};
    }
    if (quota != nullptr) memory_quota_get(quota);
    ring->quota = quota;
    ring->submission_pages = (uint8_t **)(ring + 1);
    ring->in_flight_set = (uint64_t *)(void *)(ring->submission_pages + page_count(layout));
    ring->flags = flags;
    ring->submission_entries = entries;
    if ((flags & ABI_RING_PRIORITIES) != 0) {
        ring->order = (uint16_t *)(void *)(ring->in_flight_set + set_words(entries));
        ring->notes = (uint8_t *)(ring->order + entries);
    }
    return (ring_result){.value = ring};
}

static status ring_furnish(struct ring *ring, const struct ring_layout *layout)
{
    struct buffer_options options = {.quota = ring->quota, .size_bytes = layout->total_bytes};
    buffer_result memory = buffer_create(&options);
    TRY(memory.status);
    ring->memory = memory.value;
    TRY(find_pages(ring, layout));
    TRY(ring_add_ops(ring));
    TRY(recorder_create(ring, ring->environment.recorders, ring->quota, &ring->record));
    ring->submission_next = ring_submission_at(ring, 0);
    ring->completion_next = ring_completion_at(ring, 0);
    describe(ring, layout);
    return OK;
}

ring_result ring_create(const struct ring_environment *environment, struct memory_quota *quota,
                        uint32_t entries, uint32_t flags)
{
    if ((flags & ~ABI_RING_FLAGS_KNOWN) != 0)
        return (ring_result){.status = FAIL(INVALID_ARGUMENT)};
    if (entries < ABI_RING_ENTRIES_MIN || entries > ABI_RING_ENTRIES_MAX ||
        (entries & (entries - 1)) != 0)
        return (ring_result){.status = FAIL(OUT_OF_RANGE)};

    struct ring_layout layout = lay_out(entries);
    ring_result made = ring_take(quota, &layout, entries, flags);
    TRY_AS(ring_result, made.status);
    struct ring *ring = made.value;
    ring->environment = *environment;
    ring->completion_entries = 2 * entries;
    uint64_t submission_bytes = entries * sizeof(struct abi_submission);
    ring->submission_run_bytes = min_of(submission_bytes, PAGE_BYTES);
    uint64_t completion_bytes = ring->completion_entries * sizeof(struct abi_completion);
    ring->completion_run_mask = min_of(completion_bytes, PAGE_BYTES) - 1;
    spin_lock_init(&ring->lock, LOCK_RANK_RING);
    wait_queue_init(&ring->waiters);
    list_init(&ring->held);
    list_init(&ring->cancellers);
    status furnished = ring_furnish(ring, &layout);
    if (!is_ok(furnished)) {
        dismantle(ring);
        return (ring_result){.status = furnished};
    }

    spin_acquire(&rings_lock);
    list_push_back(&rings, &ring->all_link);
    spin_release(&rings_lock);
    return made;
}

struct buffer *ring_memory(struct ring *ring)
{
    return ring->memory;
}

struct recorder *ring_recorder(struct ring *ring)
{
    return ring->record.recorder;
}

void ring_interrupt_all(struct ring *ring)
{
    for (struct op_chunk *chunk = ring->chunks; chunk != nullptr; chunk = chunk->next)
        for (uint32_t i = 0; i < RING_OPS_PER_CHUNK; i++) {
            struct op *op = &chunk->ops[i];
            spin_acquire(&ring->lock);
            struct op_claim claim = {0};
            if (op->number != 0) claim = op_claim_locked(ring, op, FAIL(INTERRUPTED));
            spin_release(&ring->lock);
            op_cancel_claimed(claim, FAIL(INTERRUPTED));
        }
}

void ring_start(struct ring *ring)
{
    if (ring->doorbell != nullptr) poller_attach(ring);
}

void ring_close(struct ring *ring)
{
    if (ring->seat.poller != nullptr) poller_detach(ring);
    ring_interrupt_all(ring);

    spin_acquire(&ring->lock);
    while (ring_in_flight(ring) != 0) {
        atomic_store_explicit(&ring->is_waited_for, true, memory_order_relaxed);
        ring->wake_at = 0; /* look after each */
        ignore_status(wait_queue_sleep(&ring->waiters, &ring->lock, deadline_never(), false));
    }
    atomic_store_explicit(&ring->is_waited_for, false, memory_order_relaxed);
    spin_release(&ring->lock);
}

static struct ring_counts counts_of(const struct ring *ring)
{
    uint64_t more = atomic_load_explicit(&ring->more, memory_order_relaxed);
    return (struct ring_counts){
        .accepted = ring_accepted(ring),
        .completed = ring_written(ring) - more,
        .suppressed = atomic_load_explicit(&ring->suppressed, memory_order_relaxed),
        .more = more,
        .entered = atomic_load_explicit(&ring->entered, memory_order_relaxed),
    };
}

static void add_counts(struct ring_counts *sum, struct ring_counts more)
{
    sum->accepted += more.accepted;
    sum->completed += more.completed;
    sum->suppressed += more.suppressed;
    sum->more += more.more;
    sum->entered += more.entered;
}

void ring_destroy(struct ring *ring)
{
    ASSERT(ring_in_flight(ring) == 0);
    struct ring_counts counts = counts_of(ring);
    ASSERT(counts.accepted == counts.completed + counts.suppressed);
    spin_acquire(&rings_lock);
    list_remove(&ring->all_link);
    add_counts(&ended_counts, counts);
    spin_release(&rings_lock);
    dismantle(ring);
}

struct ring_counts ring_count_all(void)
{
    spin_acquire(&rings_lock);
    struct ring_counts sum = ended_counts;
    struct ring *ring;
    list_for_each (ring, &rings, all_link)
        add_counts(&sum, counts_of(ring));
    spin_release(&rings_lock);
    return sum;
}
