/*
 * The program's side of the ring.
 *
 * With a poller, entering is for waking it and for waiting. models/poller.pml is the protocol; the
 * functions of its program are here: ring_doorbell; reap_all, whose look at the poller comes when
 * the program looks for completions next (tell_of_room); enter_and_wait (wait_polled). Waiting
 * begins with looking, for about as long as that has helped before.
 *
 * A synchronous call waits for the completion that carries PEAL_USER_DATA_CALL. Others may lie in
 * front of it; they stay where they are, unread, so that the kernel's back-pressure still counts
 * them. The call's own is then taken from the middle: its user data becomes
 * PEAL_USER_DATA_CLAIMED, and the head moves over it when it gets there. What tasks and pendings
 * wait for is taken in the same way, see await.c.
 */
#include "peal/ring.h"
#include "peal/call.h"
#include "peal/handle.h"
#include "peal/ring_internal.h"

/* Looks at the completions of a ring with a poller before its thread sleeps. */
#define SPIN_MIN        64u
#define SPIN_MAX        16384u
#define SPINS_PER_PAUSE 64u

static size_result call_finish_polled(void);

void peal_ring_init(struct peal_ring *ring, struct abi_ring_header *header)
{
    uint8_t *base = (uint8_t *)header;
    *ring = (struct peal_ring){
        .header = header,
        .submissions = (struct abi_submission *)(base + header->submissions_offset_bytes),
        .completions = (struct abi_completion *)(base + header->completions_offset_bytes),
        .submission_mask = header->submission_entries - 1,
        .completion_mask = header->completion_entries - 1,
        .submission_tail = header->submission_tail,
        .submission_end = header->submission_head + header->submission_entries,
        .completion_head = header->completion_head,
        .settled_end = header->completion_head,
    };
    if ((header->flags & ABI_RING_POLLER) != 0) {
        ring->doorbell = (struct abi_ring_doorbell *)(base + header->doorbell_offset_bytes);
        ring->spin_max = SPIN_MAX;
        ring->settle_count = 1;
    }
    peal_ring_block_calls(ring);
}

void peal_ring_block_calls(struct peal_ring *ring)
{
    ring->finish = ring->doorbell != nullptr ? call_finish_polled : peal_call_finish;
}

bool peal_ring_find_room(struct peal_ring *ring)
{
    uint32_t accepted = load_acquire(&ring->header->submission_head); /* pairs with the kernel */
    ring->submission_end = accepted + ring->submission_mask + 1;
    return ring->submission_tail != ring->submission_end;
}

/* ---- with a poller ---- */

/* After a tail was published, and after a head was while something published is not accepted. */
static void ring_doorbell(const struct peal_ring *ring)
{
    struct abi_ring_doorbell *doorbell = ring->doorbell;
    store_relaxed(&doorbell->ring, load_relaxed(&doorbell->ring) + 1);
    /* Pairs with the poller's, between its needs_wakeup and its last look at the ring. */
    atomic_thread_fence(memory_order_seq_cst);
    if (load_relaxed(&doorbell->needs_wakeup) != 0) peal_system_call(ABI_SYSCALL_ENTER, 0, 0);
}

/* What is published may have been waiting for the places of what was reaped. */
static void tell_of_room(const struct peal_ring *ring)
{
    const struct abi_ring_header *header = ring->header;
    if (load_acquire(&header->submission_head) != load_relaxed(&header->submission_tail))
        ring_doorbell(ring);
}

/* Looks for completions that many times. */
static bool spin(const struct peal_ring *ring, uint32_t unread_min, uint32_t looks)
{
    for (uint32_t i = 1; i <= looks; i++) {
        if (peal_ring_unread(ring) >= unread_min) return true;
        if (i % SPINS_PER_PAUSE == 0) __builtin_ia32_pause();
    }
    return false;
}

static uint64_t wait_polled(struct peal_ring *ring, uint32_t unread_min, uint64_t deadline_ns)
{
    uint32_t looks = ring->spin_max;
    if (spin(ring, unread_min, looks)) {
        if (looks < SPIN_MAX) ring->spin_max = looks * 2;
        return ABI_STATUS_OK;
    }
    if (looks > SPIN_MIN) ring->spin_max = looks / 2;
    return peal_system_call(ABI_SYSCALL_ENTER, unread_min, deadline_ns);
}

[[gnu::noinline]] static uint64_t enter_polled(struct peal_ring *ring, uint32_t unread_min,
                                               uint64_t deadline_ns)
{
    ring_doorbell(ring);
    return unread_min == 0 ? ABI_STATUS_OK : wait_polled(ring, unread_min, deadline_ns);
}

/* The poller takes what was published; false when that does not help, for no completion fits. */
static bool wait_for_room(struct peal_ring *ring)
{
    while (!peal_ring_find_room(ring)) {
        if (peal_ring_unread(ring) > ring->completion_mask) return false;
        peal_yield();
    }
    return true;
}

