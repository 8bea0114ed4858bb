/*
 * Keeping and reading records; writing what completes in place is inline, in the header.
 *
 * Each slot has one writer at a time: those for operations in place the ring's acceptor, the
 * others whoever holds the ring's lock. A stamp is zero while its record is written, so a reader
 * that finds the same one before and after copying has copied one record.
 */
#include "ring/recorder.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "mm/heap.h"
#include "mm/quota.h"
#include "ring/ring_internal.h"

struct recorder {
    _Atomic uint32_t references;
    uint32_t number; /* fixed */
    _Atomic uint64_t thread;
    struct list owner_link; /* guarded by recorders_lock, as what follows */
    struct list ended_link;
    struct ring *ring;          /* nullptr: it has ended */
    struct memory_quota *quota; /* borrowed from the ring */
    struct record in_place[RECORDS_IN_PLACE];
    struct record pended[RECORDS_PENDED];
};
static_assert(sizeof(struct recorder) <= 2 * ABI_PAGE_BYTES, "two frames");

static spin_lock recorders_lock = SPIN_LOCK_INIT(LOCK_RANK_RECORDERS);
static uint32_t number_last GUARDED_BY(recorders_lock);
/* Of rings that have ended, the longest ago first. */
static struct list ended GUARDED_BY(recorders_lock) = LIST_INIT(ended);
static uint32_t ended_count GUARDED_BY(recorders_lock);

/* ---- life ---- */

static struct recorder *make(struct memory_quota *quota)
{
    if (!is_ok(memory_quota_charge(quota, sizeof(struct recorder)))) return nullptr;
    struct recorder *recorder = heap_take(sizeof(*recorder));
    if (recorder == nullptr) {
        memory_quota_uncharge(quota, sizeof(*recorder));
        return nullptr;
    }
    atomic_init(&recorder->references, 1);
    atomic_init(&recorder->thread, 0);
    recorder->quota = quota;
    list_init(&recorder->owner_link);
    list_init(&recorder->ended_link);
    for (uint32_t i = 0; i < RECORDS_IN_PLACE; i++)
        recorder->in_place[i].stamp = 0;
    for (uint32_t i = 0; i < RECORDS_PENDED; i++)
        recorder->pended[i].stamp = 0;
    return recorder;
}

status recorder_create(struct ring *ring, struct list *owner, struct memory_quota *quota,
                       struct recorder_place *out_place)
{
    struct recorder *recorder = make(quota);
    if (recorder == nullptr) return FAIL(OUT_OF_MEMORY);
    recorder->ring = ring;
    *out_place = (struct recorder_place){
        .recorder = recorder,
        .in_place = recorder->in_place,
        .in_place_end = recorder->in_place + RECORDS_IN_PLACE,
        .pended = recorder->pended,
    };
    spin_acquire(&recorders_lock);
    recorder->number = ++number_last;
    if (owner != nullptr) {
        recorder_get(recorder); /* the list's */
        list_push_back(owner, &recorder->owner_link);
    }
    spin_release(&recorders_lock);
    return OK;
}

void recorder_name(struct recorder *recorder, uint64_t thread)
{
    /* Relaxed: for people. */
    atomic_store_explicit(&recorder->thread, thread, memory_order_relaxed);
}

void recorder_get(struct recorder *recorder)
{
    atomic_fetch_add_explicit(&recorder->references, 1, memory_order_relaxed);
}

void recorder_put(struct recorder *recorder)
{
    /* Release hands over what this holder did, acquire takes over what the others did. */
    if (atomic_fetch_sub_explicit(&recorder->references, 1, memory_order_acq_rel) == 1)
        heap_give(recorder);
}

/* Takes it out of its list, whose reference becomes the caller's. */
static void leave_list_locked(struct recorder *recorder) REQUIRES(recorders_lock)
{
    list_remove(&recorder->owner_link);
    if (list_is_empty(&recorder->ended_link)) return;
    list_remove(&recorder->ended_link);
    ended_count--;
}

/* Keeps one that has ended, if it is in a list. Answers one to drop instead, or nullptr. */
static struct recorder *keep_locked(struct recorder *recorder) REQUIRES(recorders_lock)
{
    if (list_is_empty(&recorder->owner_link)) return nullptr;
    list_push_back(&ended, &recorder->ended_link);
    if (++ended_count <= RECORDERS_ENDED_MAX) return nullptr;
    struct recorder *oldest = list_entry(ended.next, struct recorder, ended_link);
    leave_list_locked(oldest);
    return oldest;
}

void recorder_end(struct recorder *recorder)
{
    memory_quota_uncharge(recorder->quota, sizeof(*recorder));
    spin_acquire(&recorders_lock);
    recorder->ring = nullptr;
    recorder->quota = nullptr;
    struct recorder *dropped = keep_locked(recorder);
    spin_release(&recorders_lock);
    if (dropped != nullptr) recorder_put(dropped);
    recorder_put(recorder);
}

