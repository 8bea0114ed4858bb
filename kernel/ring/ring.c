/*
 * The submission side, and the life of a ring.
 *
 * Entering: read the program's two indices once, as hints. Accept as many submissions as there are,
 * as the ring has entries, and as there are completion slots left. Each is copied, judged on the
 * copy and run; most complete in place, on the same op, which then takes the next submission.
 *
 * Invariants
 *   accepted - reaped <= completion_entries     so every completion finds its slot
 *   completed <= accepted, reaped <= completed
 *   every op is exactly one of: `current`, in the list of free ops, or pending
 *
 * Locking: ring->lock guards the completion side against those who complete ops that pend. Only the
 * ring's thread lets an op pend, so while ring->pending is 0 that thread is alone and writes
 * completions without the lock; the program sees them when the batch is over (ring_show), or an op
 * starts to pend. The linearization point of a completion is the store of the shared completion
 * tail. ring_close() waits under the lock for pending to become 0; the last completion's critical
 * section is then over as soon as the lock can be taken, so the ring may be freed.
 */
#include "base/checked.h"
#include "debug/assert.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "mm/quota.h"
#include "ring/ring_internal.h"

static constexpr uint32_t SUBMISSION_WORDS = sizeof(struct abi_submission) / sizeof(uint64_t);
static constexpr uint32_t WORD_USER_DATA = 5;
static_assert(offsetof(struct abi_submission, op) == 0, "the low byte of word 0");
static_assert(offsetof(struct abi_submission, user_data) == WORD_USER_DATA * sizeof(uint64_t), "");

/* Made complete at boot: what does not exist has a row that says so. */
static const struct op_descriptor *operations[RING_OPERATIONS];

/* Rings that live, and what those that do not any more had counted. Never held together with a
 * ring's lock. */
static spin_lock rings_lock = SPIN_LOCK_INIT(LOCK_RANK_RING);
static struct list rings GUARDED_BY(rings_lock) = LIST_INIT(rings);
static struct ring_counts ended_counts GUARDED_BY(rings_lock);

MUST_INLINE bool is_pending(op_outcome outcome)
{
    return (int32_t)outcome.code < 0; /* the only code that is: cheaper than to compare */
}
static_assert((int32_t)OP_CODE_PENDING < 0);

static op_outcome run_unknown(struct op *op)
{
    (void)op;
    return op_failed(FAIL(NOT_IMPLEMENTED));
}
static const struct op_descriptor unknown_operation = {.handler = run_unknown, .shape = OP_PLAIN};

status ring_init(const struct op_descriptor *const rows[RING_OPERATIONS])
{
    for (uint32_t i = 0; i < RING_OPERATIONS; i++)
        operations[i] = rows[i] != nullptr ? rows[i] : &unknown_operation;
    return op_init();
}

/* ---- running one submission ---- */

/* Turns the span the submission claims into a pin. */
static status pin_span(struct op *op, const struct op_descriptor *row)
{
    const struct abi_submission *request = &op->submission;
    uint32_t access = ABI_ACCESS_READ;
    switch ((enum op_buffer_use)row->buffer_use) {
    case OP_BUFFER_NONE:
        return OK;
    case OP_BUFFER_IN_MAYBE:
        if (request->length_bytes == 0) return OK;
        break;
    case OP_BUFFER_IN:
        break;
    case OP_BUFFER_OUT_POOL:
    case OP_BUFFER_OUT_MAYBE:
        if (request->length_bytes == 0) return OK;
        access = ABI_ACCESS_WRITE;
        break;
    case OP_BUFFER_OUT:
        access = ABI_ACCESS_WRITE;
        break;
    case OP_BUFFER_WORD:
        if (request->length_bytes != 4 || request->buffer_offset_bytes % 4 != 0)
            return FAIL(INVALID_ARGUMENT);
        break;
    }
    return buffer_table_pin(op->ring->environment.buffers, request->buffer_index,
                            request->buffer_offset_bytes, request->length_bytes, access, &op->pin);
}

static status find_capability(struct op *op, const struct op_descriptor *row, uint32_t *out_detail)
{
    struct handle_table *handles = op->ring->environment.handles;
    uint64_t handle = op->submission.capability;
    capability_result found =
        row->consumes_capability
            ? handle_table_remove(handles, handle, row->kinds, row->rights, out_detail)
            : handle_table_find(handles, handle, row->kinds, row->rights, out_detail);
    op->capability = found.value;
    return found.status;
}

