/*
 * Serving rings from kernel threads.
 *
 * The protocol is models/poller.pml, which looks at every interleaving of it. The functions there
 * and here:
 *
 *   ring_doorbell, reap_all, ...   user/peal/ring.c
 *   enter                          poller_enter
 *   enter_and_wait                 wait_for_completions
 *   visit, publish, wake_waiter    visit, show
 *   set_needs_wakeup, look         set_needs_wakeup, has_work; in doze
 *   call_poller                    call_locked
 *   leaves, detach_leaving         poller_detach, take_requests
 *   device                         publish in op.c
 *
 * There are four pairs of "store mine, full barrier, load yours", of which in each at least one
 * side sees the other: tail and needs_wakeup, completions and is_waited_for. Their barriers are
 * atomic_thread_fence(seq_cst) here and in the library, each with its partner named.
 *
 * Patience. A poller that finds nothing goes on looking for as long as it was useful before, within
 * limits: at most about half its time is in vain, a program with steady work never has to wake it,
 * and one that asks once in a while costs little. Where others wait for its processor it lets them
 * run between any two looks; on a machine with one processor it sleeps at once, since nobody could
 * publish anything meanwhile.
 *
 * Locking: `poller->lock` guards who comes and goes, and falling asleep. The list of rings and the
 * submission side of each ring in it belong to the poller's thread.
 */
#include "ring/poller.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "ring/ring_internal.h"
#include "sched/scheduler.h"

static constexpr uint32_t PROCESSORS_PER_POLLER = 2;
static constexpr uint32_t POLLERS_MAX = CPU_COUNT_MAX / PROCESSORS_PER_POLLER;
/* Submissions of one ring in one turn: others wait no longer than these take. */
static constexpr uint32_t TURN_SUBMISSIONS_MAX = 64;
static constexpr uint64_t PATIENCE_NS_MIN = 50'000;
static constexpr uint64_t PATIENCE_NS_MAX = 200'000'000;
/* Looks in vain: before the first pause, before longer ones, and before the clock is believed,
 * which on a virtual machine may have gone on while the program stood still. */
static constexpr uint32_t EAGER_ROUNDS = 512;
static constexpr uint32_t BRISK_ROUNDS = 4096;
static constexpr uint32_t LONG_PAUSE = 8;
static constexpr uint32_t VAIN_ROUNDS_MIN = 1024;
static constexpr uint32_t ROUNDS_PER_CLOCK = 64;
/* A ring whose next op finds no memory is looked at again after this. */
static constexpr uint64_t STARVED_MS = 1;
static constexpr uint32_t VISITS_PER_CHARGE = 256;

struct poller {
    _Atomic uint32_t ring_count; /* relaxed: only to choose the least busy */

    spin_lock lock; /* LOCK_RANK_POLLER */
    struct list arriving GUARDED_BY(lock);
    struct list leaving GUARDED_BY(lock);
    bool is_called GUARDED_BY(lock);           /* somebody came: look once more before sleeping */
    struct wait_queue asleep GUARDED_BY(lock); /* the poller itself */
    struct wait_queue departing GUARDED_BY(lock); /* those who wait for `leaving` */
    /* Written under the lock. Relaxed where the poller looks between turns: it takes the lock then,
     * and does so before it sleeps in any case. */
    _Atomic bool has_requests;

    /* Owned by the poller's thread. */
    struct list rings;
    uint32_t rings_seated;
    bool is_starved; /* some ring had work, room and no memory for it */
    bool has_worked; /* since the clock was looked at last */
    uint32_t vain_rounds;
    uint32_t visits;
    uint64_t woken_ns;
    uint64_t worked_ns;    /* when there was something to do last */
    uint64_t charged_ns;   /* of its own processor time */
    struct ring *charging; /* for whom it worked last; nullptr: nobody */
};

static struct poller pollers[POLLERS_MAX];
static uint32_t poller_count; /* fixed after boot */

/* ---- whose time it is ---- */

static void charge(struct poller *poller)
{
    uint64_t now = scheduler_own_runtime_ns();
    uint64_t spent = now - poller->charged_ns;
    poller->charged_ns = now;
    poller->visits = 0;
    if (poller->charging == nullptr) return;
    _Atomic uint64_t *served_ns = poller->charging->environment.served_ns;
    /* Relaxed: a statistic. */
    if (served_ns != nullptr) atomic_fetch_add_explicit(served_ns, spent, memory_order_relaxed);
}

