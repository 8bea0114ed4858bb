/*
 * Timers as objects, each over one timer of a processor's queue.
 *
 * Locking: `lock` guards all that changes. `next_ns` is the first expiration that is not in
 * `expirations`; catch_up_locked() moves those that are due from the one to the other. While
 * anybody waits `expirations` is 0, and only then the processor's timer is armed, for `next_ns`.
 *
 * Arming and cancelling it must not meet, nor may it be armed anew on another processor while its
 * function is about to run here: `is_armed` stays true until that function, expire(), has the lock.
 * Who then wants another time leaves it to that function, which looks at everything anew.
 */
#include "ipc/timer_object.h"
#include "base/checked.h"
#include "base/container.h"
#include "debug/assert.h"
#include "mm/heap.h"
#include "sync/spin_lock.h"
#include "time/timer_queue.h"
#include <abi/ops.h>
#include <abi/ring.h>

static constexpr uint64_t NEVER = ABI_DEADLINE_NEVER;

struct timer_object {
    struct object object;
    struct memory_quota *quota; /* fixed; counted; nullptr: the kernel's */

    spin_lock lock; /* LOCK_RANK_TIMER_OBJECT */
    uint64_t next_ns GUARDED_BY(lock);
    uint64_t period_ns GUARDED_BY(lock);
    uint64_t expirations GUARDED_BY(lock); /* that nobody has been told of */
    struct list waits GUARDED_BY(lock);    /* struct timer_wait, oldest first */
    bool is_armed GUARDED_BY(lock);
    uint64_t armed_ns GUARDED_BY(lock);
    struct timer timer;
};

static void timer_object_destroy(struct object *object);

static const struct object_type timer_object_type = {
    .kind = ABI_KIND_TIMER,
    .rights_all = ABI_RIGHT_WAIT | ABI_RIGHT_CONTROL | ABI_RIGHT_DUP | ABI_RIGHT_TRANSFER |
                  ABI_RIGHT_CLOSE | ABI_RIGHT_STAT,
    .destroy = timer_object_destroy,
};

/* ---- arithmetic ---- */

static status check_setting(struct timer_setting setting)
{
    bool is_too_often = setting.period_ns != 0 && setting.period_ns < ABI_TIMER_PERIOD_NS_MIN;
    return is_too_often ? FAIL(INVALID_ARGUMENT) : OK;
}

/* Counts what is due at `now`. */
static void catch_up_locked(struct timer_object *timer, uint64_t now) REQUIRES(timer->lock)
{
    uint64_t period = timer->period_ns;
    if (timer->next_ns == NEVER || now < timer->next_ns) return;
    uint64_t behind = now - timer->next_ns;
    timer->expirations += period != 0 ? behind / period + 1 : 1;
    /* From the last one that was due, which is not later than now. */
    uint64_t last = period != 0 ? now - behind % period : now;
    bool has_next = period != 0 && period < NEVER - last;
    timer->next_ns = has_next ? last + period : NEVER;
}

static uint64_t take_expirations_locked(struct timer_object *timer) REQUIRES(timer->lock)
{
    uint64_t count = timer->expirations;
    timer->expirations = 0;
    return count;
}

/* ---- the processor's timer ---- */

/* A timer that goes on and is late lets others run before it is looked at again: whoever is told of
 * each expiration could keep a slow processor busy with nothing else. None is lost by that. */
static constexpr uint64_t REST_NS = ABI_TIMER_PERIOD_NS_MIN / 2;

static uint64_t next_look_locked(const struct timer_object *timer) REQUIRES(timer->lock)
{
    if (list_is_empty(&timer->waits)) return NEVER;
    if (timer->period_ns == 0 || timer->next_ns == NEVER) return timer->next_ns;
    return max_of(timer->next_ns, clock_now_ns() + REST_NS);
}

/* Sees to it that expire() runs in time for who waits, and not when nobody does. */
static void arm_locked(struct timer_object *timer) REQUIRES(timer->lock)
{
    uint64_t wanted = next_look_locked(timer);
    if (timer->is_armed) {
        if (timer->armed_ns == wanted || !timer_cancel(&timer->timer)) return;
        timer->is_armed = false;
    }
    if (wanted == NEVER) return;
    timer->is_armed = true;
    timer->armed_ns = wanted;
    timer_arm(&timer->timer, (deadline){wanted});
}

/* The oldest wait, out of the list, when there is something to tell it: then `expired` is to be
 * called, without the lock. Else nullptr. */