static op_outcome run_with_claims(struct op *op, const struct op_descriptor *row)
{
    uint32_t detail = 0;
    status claimed = OK;
    if (row->kinds != 0) claimed = find_capability(op, row, &detail);
    if (is_ok(claimed)) claimed = pin_span(op, row);
    op_outcome outcome = is_ok(claimed) ? row->handler(op) : op_refused(claimed, detail);
    if (is_pending(outcome)) outcome = op_let_go(op);
    if (!is_pending(outcome)) op_unpin(op);
    return outcome;
}

/*
 * Copies the entry into the op, each word read once, and answers the bits that must be zero and are
 * not. The program may rewrite it at any moment: nothing here believes that two reads agree.
 */
MUST_INLINE uint64_t copy_submission(struct op *op, const uint64_t *entry, uint64_t word0,
                                     const struct op_descriptor *row)
{
    struct record *record = recorder_begin(&op->ring->record);
    uint64_t forbidden = word0 & row->forbidden[0];
    op->words[0] = word0;
    record_store(&record->words[0], word0);
    op->lineage = (struct op_lineage){0};
#pragma clang loop unroll(full)
    for (uint32_t i = 1; i < array_count(op->words); i++) {
        uint64_t word = __atomic_load_n(&entry[i], __ATOMIC_RELAXED);
        op->words[i] = word;
        record_store(&record->words[i], word);
        if (i != WORD_USER_DATA) forbidden |= word & row->forbidden[i];
    }
    return forbidden;
}

/* Apart, so that it does not crowd the registers of the loop around bare operations. */
[[gnu::noinline]] static op_outcome run_copied(struct op *op, const uint64_t *entry, uint64_t word0,
                                               const struct op_descriptor *row)
{
    uint64_t forbidden = copy_submission(op, entry, word0, row);
    if (unlikely(forbidden != 0)) return op_failed(FAIL(INVALID_ARGUMENT));
    if (row->shape == OP_CLAIMS) return run_with_claims(op, row);
    op_outcome outcome = row->handler(op);
    return is_pending(outcome) ? op_let_go(op) : outcome;
}

/* What must be zero need not be copied. */
MUST_INLINE op_outcome run_bare(struct op *op, const uint64_t *entry, uint64_t word0,
                                const struct op_descriptor *row)
{
    uint64_t forbidden = word0 & OP_BARE_FORBIDDEN_WORD0;
#pragma clang loop unroll(full)
    for (uint32_t i = 1; i < array_count(op->words); i++)
        if (i != WORD_USER_DATA) forbidden |= __atomic_load_n(&entry[i], __ATOMIC_RELAXED);
    return unlikely(forbidden != 0) ? op_failed(FAIL(INVALID_ARGUMENT)) : row->handler(op);
}

/* ---- accepting ---- */

static struct op *take_free(struct ring *ring)
{
    spin_acquire(&ring->lock);
    struct op *op = ring_take_free_locked(ring);
    spin_release(&ring->lock);
    return op;
}

/* More ops, all free. The ring's thread, or its creator. */
static status add_ops(struct ring *ring)
{
    TRY(memory_quota_charge(ring->quota, sizeof(struct op_chunk)));
    struct op_chunk *chunk = heap_take(sizeof(struct op_chunk));
    if (chunk == nullptr) {
        memory_quota_uncharge(ring->quota, sizeof(struct op_chunk));
        return FAIL(OUT_OF_MEMORY);
    }
    for (uint32_t i = 0; i < RING_OPS_PER_CHUNK; i++) {
        op_create(&chunk->ops[i], ring);
        chunk->ops[i].next_free = i + 1 < RING_OPS_PER_CHUNK ? &chunk->ops[i + 1] : nullptr;
    }
    chunk->next = ring->chunks;
    /* Pairs with the acquire of the flight recorder, which looks for ops under way. */
    __atomic_store_n(&ring->chunks, chunk, __ATOMIC_RELEASE);

    spin_acquire(&ring->lock);
    chunk->ops[RING_OPS_PER_CHUNK - 1].next_free = ring->free_first;
    ring->free_first = &chunk->ops[0];
    spin_release(&ring->lock);
    return OK;
}

/* nullptr: no memory, and then some op is pending and its end will help. */
[[gnu::noinline]] static struct op *take_op(struct ring *ring)
{
    struct op *op = take_free(ring);
    if (op == nullptr && is_ok(add_ops(ring))) op = take_free(ring);
    if (op != nullptr) op_start(op);
    return op;
}

