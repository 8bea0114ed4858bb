/* The books on ends in messages, and the collector. See channel_transit.h. */
#include "ipc/channel_transit.h"
#include "ipc/channel_internal.h"

mutex channel_transit_mutex;

/* Ends with parcels_of. */
static struct list ends GUARDED_BY(channel_transit_mutex) = LIST_INIT(ends);
/* Relaxed: hints for when to collect. */
static _Atomic uint64_t ends_count;
static _Atomic uint64_t gone_count; /* ends that were destroyed since the last collection */

enum collector_state : uint32_t {
    COLLECTOR_IDLE,
    COLLECTOR_RUNNING, /* or queued */
    COLLECTOR_ASKED,   /* running, and to run again */
};
static _Atomic uint32_t collector_state;
static struct work collector;

void channel_transit_init(void)
{
    mutex_init(&channel_transit_mutex, LOCK_RANK_CHANNEL_TRANSIT);
}

/* ---- the books ---- */

void channel_transit_enter(struct channel_message *message, struct channel_end *where)
{
    for (uint32_t i = 0; i < message->parcels_count; i++) {
        struct channel_parcel *parcel = &message->parcels[i];
        if (parcel->end == nullptr) continue;
        parcel->where = where;
        if (list_is_empty(&parcel->end->parcels_of)) {
            list_push_back(&ends, &parcel->end->transit_link);
            atomic_fetch_add_explicit(&ends_count, 1, memory_order_relaxed);
        }
        list_push_back(&parcel->end->parcels_of, &parcel->of_link);
        list_push_back(&where->parcels_here, &parcel->here_link);
    }
}

static void forget_locked(struct channel_parcel *parcel) REQUIRES(channel_transit_mutex)
{
    struct channel_end *end = parcel->end;
    parcel->end = nullptr;
    list_remove(&parcel->of_link);
    list_remove(&parcel->here_link);
    if (!list_is_empty(&end->parcels_of)) return;
    list_remove(&end->transit_link);
    atomic_fetch_sub_explicit(&ends_count, 1, memory_order_relaxed);
}

void channel_transit_leave(struct channel_message *message)
{
    if (message->ends_count == 0) return;
    mutex_acquire(&channel_transit_mutex);
    for (uint32_t i = 0; i < message->parcels_count; i++)
        if (message->parcels[i].end != nullptr) forget_locked(&message->parcels[i]);
    message->ends_count = 0;
    mutex_release(&channel_transit_mutex);
}

void channel_transit_end_gone(struct channel_end *end)
{
    if (atomic_load_explicit(&ends_count, memory_order_relaxed) == 0) return;
    mutex_acquire(&channel_transit_mutex);
    while (!list_is_empty(&end->parcels_of))
        forget_locked(list_entry(end->parcels_of.next, struct channel_parcel, of_link));
    mutex_release(&channel_transit_mutex);
    uint64_t gone = atomic_fetch_add_explicit(&gone_count, 1, memory_order_relaxed) + 1;
    if (gone > atomic_load_explicit(&ends_count, memory_order_relaxed)) channel_collect();
}

/* ---- the collector ---- */

/*
 * Whether somebody can reach the end without receiving from one that is in a message. Each
 * capability that is not revoked has one reference to the object; whatever else has one (a revoked
 * capability that is still in use, too) counts as somebody, but for those that are only history.
 * The references are counted first: a parcel that is found alive afterwards was alive then.
 */
static bool is_held_elsewhere_locked(struct channel_end *end) REQUIRES(channel_transit_mutex)
{
    uint64_t references = capability_live_references(&end->object);
    uint64_t in_messages = 0;
    struct channel_parcel *parcel;
    list_for_each (parcel, &end->parcels_of, of_link) {
        if (capability_is_revoked(parcel->capability)) continue;
        if (list_is_empty(&parcel->where->parcels_of)) return true;
        in_messages++;
    }
    return references > in_messages;
}

static void mark_locked(struct channel_end *end, struct list *marked)
    REQUIRES(channel_transit_mutex)
{
    if (end->is_reachable) return;
    end->is_reachable = true;
    list_push_back(marked, &end->mark_link);
}

/* Marks what is in messages to the end. */
static void mark_parcels_locked(struct channel_end *end, struct list *marked)
    REQUIRES(channel_transit_mutex)
{
    struct channel_parcel *parcel;
    list_for_each (parcel, &end->parcels_here, here_link)
        if (!capability_is_revoked(parcel->capability)) mark_locked(parcel->end, marked);
}

static void mark_all_locked(void) REQUIRES(channel_transit_mutex)
{
    struct list marked = LIST_INIT(marked);
    struct channel_end *end;
    list_for_each (end, &ends, transit_link)
        end->is_reachable = false;
    list_for_each (end, &ends, transit_link)
        if (is_held_elsewhere_locked(end)) mark_locked(end, &marked);
    struct list *link;
    while ((link = list_take_front(&marked)) != nullptr) {
        mark_parcels_locked(list_entry(link, struct channel_end, mark_link), &marked);
        scheduler_preempt_point();
    }
}

static void collect_once(void)
{
    struct list unreachable = LIST_INIT(unreachable);
    struct channel_end *end;
    atomic_store_explicit(&gone_count, 0, memory_order_relaxed);
    mutex_acquire(&channel_transit_mutex);
    mark_all_locked();
    list_for_each (end, &ends, transit_link)
        if (!end->is_reachable && object_get_try(&end->object))
            list_push_back(&unreachable, &end->mark_link);
    mutex_release(&channel_transit_mutex);

    struct list *link;
    while ((link = list_take_front(&unreachable)) != nullptr) {
        end = list_entry(link, struct channel_end, mark_link);
        channel_end_purge(end);
        object_put(&end->object);
    }
}

static void collect_on_worker(struct work *work)
{
    (void)work;
    uint32_t running;
    do {
        /* Acquire: what had happened when it was asked for is seen. */
        atomic_exchange_explicit(&collector_state, COLLECTOR_RUNNING, memory_order_acquire);
        collect_once();
        running = COLLECTOR_RUNNING;
    } while (!atomic_compare_exchange_strong_explicit(&collector_state, &running, COLLECTOR_IDLE,
                                                      memory_order_acq_rel, memory_order_relaxed));
}

void channel_collect(void)
{
    if (atomic_load_explicit(&ends_count, memory_order_relaxed) == 0) return;
    uint32_t before =
        atomic_exchange_explicit(&collector_state, COLLECTOR_ASKED, memory_order_acq_rel);
    if (before == COLLECTOR_IDLE) work_submit(work_queue_shared(), &collector, collect_on_worker);
}