static struct timer_wait *settle_locked(struct timer_object *timer, uint64_t *out_count)
    REQUIRES(timer->lock)
{
    catch_up_locked(timer, clock_now_ns());
    struct list *link = timer->expirations > 0 ? list_take_front(&timer->waits) : nullptr;
    struct timer_wait *told = nullptr;
    if (link != nullptr) {
        told = list_entry(link, struct timer_wait, link);
        told->is_waiting = false;
        *out_count = take_expirations_locked(timer);
    }
    arm_locked(timer);
    return told;
}

/* When the lock is released the timer may go, unless somebody is told, who has what keeps it. */
static void expire(struct timer *fired)
{
    struct timer_object *timer = container_of(fired, struct timer_object, timer);
    uint64_t count = 0;
    spin_acquire(&timer->lock);
    timer->is_armed = false;
    struct timer_wait *told = settle_locked(timer, &count);
    spin_release(&timer->lock);
    if (told != nullptr) told->expired(told, count);
}

/* ---- life ---- */

timer_object_result timer_object_create(struct memory_quota *quota, struct timer_setting setting)
{
    TRY_AS(timer_object_result, check_setting(setting));
    TRY_AS(timer_object_result, memory_quota_charge(quota, sizeof(struct timer_object)));
    struct timer_object *timer = heap_take(sizeof(*timer));
    if (timer == nullptr) {
        memory_quota_uncharge(quota, sizeof(*timer));
        return (timer_object_result){.status = FAIL(OUT_OF_MEMORY)};
    }
    *timer = (struct timer_object){.quota = quota,
                                   .lock = SPIN_LOCK_INIT(LOCK_RANK_TIMER_OBJECT),
                                   .next_ns = setting.deadline_ns,
                                   .period_ns = setting.period_ns};
    list_init(&timer->waits);
    timer_init(&timer->timer, expire);
    object_init(&timer->object, &timer_object_type);
    if (quota != nullptr) memory_quota_get(quota);
    return (timer_object_result){.value = timer};
}

/* Nobody waits any more; but the processor's timer may be about to find that out. */
static void timer_object_destroy(struct object *object)
{
    struct timer_object *timer = timer_object_of(object);
    struct memory_quota *quota = timer->quota;
    spin_acquire(&timer->lock);
    ASSERT(list_is_empty(&timer->waits));
    bool is_firing = timer->is_armed && !timer_cancel(&timer->timer);
    spin_release(&timer->lock);
    if (is_firing) timer_wait_idle(&timer->timer);
    heap_give(timer);
    memory_quota_uncharge(quota, sizeof(*timer));
    if (quota != nullptr) memory_quota_put(quota);
}

struct object *timer_object_base(struct timer_object *timer)
{
    return &timer->object;
}

struct timer_object *timer_object_of(struct object *object)
{
    return container_of(object, struct timer_object, object);
}

status timer_object_set(struct timer_object *timer, struct timer_setting setting)
{
    TRY(check_setting(setting));
    uint64_t count = 0;
    spin_acquire(&timer->lock);
    catch_up_locked(timer, clock_now_ns());
    timer->next_ns = setting.deadline_ns;
    timer->period_ns = setting.period_ns;
    struct timer_wait *told = settle_locked(timer, &count);
    spin_release(&timer->lock);
    if (told != nullptr) told->expired(told, count);
    return OK;
}

/* ---- waiting ---- */

static expirations_result wait_locked(struct timer_object *timer, struct timer_wait *wait)
    REQUIRES(timer->lock)
{
    wait->is_waiting = false;
    catch_up_locked(timer, clock_now_ns());
    if (timer->expirations > 0)
        return (expirations_result){.value = take_expirations_locked(timer)};
    list_push_back(&timer->waits, &wait->link);
    if (wait->is_cancelled != nullptr && wait->is_cancelled(wait)) {
        list_remove(&wait->link);
        return (expirations_result){.status = FAIL(INTERRUPTED)};
    }
    wait->is_waiting = true;
    arm_locked(timer);
    return (expirations_result){.status = FAIL(WOULD_BLOCK)};
}

expirations_result timer_object_wait(struct timer_object *timer, struct timer_wait *wait)
{
    spin_acquire(&timer->lock);
    expirations_result told = wait_locked(timer, wait);
    spin_release(&timer->lock);
    return told;
}

bool timer_object_cancel(struct timer_object *timer, struct timer_wait *wait)
{
    spin_acquire(&timer->lock);
    bool was_waiting = wait->is_waiting;
    if (was_waiting) list_remove(&wait->link);
    wait->is_waiting = false;
    arm_locked(timer);
    spin_release(&timer->lock);
    return was_waiting;
}