/* Nobody else completes anything in this ring, nor will before this thread lets an op pend. */
MUST_INLINE bool is_alone(const struct ring *ring)
{
    return atomic_load_explicit(&ring->pending, memory_order_acquire) == 0;
}

/* Behind the path that needs no lock because nobody else completes anything in this ring. */
[[gnu::noinline]] static void complete_beside_others(struct ring *ring, uint64_t user_data,
                                                     op_outcome outcome)
{
    spin_acquire(&ring->lock);
    ring_write_completion(ring, user_data, outcome);
    ring_show(ring, ring->header);
    spin_release(&ring->lock);
}

static inline const uint64_t *submission_at(const struct ring *ring, uint64_t position)
{
    uint32_t index = (uint32_t)position & (ring->submission_entries - 1);
    const uint8_t *page = ring->submission_pages[index / RING_SUBMISSIONS_PER_PAGE];
    return (const uint64_t *)(const void *)(page + index % RING_SUBMISSIONS_PER_PAGE *
                                                       sizeof(struct abi_submission));
}

/* Writes the completion of an op that did not pend. */
MUST_INLINE void complete_in_place(struct ring *ring, uint64_t user_data, op_outcome outcome)
{
    if (likely(is_alone(ring)))
        ring_write_completion(ring, user_data, outcome);
    else
        complete_beside_others(ring, user_data, outcome);
}

/*
 * Runs the submission at `entry` and, unless it pends, writes its completion. Answers the op for
 * the next submission: the same, or another one, if there is one, when it is gone.
 */
MUST_INLINE struct op *accept_one(struct ring *ring, struct op *op, const uint64_t *entry)
{
    uint64_t word0 = __atomic_load_n(entry, __ATOMIC_RELAXED);
    const struct op_descriptor *row = operations[(uint8_t)word0];
    if (row->shape == OP_BARE) {
        uint64_t user_data = __atomic_load_n(&entry[WORD_USER_DATA], __ATOMIC_RELAXED);
        complete_in_place(ring, user_data, run_bare(op, entry, word0, row));
        return op;
    }
    op_outcome outcome = run_copied(op, entry, word0, row);
    if (unlikely(is_pending(outcome))) return ring->current;
    recorder_finish(&ring->record, op, outcome, ring_completed(ring));
    complete_in_place(ring, op->words[WORD_USER_DATA], outcome);
    return op;
}

/* `entry` is where number `position` would be if entries never wrapped. */
MUST_INLINE void set_next(struct ring *ring, const uint64_t *entry, uint64_t position)
{
    bool is_run_over = ((uintptr_t)entry & (ring->submission_run_bytes - 1)) == 0;
    ring->submission_next = unlikely(is_run_over) ? submission_at(ring, position) : entry;
}

/* Accepts and runs entry..end, not empty, and answers where it stopped: before the end when there
 * is no op for more. */
MUST_INLINE const uint64_t *accept_run(struct ring *ring, const uint64_t *entry,
                                       const uint64_t *end)
{
    struct op *op = ring->current;
    for (;;) {
        if (unlikely(op == nullptr)) op = take_op(ring);
        if (unlikely(op == nullptr)) break;
        op = accept_one(ring, op, entry);
        entry += SUBMISSION_WORDS;
        if (entry == end) break;
    }
    ring->current = op;
    return entry;
}

/* Accepts and runs up to `count` submissions, run by run, and answers how many. Between the runs
 * others get a chance; a thread that is to end accepts no more. */
[[gnu::noinline]] static uint32_t accept_batch(struct ring *ring, uint64_t accepted, uint32_t count)
{
    uint64_t run_bytes_max = ring->submission_run_bytes;
    uint32_t left = count;
    for (;;) {
        const uint64_t *entry = ring->submission_next;
        uint64_t run_bytes = run_bytes_max - ((uintptr_t)entry & (run_bytes_max - 1));
        uint64_t left_bytes = (uint64_t)left * sizeof(struct abi_submission);
        const uint64_t *end = entry + min_of(run_bytes, left_bytes) / sizeof(uint64_t);
        const uint64_t *stop = accept_run(ring, entry, end);
        left -= (uint32_t)((uintptr_t)stop - (uintptr_t)entry) / sizeof(struct abi_submission);
        set_next(ring, stop, accepted + count - left);
        if (left == 0 || stop != end || !scheduler_pause()) return count - left;
    }
}