/* ---- entering ---- */

uint64_t peal_ring_enter(struct peal_ring *ring, uint32_t unread_min, uint64_t deadline_ns)
{
    store_release(&ring->header->submission_tail, ring->submission_tail);
    if (ring->doorbell != nullptr) return enter_polled(ring, unread_min, deadline_ns);
    return peal_system_call(ABI_SYSCALL_ENTER, unread_min, deadline_ns);
}

static void pass_claimed(struct peal_ring *ring)
{
    while (ring->claimed_count > 0 && peal_ring_unread(ring) > 0) {
        const struct abi_completion *next =
            &ring->completions[ring->completion_head & ring->completion_mask];
        if (next->user_data != PEAL_USER_DATA_CLAIMED) break;
        ring->completion_head++;
        ring->claimed_count--;
        ring->settle_count--;
    }
    store_release(&ring->header->completion_head, ring->completion_head);
}

static void claim(struct peal_ring *ring, struct abi_completion *completion)
{
    completion->user_data = PEAL_USER_DATA_CLAIMED;
    ring->claimed_count++;
    ring->settle_count++;
}

/*
 * A program's completions at the head, which it has not reaped, keep the claimed ones behind them
 * from being passed. Moves those that stay to the end, over the claimed ones.
 */
static void compact(struct peal_ring *ring)
{
    uint32_t to = ring->settled_end;
    for (uint32_t from = to; from != ring->completion_head;) {
        struct abi_completion entry = ring->completions[--from & ring->completion_mask];
        if (entry.user_data == PEAL_USER_DATA_CLAIMED) continue;
        ring->completions[--to & ring->completion_mask] = entry;
    }
    ring->settle_count -= ring->claimed_count;
    ring->claimed_count = 0;
    ring->completion_head = to;
    store_release(&ring->header->completion_head, to);
}

/* Each completion is looked at once: what stays is a program's. */
void peal_ring_settle(struct peal_ring *ring)
{
    uint32_t end = load_acquire(&ring->header->completion_tail); /* pairs with the kernel */
    uint32_t at = ring->settled_end;
    if (ring->doorbell != nullptr) tell_of_room(ring);
    if (ring->settle_count == (ring->doorbell != nullptr ? 1 : 0)) return;
    if ((int32_t)(at - ring->completion_head) < 0) at = ring->completion_head;
    for (; at != end; at++) {
        struct abi_completion *completion = &ring->completions[at & ring->completion_mask];
        if (!(completion->user_data & PEAL_USER_DATA_LIBRARY) ||
            completion->user_data >= PEAL_USER_DATA_LEADING)
            continue;
        peal_operation_complete(completion);
        claim(ring, completion);
    }
    ring->settled_end = end;
    pass_claimed(ring);
    if (ring->claimed_count > ring->completion_mask / 4) compact(ring);
}

/* As peal_submit() while completions of the library's come between those waited for. */
[[gnu::noinline]] static size_result submit_settling(struct peal_ring *ring,
                                                     uint32_t completions_min, uint64_t deadline_ns)
{
    uint32_t published = load_relaxed(&ring->header->submission_tail);
    uint32_t accepted = ring->doorbell != nullptr ? ring->submission_tail - published : 0;
    for (;;) {
        peal_ring_settle(ring);
        uint32_t unread_min = completions_min == 0 ? 0 : completions_min + ring->claimed_count;
        uint64_t answer = peal_ring_enter(ring, unread_min, deadline_ns);
        accepted += ABI_ENTER_ACCEPTED(answer);
        status entered = status_of_raw(ABI_ENTER_STATUS(answer));
        bool nothing_comes = peal_ring_unread(ring) < unread_min;
        peal_ring_settle(ring);
        if (!is_ok(entered) || nothing_comes ||
            peal_ring_unread(ring) - ring->claimed_count >= completions_min)
            return (size_result){entered, accepted};
    }
}

size_result peal_submit(uint32_t completions_min, uint64_t deadline_ns)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    if (__builtin_expect(ring->settle_count != 0, false))
        return submit_settling(ring, completions_min, deadline_ns);
    uint64_t answer = peal_ring_enter(ring, completions_min, deadline_ns);
    return (size_result){status_of_raw(ABI_ENTER_STATUS(answer)), ABI_ENTER_ACCEPTED(answer)};
}

void peal_yield(void)
{
    peal_system_call(ABI_SYSCALL_YIELD, 0, 0);
}

uint32_t peal_refusal_detail(void)
{
    return peal_thread_self()->ring.refusal_detail;
}

static size_result result_of(struct peal_ring *ring, const struct abi_completion *completion)
{
    if (__builtin_expect(completion->tag == ABI_RESULT_OK, true))
        return (size_result){OK, completion->value};
    ring->refusal_detail = completion->detail;
    return (size_result){.status = status_of_raw(completion->error)};
}