/* What is spent from here on, looking in vain included, is the ring's until another has work. */
static void charge_to(struct poller *poller, struct ring *ring)
{
    if (poller->charging == ring && ++poller->visits < VISITS_PER_CHARGE) return;
    charge(poller);
    poller->charging = ring;
}

/* ---- one ring's turn ---- */

static void wake_waiter(struct ring *ring, bool is_all_taken)
{
    struct thread *waiter = nullptr;
    spin_acquire(&ring->lock);
    bool is_waited_for = atomic_load_explicit(&ring->is_waited_for, memory_order_relaxed);
    if (is_waited_for && (is_all_taken || ring_written(ring) >= ring->wake_at)) {
        atomic_store_explicit(&ring->is_waited_for, false, memory_order_relaxed);
        waiter = wait_queue_take_first(&ring->waiters);
    }
    spin_release(&ring->lock);
    if (waiter != nullptr) thread_wake(waiter, false);
}

/* After a turn in which something was accepted, whose completions are in the shared memory. */
static void show(struct ring *ring, bool is_all_taken)
{
    ring->header->polled_total = ring_accepted(ring);
    __atomic_store_n(&ring->doorbell->cq_ready, 1, __ATOMIC_RELEASE);
    atomic_store_explicit(&ring->settled, ring_accepted(ring), memory_order_release);
    /* Pairs with the fence in wait_for_completions(): it sees these completions, or we see it. */
    atomic_thread_fence(memory_order_seq_cst);
    if (unlikely(atomic_load_explicit(&ring->is_waited_for, memory_order_relaxed)))
        wake_waiter(ring, is_all_taken);
}

/* Slots and submissions for them. */
static bool has_work(struct ring *ring)
{
    uint32_t tail = __atomic_load_n(&ring->header->submission_tail, __ATOMIC_ACQUIRE);
    if (tail == (uint32_t)ring_accepted(ring)) return false;
    spin_acquire(&ring->lock);
    bool has_room = ring_room(ring, ring->header) != 0;
    spin_release(&ring->lock);
    return has_room;
}

/* False: there was nothing that could be accepted. */
static bool visit(struct poller *poller, struct ring *ring)
{
    /* Relaxed: only whether to look closer, which acquires. */
    uint32_t tail = __atomic_load_n(&ring->header->submission_tail, __ATOMIC_RELAXED);
    if (tail == (uint32_t)ring_accepted(ring)) return false;
    ring_acceptance fits = ring_accept(ring, TURN_SUBMISSIONS_MAX);
    if (fits.taken == 0) {
        if (has_work(ring)) poller->is_starved = true;
        return false;
    }
    show(ring, fits.taken == fits.offered);
    charge_to(poller, ring);
    return true;
}

/* ---- coming and going ---- */

/* The poller looks at everything once more before it sleeps, or wakes up to do so. */
static void call_locked(struct poller *poller) REQUIRES(poller->lock)
{
    poller->is_called = true;
    wait_queue_wake_all(&poller->asleep);
}

static void request_locked(struct poller *poller) REQUIRES(poller->lock)
{
    atomic_store_explicit(&poller->has_requests, true, memory_order_relaxed);
    call_locked(poller);
}

/* The poller's thread, between two turns. */
static void take_requests(struct poller *poller)
{
    charge(poller);
    poller->charging = nullptr; /* it may be about to go */
    spin_acquire(&poller->lock);
    atomic_store_explicit(&poller->has_requests, false, memory_order_relaxed);
    struct list *link;
    while ((link = list_take_front(&poller->arriving)) != nullptr) {
        list_push_back(&poller->rings, link);
        poller->rings_seated++;
    }
    while ((link = list_take_front(&poller->leaving)) != nullptr) {
        struct ring *ring = list_entry(link, struct ring, seat.leaving_link);
        list_remove(&ring->seat.link);
        poller->rings_seated--;
        ring->seat.is_taken = false;
        wait_queue_wake_all(&poller->departing);
    }
    spin_release(&poller->lock);
}

static struct poller *least_busy(void)
{
    struct poller *best = &pollers[0];
    for (uint32_t i = 1; i < poller_count; i++)
        if (atomic_load_explicit(&pollers[i].ring_count, memory_order_relaxed) <
            atomic_load_explicit(&best->ring_count, memory_order_relaxed))
            best = &pollers[i];
    return best;
}

void poller_attach(struct ring *ring)
{
    ASSERT(poller_count > 0 && ring->doorbell != nullptr);
    struct poller *poller = least_busy();
    atomic_fetch_add_explicit(&poller->ring_count, 1, memory_order_relaxed);
    ring->seat.poller = poller;
    list_init(&ring->seat.leaving_link);
    spin_acquire(&poller->lock);
    ring->seat.is_taken = true;
    list_push_back(&poller->arriving, &ring->seat.link);
    request_locked(poller);
    spin_release(&poller->lock);
}