/* The same for one: the way of every synchronous call. */
MUST_INLINE uint32_t accept_single(struct ring *ring, uint64_t accepted)
{
    struct op *op = ring->current;
    if (unlikely(op == nullptr)) op = take_op(ring);
    if (unlikely(op == nullptr)) return 0;
    const uint64_t *entry = ring->submission_next;
    ring->current = accept_one(ring, op, entry);
    set_next(ring, entry + SUBMISSION_WORDS, accepted + 1);
    return 1;
}

/* ---- entering ---- */

/* Believes the program's head if it lies where it can: it never goes back, and not beyond what was
 * completed. */
MUST_INLINE uint64_t reap(struct ring *ring, const struct abi_ring_header *header)
{
    uint32_t hint = __atomic_load_n(&header->completion_head, __ATOMIC_ACQUIRE);
    uint64_t reaped = ring->reaped;
    uint32_t taken = hint - (uint32_t)reaped;
    if (likely(taken <= ring_completed(ring) - reaped)) reaped += taken;
    ring->reaped = reaped;
    return reaped;
}

static bool has_completed(const struct ring *ring, uint64_t target)
{
    return ring_completed(ring) >= target;
}

/* Waits until `count` completions are unread or nothing is in flight. TIMED_OUT, INTERRUPTED */
[[gnu::noinline]] static status wait(struct ring *ring, uint64_t count, deadline limit)
{
    uint64_t accepted = atomic_load_explicit(&ring->accepted, memory_order_relaxed);
    uint64_t wanted = count < ring->completion_entries ? count : ring->completion_entries;
    uint64_t target = ring->reaped + wanted < accepted ? ring->reaped + wanted : accepted;

    status outcome = OK;
    spin_acquire(&ring->lock);
    while (is_ok(outcome) && !has_completed(ring, target)) {
        ring->is_waited_for = true;
        ring->wake_at = target;
        outcome = wait_queue_sleep(&ring->waiters, &ring->lock, limit, true);
    }
    ring->is_waited_for = false;
    bool is_there = has_completed(ring, target);
    spin_release(&ring->lock);
    return is_there ? OK : outcome;
}

/* Inlined into the way of every system call; others use ring_accept(). */
MUST_INLINE ring_acceptance accept_offered(struct ring *ring, struct abi_ring_header *header)
{
    uint64_t accepted = atomic_load_explicit(&ring->accepted, memory_order_relaxed);
    uint32_t room = ring->completion_entries - (uint32_t)(accepted - reap(ring, header));
    /* Pairs with the program's release: the entries below the tail are filled. */
    uint32_t tail = __atomic_load_n(&header->submission_tail, __ATOMIC_ACQUIRE);
    uint32_t offered = min_of(tail - (uint32_t)accepted, ring->submission_entries);
    uint32_t allowed = min_of(offered, room);
    uint32_t taken = 0;
    if (allowed != 0) {
        taken =
            allowed == 1 ? accept_single(ring, accepted) : accept_batch(ring, accepted, allowed);
        accepted += taken;
        atomic_store_explicit(&ring->accepted, accepted, memory_order_relaxed);
        header->accepted_total = accepted;
        /* Pairs with the program's acquire: it may fill the entries again. */
        __atomic_store_n(&header->submission_head, (uint32_t)accepted, __ATOMIC_RELEASE);
        if (is_alone(ring)) ring_show(ring, header);
    }
    return (ring_acceptance){.taken = taken, .offered = offered};
}

ring_acceptance ring_accept(struct ring *ring)
{
    return accept_offered(ring, ring->header);
}