void recorder_forget(struct list *owner)
{
    for (;;) {
        struct recorder *first = nullptr;
        spin_acquire(&recorders_lock);
        if (!list_is_empty(owner)) {
            first = list_entry(owner->next, struct recorder, owner_link);
            leave_list_locked(first);
        }
        spin_release(&recorders_lock);
        if (first == nullptr) return;
        recorder_put(first);
    }
}

/* ---- writing ---- */

void recorder_add(struct recorder_place *place, const struct op *op, op_outcome outcome,
                  uint64_t completed)
{
    struct record *record = place->pended;
    record_store(&record->stamp, 0);
    atomic_thread_fence(memory_order_release); /* as in recorder_begin() */
    for (uint32_t i = 0; i < array_count(op->words); i++)
        record_store(&record->words[i], op->words[i]);
    record_finish(record, op, outcome, (completed + 1) * 2 + 1);
    const struct recorder *recorder = place->recorder;
    bool is_last = record + 1 == recorder->pended + RECORDS_PENDED;
    place->pended = is_last ? record + 1 - RECORDS_PENDED : record + 1;
}

/* ---- finding ---- */

struct recorder *recorder_find(struct list *owner, uint32_t number)
{
    struct recorder *found = nullptr;
    spin_acquire(&recorders_lock);
    struct recorder *recorder;
    list_for_each (recorder, owner, owner_link) {
        if (recorder->number < number) continue;
        found = recorder;
        recorder_get(found);
        break;
    }
    spin_release(&recorders_lock);
    return found;
}

uint32_t recorder_number(const struct recorder *recorder)
{
    return recorder->number;
}

uint64_t recorder_thread(const struct recorder *recorder)
{
    return atomic_load_explicit(&recorder->thread, memory_order_relaxed);
}

/* ---- reading ---- */

/* False: it was written meanwhile. */
static bool read_record(const struct record *from, uint64_t stamp, struct record *out_record)
{
    const uint64_t *words = (const uint64_t *)from;
    uint64_t *copy = (uint64_t *)out_record;
    for (size_t i = 0; i < sizeof(*from) / sizeof(uint64_t); i++)
        copy[i] = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
    /* Pairs with the fence of who writes: if anything newer was copied, the stamp has changed. */
    atomic_thread_fence(memory_order_acquire);
    out_record->stamp = __atomic_load_n(&from->stamp, __ATOMIC_RELAXED);
    return out_record->stamp == stamp;
}

/* The smallest stamp from `least` on, in a circle of records. */
static const struct record *find_first(const struct record *records, uint32_t count, uint64_t least,
                                       uint64_t *in_out_stamp)
{
    const struct record *found = nullptr;
    for (uint32_t i = 0; i < count; i++) {
        /* Pairs with the release of a finished record. */
        uint64_t stamp = __atomic_load_n(&records[i].stamp, __ATOMIC_ACQUIRE);
        if (stamp == 0 || stamp < least || stamp >= *in_out_stamp) continue;
        *in_out_stamp = stamp;
        found = &records[i];
    }
    return found;
}

bool recorder_next(const struct recorder *recorder, uint64_t *stamp, struct record *out_record)
{
    for (;;) {
        uint64_t first = UINT64_MAX;
        const struct record *found =
            find_first(recorder->in_place, RECORDS_IN_PLACE, *stamp, &first);
        const struct record *pended = find_first(recorder->pended, RECORDS_PENDED, *stamp, &first);
        if (pended != nullptr) found = pended;
        if (found == nullptr) return false;
        *stamp = first + 1;
        if (read_record(found, first, out_record)) return true;
    }
}

static bool is_under_way(const struct op *op)
{
    enum op_state state = atomic_load_explicit(&op->state, memory_order_acquire);
    return state == OP_HELD || state == OP_PENDING || state == OP_CANCELLING;
}

/* An op that pends stays as it is while the ring's lock is held. */
static bool find_pending(const struct ring *ring, uint32_t index, struct record *out_record)
{
    /* Pairs with the release in add_ops(). */
    const struct op_chunk *chunk = __atomic_load_n(&ring->chunks, __ATOMIC_ACQUIRE);
    for (; chunk != nullptr; chunk = chunk->next)
        for (uint32_t i = 0; i < RING_OPS_PER_CHUNK; i++) {
            const struct op *op = &chunk->ops[i];
            if (!is_under_way(op) || index-- > 0) continue;
            *out_record = (struct record){.result = OP_CODE_PENDING};
            __builtin_memcpy(out_record->words, op->words, sizeof(out_record->words));
            return true;
        }
    return false;
}

bool recorder_pending(struct recorder *recorder, uint32_t index, struct record *out_record)
{
    bool is_there = false;
    spin_acquire(&recorders_lock);
    struct ring *ring = recorder->ring;
    if (ring != nullptr) {
        spin_acquire(&ring->lock);
        is_there = find_pending(ring, index, out_record);
        spin_release(&ring->lock);
    }
    spin_release(&recorders_lock);
    return is_there;
}