void poller_detach(struct ring *ring)
{
    struct poller *poller = ring->seat.poller;
    spin_acquire(&poller->lock);
    list_push_back(&poller->leaving, &ring->seat.leaving_link);
    request_locked(poller);
    while (ring->seat.is_taken)
        ignore_status(wait_queue_sleep(&poller->departing, &poller->lock, deadline_never(), false));
    spin_release(&poller->lock);
    atomic_fetch_sub_explicit(&poller->ring_count, 1, memory_order_relaxed);
}

/* ---- going round, and sleeping ---- */

/* One turn for each ring. False: none had work. */
static bool serve_round(struct poller *poller)
{
    bool has_served = false;
    poller->is_starved = false;
    for (uint32_t left = poller->rings_seated; left > 0; left--) {
        if (unlikely(atomic_load_explicit(&poller->has_requests, memory_order_relaxed))) break;
        struct list *link = poller->rings.next;
        if (poller->rings_seated > 1) { /* the next round begins behind it */
            list_remove(link);
            list_push_back(&poller->rings, link);
        }
        has_served |= visit(poller, list_entry(link, struct ring, seat.link));
    }
    return has_served;
}

/* After a round in vain: whether to look again at once. */
static bool is_patient(struct poller *poller)
{
    if (cpu_count() == 1 || poller->rings_seated == 0 || poller->is_starved) return false;
    if (++poller->vain_rounds % ROUNDS_PER_CLOCK != 0) return true;
    uint64_t now = clock_now_ns();
    if (poller->has_worked) {
        poller->has_worked = false;
        poller->worked_ns = now;
    }
    uint64_t useful_ns = poller->worked_ns - poller->woken_ns;
    uint64_t patience_ns = min_of(useful_ns, PATIENCE_NS_MAX);
    if (patience_ns < PATIENCE_NS_MIN) patience_ns = PATIENCE_NS_MIN;
    return now - poller->worked_ns < patience_ns || poller->vain_rounds < VAIN_ROUNDS_MIN;
}

static void pause(const struct poller *poller)
{
    uint32_t length = poller->vain_rounds < EAGER_ROUNDS ? 0 : 1;
    if (poller->vain_rounds >= BRISK_ROUNDS) length = LONG_PAUSE;
    for (uint32_t i = 0; i < length; i++)
        cpu_relax();
    scheduler_yield(); /* to whoever waits for this processor */
}

static void set_needs_wakeup(struct poller *poller, bool needs_wakeup)
{
    struct ring *ring;
    list_for_each (ring, &poller->rings, seat.link) {
        if (needs_wakeup) ring->header->poller_sleeps_total = ++ring->seat.sleeps;
        /* Relaxed: ordered by the fence in doze(), and nothing hangs on its being cleared. */
        __atomic_store_n(&ring->doorbell->needs_wakeup, needs_wakeup, __ATOMIC_RELAXED);
    }
}

static bool any_has_work(struct poller *poller)
{
    struct ring *ring;
    list_for_each (ring, &poller->rings, seat.link)
        if (has_work(ring)) return true;
    return false;
}

/* Sleeps until somebody calls, unless there is work after all. */
static void doze(struct poller *poller)
{
    charge(poller);
    set_needs_wakeup(poller, true);
    /* Pairs with the program's, between its tail or head and its look at needs_wakeup. */
    atomic_thread_fence(memory_order_seq_cst);
    bool is_starved = poller->is_starved;
    if (is_starved || !any_has_work(poller)) {
        deadline limit = is_starved ? deadline_in_ms(STARVED_MS) : deadline_never();
        spin_acquire(&poller->lock);
        status woken = OK;
        while (!poller->is_called && is_ok(woken))
            woken = wait_queue_sleep(&poller->asleep, &poller->lock, limit, false);
        poller->is_called = false;
        spin_release(&poller->lock);
        poller->woken_ns = clock_now_ns();
        poller->worked_ns = poller->woken_ns;
        poller->vain_rounds = 0;
    }
    set_needs_wakeup(poller, false);
}

[[noreturn]] static void poll(void *argument)
{
    struct poller *poller = argument;
    for (;;) {
        if (unlikely(atomic_load_explicit(&poller->has_requests, memory_order_relaxed)))
            take_requests(poller);
        if (serve_round(poller)) {
            poller->has_worked = true;
            poller->vain_rounds = 0;
            scheduler_preempt_point();
        } else if (is_patient(poller)) {
            pause(poller);
        } else {
            doze(poller);
        }
    }
}