/* Takes the completion of that user data from wherever it is; false when it has not come. */
static bool call_claim(struct peal_ring *ring, uint64_t user_data, size_result *out_result)
{
    uint32_t unread = peal_ring_unread(ring);
    for (uint32_t i = 0; i < unread; i++) {
        struct abi_completion *completion =
            &ring->completions[(ring->completion_head + i) & ring->completion_mask];
        if (completion->user_data != user_data) continue;
        *out_result = result_of(ring, completion);
        if (i == 0)
            ring->completion_head++;
        else
            claim(ring, completion);
        pass_claimed(ring); /* a program's that was in front may have been reaped */
        return true;
    }
    return false;
}

/* The kernel has not read the call: nor, perhaps, what it is linked to. */
static void call_take_back(struct peal_ring *ring, uint32_t accepted)
{
    const struct abi_submission *before;
    do
        before = &ring->submissions[(--ring->submission_tail - 1) & ring->submission_mask];
    while (ring->submission_tail != accepted && before->user_data == PEAL_USER_DATA_LEADING);
    store_release(&ring->header->submission_tail, ring->submission_tail);
}

/* Not answered by the first entry: something else completed first, or the ring is full. */
[[gnu::noinline]] static size_result call_wait(struct peal_ring *ring)
{
    size_result result;
    while (!call_claim(ring, PEAL_USER_DATA_CALL, &result)) {
        peal_ring_settle(ring);
        uint64_t answer = peal_ring_enter(ring, peal_ring_unread(ring) + 1, ABI_DEADLINE_NEVER);
        if (call_claim(ring, PEAL_USER_DATA_CALL, &result)) break;
        uint32_t accepted = load_acquire(&ring->header->submission_head);
        if (accepted != ring->submission_tail &&
            ABI_ENTER_STATUS(answer) == ABI_STATUS_QUEUE_FULL) {
            call_take_back(ring, accepted);
            return (size_result){.status = FAIL(QUEUE_FULL)};
        }
    }
    return result;
}

[[gnu::noinline]] struct abi_submission *peal_call_make_room(void)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    if (!peal_ring_find_room(ring)) {
        peal_ring_enter(ring, 0, 0);
        if (ring->doorbell != nullptr && !wait_for_room(ring)) return nullptr;
    }
    return peal_ring_slot();
}

[[gnu::noinline]] size_result peal_call_finish(void)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    struct abi_ring_header *header = ring->header;
    uint32_t tail = ring->submission_tail + 1, head = ring->completion_head;
    ring->submission_tail = tail;
    uint32_t unread = load_acquire(&header->completion_tail) - head; /* pairs with the kernel */
    store_release(&header->submission_tail, tail);
    peal_system_call(ABI_SYSCALL_ENTER, unread + 1, ABI_DEADLINE_NEVER);

    const struct abi_completion *completion = &ring->completions[head & ring->completion_mask];
    if (__builtin_expect(unread != 0 || load_acquire(&header->completion_tail) == head ||
                             completion->user_data != PEAL_USER_DATA_CALL,
                         false))
        return call_wait(ring);
    ring->completion_head = head + 1;
    store_release(&header->completion_head, head + 1);
    return result_of(ring, completion);
}

static size_result call_finish_polled(void)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    ring->submission_tail++;
    size_result result = call_wait(ring);
    tell_of_room(ring);
    return result;
}

size_result peal_call_after(const struct abi_submission *first, const struct abi_submission *second)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    bool is_task = ring->finish != peal_call_finish && ring->finish != call_finish_polled;
    if (ring->submission_end - ring->submission_tail < 2) peal_ring_find_room(ring);
    if (is_task || ring->submission_end - ring->submission_tail < 2) {
        size_result done = peal_call(first);
        return is_ok(done.status) ? peal_call(second) : done;
    }
    struct abi_submission *slot = &ring->submissions[ring->submission_tail & ring->submission_mask];
    *slot = *first;
    slot->flags = ABI_SUBMISSION_LINK | ABI_SUBMISSION_SKIP_SUCCESS;
    slot->user_data = PEAL_USER_DATA_LEADING;
    ring->submission_tail++;
    size_result result = peal_call(second);
    /* The first one's end comes before that of what is linked to it. */
    if (__builtin_expect(!is_ok(result.status), false))
        call_claim(ring, PEAL_USER_DATA_LEADING, &result);
    return result;
}

peal_raw_status peal_call_yielding(const struct abi_submission *request,
                                   peal_raw_handle *out_handle)
{
    size_result result = peal_call(request);
    *out_handle = result.value;
    return result.status.code;
}

size_result peal_nop(void)
{
    return peal_call(&(struct abi_submission){.op = ABI_OP_NOP});
}