static struct ring_description describe_ring(const struct ring *ring)
{
    /* Each counter is what it was a moment ago, not all of them the same moment. */
    uint64_t more = atomic_load_explicit(&ring->more, memory_order_relaxed);
    uint64_t suppressed = atomic_load_explicit(&ring->suppressed, memory_order_relaxed);
    uint64_t reaped = ring_reaped(ring), written = ring_written(ring);
    return (struct ring_description){
        .submission_entries = ring->submission_entries,
        .completion_entries = ring->completion_entries,
        .flags = ring->flags,
        .in_flight = ring_in_flight(ring),
        .accepted = ring_accepted(ring),
        .completed = written - min_of(more, written) + suppressed,
        .unread = written - min_of(reaped, written),
        .entered = atomic_load_explicit(&ring->entered, memory_order_relaxed),
    };
}

bool recorder_describe_ring(struct recorder *recorder, struct ring_description *out_ring)
{
    spin_acquire(&recorders_lock);
    const struct ring *ring = recorder->ring;
    if (ring != nullptr) *out_ring = describe_ring(ring);
    spin_release(&recorders_lock);
    return ring != nullptr;
}

bool recorder_pending_in_panic(struct recorder *recorder, uint32_t index,
                               struct record *out_record) NO_LOCK_CHECK
{
    return recorder->ring != nullptr && find_pending(recorder->ring, index, out_record);
}

/* ---- in words ---- */

static const char *status_name(uint32_t code)
{
    switch (code) {
#define STATUS(NAME, number, meaning) \
    case number:                      \
        return #NAME;
#include <abi/status.def>
#undef STATUS
    default:
        return "an unknown status";
    }
}

static const char *right_name(uint32_t bit)
{
    switch (bit) {
#define RIGHT(NAME, name, number, meaning) \
    case number:                           \
        return #name;
#include <abi/rights.def>
#undef RIGHT
    default:
        return "an unknown right";
    }
}

static void describe_kinds(struct text_writer *writer, uint32_t kinds)
{
    if (kinds == 0 || kinds == ABI_KINDS_ANY) return;
    const char *between = " ";
#define KIND(NAME, name, number, summary)            \
    if ((kinds & ABI_KIND_BIT(NAME)) != 0) {         \
        text_format(writer, "%s%s", between, #name); \
        between = "/";                               \
    }
#include <abi/kinds.def>
#undef KIND
}

static void describe_request(struct text_writer *writer, const struct record *record,
                             const struct op_descriptor *row)
{
    struct abi_submission request;
    static_assert(sizeof(request) == sizeof(record->words));
    __builtin_memcpy(&request, record->words, sizeof(request));
    if (row != nullptr && row->name != nullptr)
        text_format(writer, "%s", row->name);
    else
        text_format(writer, "operation %u", request.op);
    if (request.capability != 0) {
        if (row != nullptr) describe_kinds(writer, row->kinds);
        text_format(writer, " in slot %llu",
                    (unsigned long long)(request.capability & ABI_HANDLE_SLOT_MASK));
    }
    if (record->object_id != 0)
        text_format(writer, ", object %llu", (unsigned long long)record->object_id);
    if (request.length_bytes != 0)
        text_format(writer, ", %u bytes of buffer %u", request.length_bytes, request.buffer_index);
    if (request.offset_bytes == ABI_OFFSET_CURRENT)
        text_format(writer, " at its position");
    else if (request.offset_bytes != 0)
        text_format(writer, " at %llu", (unsigned long long)request.offset_bytes);
    if (request.args[0] != 0 || request.args[1] != 0)
        text_format(writer, ", arguments %#llx %#llx", (unsigned long long)request.args[0],
                    (unsigned long long)request.args[1]);
    if (request.op_flags != 0) text_format(writer, ", flags %#x", request.op_flags);
    if (request.flags != 0) text_format(writer, ", submission flags %#x", request.flags);
}

static void describe_outcome(struct text_writer *writer, const struct record *record)
{
    op_outcome outcome = record_outcome(record);
    if (outcome.code == OP_CODE_PENDING) {
        text_format(writer, ": under way");
        return;
    }
    uint32_t code = op_outcome_status(outcome), detail = outcome.detail;
    if (code == STATUS_OK) {
        text_format(writer, ": %llu", (unsigned long long)outcome.value);
        if (outcome.code >> OP_CODE_FLAGS_SHIFT & ABI_COMPLETION_MORE)
            text_format(writer, ", goes on");
    } else {
        text_format(writer, ": %s", status_name(code));
        if (code == STATUS_INSUFFICIENT_RIGHTS)
            text_format(writer, ", lacks %s since step %u", right_name(ABI_DETAIL_RIGHT(detail)),
                        ABI_DETAIL_STEP(detail));
        else if (detail != 0)
            text_format(writer, ", detail %#x", detail);
    }
}

void recorder_describe(struct text_writer *writer, const struct record *record,
                       const struct op_descriptor *row)
{
    if (record->stamp != 0)
        text_format(writer, "#%llu ", (unsigned long long)record_sequence(record));
    describe_request(writer, record, row);
    describe_outcome(writer, record);
}