static status poller_start(struct poller *poller)
{
    *poller = (struct poller){.lock = SPIN_LOCK_INIT(LOCK_RANK_POLLER)};
    list_init(&poller->arriving);
    list_init(&poller->leaving);
    list_init(&poller->rings);
    wait_queue_init(&poller->asleep);
    wait_queue_init(&poller->departing);
    thread_result made = thread_create(&(struct thread_options){
        .entry = poll,
        .argument = poller,
        .name = "poller",
        .priority = THREAD_PRIORITY_USER,
    });
    TRY(made.status);
    thread_start(made.value);
    thread_put(made.value); /* it lives on its own reference */
    return OK;
}

status poller_init(void)
{
    uint32_t wanted = (cpu_count() + PROCESSORS_PER_POLLER - 1) / PROCESSORS_PER_POLLER;
    for (uint32_t i = 0; i < wanted; i++) {
        TRY(poller_start(&pollers[i]));
        poller_count = i + 1;
    }
    return OK;
}

/* ---- the ring's thread ---- */

/* Everything published has been accepted and nothing pends. */
static bool is_settled(const struct ring *ring)
{
    /* In this order: the release in show() comes after what pends has been counted. */
    uint64_t settled = atomic_load_explicit(&ring->settled, memory_order_acquire);
    if (__atomic_load_n(&ring->header->submission_tail, __ATOMIC_RELAXED) != (uint32_t)settled)
        return false;
    atomic_thread_fence(memory_order_acquire);
    return ring_in_flight(ring) == 0;
}

/* Completions that are shown and not reaped, as the program says. */
static uint32_t unread(const struct ring *ring, uint32_t head)
{
    return __atomic_load_n(&ring->header->completion_tail, __ATOMIC_ACQUIRE) - head;
}

/*
 * Waits until `wanted` completions are unread or nothing is in flight. Both ends of what is unread
 * are the program's words: one that writes nonsense there waits too long or not at all.
 * TIMED_OUT, INTERRUPTED
 */
static status wait_for_completions(struct ring *ring, uint32_t wanted, deadline limit)
{
    uint32_t head = __atomic_load_n(&ring->header->completion_head, __ATOMIC_RELAXED);
    status outcome = OK;
    bool is_over = false;
    spin_acquire(&ring->lock);
    for (;;) {
        uint64_t written = ring_written(ring);
        ring->wake_at = written - ((uint32_t)written - head) + wanted;
        atomic_store_explicit(&ring->is_waited_for, true, memory_order_relaxed);
        /* Pairs with the fence in show(). */
        atomic_thread_fence(memory_order_seq_cst);
        is_over = unread(ring, head) >= wanted || is_settled(ring);
        if (is_over || !is_ok(outcome)) break;
        outcome = wait_queue_sleep(&ring->waiters, &ring->lock, limit, true);
    }
    atomic_store_explicit(&ring->is_waited_for, false, memory_order_relaxed);
    spin_release(&ring->lock);
    return is_over ? OK : outcome;
}

/* No slot is left for what is published, and none will be before the program reaps. */
static bool is_full(const struct ring *ring)
{
    const struct abi_ring_header *header = ring->header;
    uint32_t head = __atomic_load_n(&header->completion_head, __ATOMIC_RELAXED);
    uint32_t tail = __atomic_load_n(&header->submission_tail, __ATOMIC_RELAXED);
    return unread(ring, head) >= ring->completion_entries && tail != (uint32_t)ring_accepted(ring);
}

uint64_t poller_enter(struct ring *ring, uint64_t wait_count, uint64_t deadline_ns)
{
    struct poller *poller = ring->seat.poller;
    /* Pairs with the one in doze(): the poller sees the tail, or we come before it sleeps. */
    atomic_thread_fence(memory_order_seq_cst);
    spin_acquire(&poller->lock);
    call_locked(poller);
    spin_release(&poller->lock);

    status outcome = OK;
    uint32_t wanted = (uint32_t)min_of(wait_count, (uint64_t)ring->completion_entries);
    if (wanted != 0) outcome = wait_for_completions(ring, wanted, (deadline){deadline_ns});
    if (is_full(ring)) {
        ring->header->refused_full_total = ++ring->refused_full;
        outcome = FAIL(QUEUE_FULL);
    }
    return outcome.code;
}