uint64_t ring_enter(struct ring *ring, uint64_t wait_count, uint64_t deadline_ns)
{
    struct abi_ring_header *header = ring->header;
    /* Relaxed: this thread is the only writer. */
    uint64_t entered = atomic_load_explicit(&ring->entered, memory_order_relaxed) + 1;
    atomic_store_explicit(&ring->entered, entered, memory_order_relaxed);
    header->entered_total = entered;

    ring_acceptance acceptance = accept_offered(ring, header);
    status outcome = OK;
    if (wait_count != 0 && !is_alone(ring))
        outcome = wait(ring, wait_count, (deadline){deadline_ns});
    if (unlikely(acceptance.taken < acceptance.offered)) {
        header->refused_full_total = ++ring->refused_full;
        outcome = FAIL(QUEUE_FULL);
    }
    return (uint64_t)acceptance.taken << 32 | outcome.code;
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

/* Makes every page the kernel writes to, and remembers where they are. The doorbell page comes when
 * a program touches it. */
static status find_pages(struct ring *ring, const struct ring_layout *layout)
{
    frame_result first = buffer_touch(ring->memory, 0);
    TRY(first.status);
    ring->header = direct_map(first.value);
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

static uint64_t ring_bytes(const struct ring_layout *layout)
{
    uint64_t pages = (layout->total_bytes - layout->submissions_offset_bytes) / ABI_PAGE_BYTES;
    return sizeof(struct ring) + pages * sizeof(uint8_t *);
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
    memory_quota_uncharge(ring->quota, ring_bytes(&layout));
    if (ring->quota != nullptr) memory_quota_put(ring->quota);
    heap_give(ring);
}

static ring_result ring_take(struct memory_quota *quota, const struct ring_layout *layout)
{
    uint64_t bytes = ring_bytes(layout);
    TRY_AS(ring_result, memory_quota_charge(quota, bytes));
    struct ring *ring = heap_take_zeroed(bytes);
    if (ring == nullptr) {
        memory_quota_uncharge(quota, bytes);
        return (ring_result){.status = FAIL(OUT_OF_MEMORY)};
    }
    if (quota != nullptr) memory_quota_get(quota);
    ring->quota = quota;
    ring->submission_pages = (uint8_t **)(ring + 1);
    return (ring_result){.value = ring};
}

static status ring_furnish(struct ring *ring, const struct ring_layout *layout)
{
    struct buffer_options options = {.quota = ring->quota, .size_bytes = layout->total_bytes};
    buffer_result memory = buffer_create(&options);
    TRY(memory.status);
    ring->memory = memory.value;
    TRY(find_pages(ring, layout));
    TRY(add_ops(ring));
    TRY(recorder_create(ring, ring->environment.recorders, ring->quota, &ring->record));
    ring->submission_next = submission_at(ring, 0);
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
    ring_result made = ring_take(quota, &layout);
    TRY_AS(ring_result, made.status);
    struct ring *ring = made.value;
    ring->environment = *environment;
    ring->flags = flags;
    ring->submission_entries = entries;
    ring->completion_entries = 2 * entries;
    uint64_t submission_bytes = entries * sizeof(struct abi_submission);
    ring->submission_run_bytes = min_of(submission_bytes, PAGE_BYTES);
    uint64_t completion_bytes = ring->completion_entries * sizeof(struct abi_completion);
    ring->completion_run_mask = min_of(completion_bytes, PAGE_BYTES) - 1;
    spin_lock_init(&ring->lock, LOCK_RANK_RING);
    wait_queue_init(&ring->waiters);
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

const struct op_descriptor *ring_operation(uint8_t number)
{
    const struct op_descriptor *row = operations[number];
    return row != &unknown_operation ? row : nullptr;
}

void ring_close(struct ring *ring)
{
    for (struct op_chunk *chunk = ring->chunks; chunk != nullptr; chunk = chunk->next)
        for (uint32_t i = 0; i < RING_OPS_PER_CHUNK; i++)
            op_interrupt(&chunk->ops[i]);

    spin_acquire(&ring->lock);
    while (atomic_load_explicit(&ring->pending, memory_order_relaxed) != 0) {
        ring->is_waited_for = true;
        ring->wake_at = 0; /* look after each */
        ignore_status(wait_queue_sleep(&ring->waiters, &ring->lock, deadline_never(), false));
    }
    ring->is_waited_for = false;
    spin_release(&ring->lock);
}

static struct ring_counts counts_of(const struct ring *ring)
{
    return (struct ring_counts){
        .accepted = atomic_load_explicit(&ring->accepted, memory_order_relaxed),
        .completed = ring_completed(ring),
        .entered = atomic_load_explicit(&ring->entered, memory_order_relaxed),
    };
}

static void add_counts(struct ring_counts *sum, struct ring_counts more)
{
    sum->accepted += more.accepted;
    sum->completed += more.completed;
    sum->entered += more.entered;
}

void ring_destroy(struct ring *ring)
{
    ASSERT(atomic_load_explicit(&ring->pending, memory_order_acquire) == 0);
    spin_acquire(&rings_lock);
    list_remove(&ring->all_link);
    add_counts(&ended_counts, counts_of(ring));
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
