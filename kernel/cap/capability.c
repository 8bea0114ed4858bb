/*
 * Capabilities and the tree they form.
 *
 * Invariants, under the tree's lock
 *   a node's children are those in `children`, those in the `doomed` list of a revocation of it,
 *   and revoked_child_count others; child_count is the sum
 *   a revoked node has a revoked parent, or one that is the target of a revocation under way, or,
 *   when it is itself the target of one that takes it along, any
 *   a node whose counts are zero is in the list `unsettled`, or has children
 *   work_link: of at most one of `unsettled`, a revocation's `unexplored`, its `busy`; those in
 *   `unexplored` have children or uses, those in `busy` have uses: so neither is ready to be
 * settled
 *
 * Settling. Whatever may have become free, empty or worth splicing out is put into `unsettled`;
 * whoever did so takes all of that list, a few nodes at a time, and between puts objects and gives
 * memory without the lock. One node's end may make its parent ready: that is one more in the list,
 * not a deeper stack.
 */
#include "cap/capability.h"
#include "base/bytes.h"
#include "debug/assert.h"
#include "mm/heap.h"

/* Nodes looked at while the tree's lock is held. */
static constexpr uint32_t CHUNK_NODES = 32;
/* Users told to stop between two chances for others to run. */
static constexpr uint32_t CHUNK_USERS = 32;
/* Counting ends there: less than a refusal's detail can carry, and half the room in each node. */
static constexpr uint32_t STEP_MAX = UINT16_MAX;

static struct slab_cache *capabilities;

static spin_lock tree = SPIN_LOCK_INIT(LOCK_RANK_CAPABILITY_TREE);
static struct list all GUARDED_BY(tree) = LIST_INIT(all);
static struct list unsettled GUARDED_BY(tree) = LIST_INIT(unsettled);
static uint64_t ids_given GUARDED_BY(tree);
static uint64_t alive GUARDED_BY(tree);

status capability_init(void)
{
    capabilities =
        slab_cache_create("capability", sizeof(struct capability), alignof(struct capability));
    return capabilities != nullptr ? OK : FAIL(OUT_OF_MEMORY);
}

/* ---- the state word ---- */

static uint64_t state_of(const struct capability *capability)
{
    return atomic_load_explicit(&capability->state, memory_order_acquire);
}

static bool is_revoked(uint64_t state)
{
    return (state & CAPABILITY_REVOKED) != 0;
}

static uint32_t uses_of(uint64_t state)
{
    return (uint32_t)((state & ~CAPABILITY_REVOKED) / CAPABILITY_USE_ONE);
}

static bool is_held(uint64_t state)
{
    return (uint32_t)state != 0;
}

static bool is_referred_to(uint64_t state)
{
    return (state & ~CAPABILITY_REVOKED) != 0;
}

/* A count that has come this far was leaked to. */
static bool is_overflowing(uint64_t state)
{
    return uses_of(state) >= UINT32_MAX / 4;
}

bool capability_use_try(struct capability *capability)
{
    uint64_t state = atomic_load_explicit(&capability->state, memory_order_relaxed);
    do {
        if (unlikely(is_revoked(state))) return false;
        /* Acquire: what was done to the capability before is over. */
    } while (unlikely(!atomic_compare_exchange_weak_explicit(
        &capability->state, &state, state + CAPABILITY_USE_ONE, memory_order_acquire,
        memory_order_relaxed)));
    DEBUG_ASSERT(is_referred_to(state) && !is_overflowing(state));
    return true;
}

bool capability_use_hold(struct capability *capability)
{
    uint64_t state = atomic_load_explicit(&capability->state, memory_order_relaxed);
    do {
        if (unlikely(is_revoked(state))) return false;
        DEBUG_ASSERT(is_held(state) && !is_overflowing(state));
    } while (unlikely(!atomic_compare_exchange_weak_explicit(
        &capability->state, &state, state + CAPABILITY_USE_ONE - CAPABILITY_HOLD_ONE,
        memory_order_acq_rel, memory_order_relaxed)));
    return true;
}

void capability_use_more(struct capability *capability)
{
    /* Relaxed: the use there is keeps everything. */
    uint64_t before =
        atomic_fetch_add_explicit(&capability->state, CAPABILITY_USE_ONE, memory_order_relaxed);
    ASSERT(uses_of(before) != 0 && !is_overflowing(before));
}

void capability_hold_more(struct capability *capability)
{
    /* Relaxed: what the caller has keeps everything. */
    uint64_t before =
        atomic_fetch_add_explicit(&capability->state, CAPABILITY_HOLD_ONE, memory_order_relaxed);
    ASSERT(is_referred_to(before) && (uint32_t)before < UINT32_MAX / 4);
}

/* ---- settling ---- */

/* True when nobody can say anything about it any more except whoever settles it. */
static bool is_ready_locked(const struct capability *node) REQUIRES(tree)
{
    uint64_t state = state_of(node);
    if (is_revoked(state))
        return uses_of(state) == 0 && node->child_count == 0 &&
               (node->object != nullptr || !is_held(state));
    return !is_referred_to(state) && (node->child_count <= 1 || node->object != nullptr);
}

static void consider_locked(struct capability *node) REQUIRES(tree)
{
    if (!is_ready_locked(node)) return;
    list_remove(&node->work_link);
    list_push_back(&unsettled, &node->work_link);
}

static bool is_over_locked(const struct revocation *revocation) REQUIRES(tree)
{
    const struct capability *target = revocation->target;
    if (target->scanning_count != 0 || target->revoked_child_count != 0) return false;
    return !revocation->self || uses_of(state_of(target)) <= revocation->own_uses;
}

/* Something below the node has ended, or a use of it. */
static void notify_locked(struct capability *node) REQUIRES(tree)
{
    struct revocation *revocation;
    list_for_each (revocation, &node->revocations, link) {
        if (!revocation->is_waiting || !is_over_locked(revocation)) continue;
        revocation->is_waiting = false;
        revocation->on_progress(revocation);
    }
}

/* Keeps the object's count of those that nobody refers to. */
static void note_history_locked(struct capability *node, bool is_history) REQUIRES(tree)
{
    if (node->object == nullptr || node->is_history == is_history) return;
    node->is_history = is_history;
    node->object->history_count += is_history ? 1 : (uint32_t)-1;
}

/* What is given back when the lock has been released. */
struct remains {
    uint32_t object_count;
    uint32_t node_count;
    struct object *objects[CHUNK_NODES];
    struct capability *nodes[CHUNK_NODES];
};

static void leave_parent_locked(struct capability *node) REQUIRES(tree)
{
    struct capability *parent = node->parent;
    if (parent == nullptr) return;
    node->parent = nullptr;
    list_remove(&node->sibling_link);
    parent->child_count--;
    if (is_revoked(state_of(node)) && --parent->revoked_child_count == 0) notify_locked(parent);
    consider_locked(parent);
}

static void give_up_object_locked(struct capability *node, struct remains *remains) REQUIRES(tree)
{
    note_history_locked(node, false);
    if (node->object != nullptr) remains->objects[remains->object_count++] = node->object;
    node->object = nullptr;
}

static void free_locked(struct capability *node, struct remains *remains) REQUIRES(tree)
{
    ASSERT(node->child_count == 0 && list_is_empty(&node->revocations));
    leave_parent_locked(node);
    give_up_object_locked(node, remains);
    list_remove(&node->all_link);
    alive--;
    remains->nodes[remains->node_count++] = node;
}

/* Its only child takes the place of a node that nobody refers to, if that took nothing away. The
 * first one stays: `why` ends with it. */
static void splice_locked(struct capability *node, struct remains *remains) REQUIRES(tree)
{
    struct capability *parent = node->parent;
    if (parent == nullptr || list_is_empty(&node->children)) return;
    if ((parent->rights & ~node->rights) != 0) return;
    struct capability *child =
        list_entry(list_take_front(&node->children), struct capability, sibling_link);
    if (node->object_id != parent->object_id && child->object_id == node->object_id) {
        child->origin = node->origin; /* it is now what was found through the parent */
        child->origin_process = node->origin_process;
    }
    child->parent = parent;
    parent->child_count++;
    list_insert_after(&node->sibling_link, &child->sibling_link);
    node->child_count = 0;
    free_locked(node, remains);
}

static void settle_locked(struct capability *node, struct remains *remains) REQUIRES(tree)
{
    uint64_t state = state_of(node);
    if (!is_revoked(state)) {
        give_up_object_locked(node, remains);
        if (node->child_count == 0)
            free_locked(node, remains);
        else if (node->child_count == 1)
            splice_locked(node, remains);
        return;
    }
    leave_parent_locked(node);
    give_up_object_locked(node, remains);
    if (!is_held(state)) free_locked(node, remains);
}

static void dispose(const struct remains *remains)
{
    for (uint32_t i = 0; i < remains->node_count; i++)
        slab_give(capabilities, remains->nodes[i]);
    for (uint32_t i = 0; i < remains->object_count; i++)
        object_put(remains->objects[i]);
}

static void settle_some_locked(struct remains *remains) REQUIRES(tree)
{
    remains->object_count = 0;
    remains->node_count = 0;
    for (uint32_t i = 0; i < CHUNK_NODES; i++) {
        struct list *link = list_take_front(&unsettled);
        if (link == nullptr) return;
        struct capability *node = list_entry(link, struct capability, work_link);
        /* The lock was free since it was put there: somebody may have looked at it, as a parent. */
        if (is_ready_locked(node)) settle_locked(node, remains);
    }
}

/* Settles all there is to settle. Others' too: they may just have released the lock. */
[[gnu::noinline]] static void settle_and_release(void) RELEASES(tree)
{
    for (;;) {
        struct remains remains;
        settle_some_locked(&remains);
        bool is_all = list_is_empty(&unsettled);
        spin_release(&tree);
        dispose(&remains);
        if (is_all) return;
        spin_acquire(&tree);
    }
}

/* ---- making them ---- */

static void set_up(struct capability *made, uint64_t rights, derivation how)
{
    atomic_init(&made->state, CAPABILITY_HOLD_ONE);
    atomic_init(&made->holder_process, 0);
    atomic_init(&made->handle, 0);
    made->rights = rights;
    made->origin = how.origin;
    made->origin_process = how.process;
    list_init(&made->children);
    list_init(&made->sibling_link);
    list_init(&made->work_link);
    list_init(&made->revocations);
    made->child_count = 0;
    made->revoked_child_count = 0;
    made->scanning_count = 0;
    made->is_history = false;
    spin_lock_init(&made->users_lock, LOCK_RANK_CAPABILITY_USERS);
    list_init(&made->users);
}

static void set_object(struct capability *made, struct object *object)
{
    object_get(object);
    made->object = object;
    made->object_id = object->id;
    made->kind = object_kind(object);
}

static void enter_locked(struct capability *made) REQUIRES(tree)
{
    made->id = ++ids_given;
    list_push_back(&all, &made->all_link);
    alive++;
}

capability_result capability_create(struct object *object, uint64_t rights)
{
    struct capability *made = slab_take(capabilities);
    if (made == nullptr) return (capability_result){.status = FAIL(OUT_OF_MEMORY)};
    set_up(made, rights & object->type->rights_all, (derivation){ABI_ORIGIN_CREATED, 0});
    set_object(made, object);
    made->parent = nullptr;
    made->step = 0;
    for (uint32_t bit = 0; bit < ABI_RIGHT_COUNT; bit++)
        made->lost_at_step[bit] = 0;
    spin_acquire(&tree);
    enter_locked(made);
    spin_release(&tree);
    return (capability_result){.value = made};
}

/* Of rights that are there the steps say nothing, and are not looked at. */
static void note_losses(struct capability *made, const struct capability *from)
{
    made->step = from->step < STEP_MAX ? from->step + 1 : STEP_MAX;
    bytes_copy(made->lost_at_step, from->lost_at_step, sizeof(made->lost_at_step));
    for (uint64_t lost = from->rights & ~made->rights; lost != 0; lost &= lost - 1)
        made->lost_at_step[__builtin_ctzll(lost)] = (uint16_t)made->step;
}

/* `object`: nullptr for the parent's. */
static capability_result derive(struct capability *from, struct object *object, uint64_t rights,
                                derivation how)
{
    struct capability *made = slab_take(capabilities);
    if (made == nullptr) return (capability_result){.status = FAIL(OUT_OF_MEMORY)};
    set_up(made, rights, how);
    note_losses(made, from);
    spin_acquire(&tree);
    if (is_revoked(state_of(from))) {
        spin_release(&tree);
        slab_give(capabilities, made);
        return (capability_result){.status = FAIL(CAPABILITY_REVOKED)};
    }
    set_object(made, object != nullptr ? object : from->object);
    made->parent = from;
    from->child_count++;
    list_push_back(&from->children, &made->sibling_link);
    enter_locked(made);
    spin_release(&tree);
    return (capability_result){.value = made};
}

capability_result capability_derive(struct capability *from, uint64_t rights, derivation how)
{
    return derive(from, nullptr, from->rights & rights, how);
}

capability_result capability_derive_object(struct capability *from, struct object *object,
                                           uint64_t rights, derivation how)
{
    return derive(from, object, rights & object->type->rights_all, how);
}

/* ---- the ends of holds and uses ---- */

/* Takes `count` off the state; if nothing is left, or the node is revoked, sees to what follows. */
[[gnu::noinline]] static void end_last(struct capability *capability, uint64_t count)
{
    spin_acquire(&tree);
    uint64_t before = atomic_fetch_sub_explicit(&capability->state, count, memory_order_acq_rel);
    ASSERT((count == CAPABILITY_HOLD_ONE) ? is_held(before) : uses_of(before) != 0);
    if (!is_referred_to(before - count)) note_history_locked(capability, true);
    notify_locked(capability);
    consider_locked(capability);
    settle_and_release();
}

/* Takes `count` off the state without a lock, if that leaves somebody who refers to the node. */
static inline void end_one(struct capability *capability, uint64_t count)
{
    uint64_t state = atomic_load_explicit(&capability->state, memory_order_relaxed);
    do {
        if (unlikely(is_revoked(state) || state <= count)) {
            end_last(capability, count);
            return;
        }
        /* Release: what was done through this reference is over; pairs with whoever marks or frees
         * the node. */
    } while (unlikely(!atomic_compare_exchange_weak_explicit(
        &capability->state, &state, state - count, memory_order_release, memory_order_relaxed)));
}

bool capability_has_children(const struct capability *capability)
{
    spin_acquire(&tree);
    bool has_children = capability->child_count != 0;
    spin_release(&tree);
    return has_children;
}

void capability_release(CONSUMED struct capability *capability)
{
    end_one(capability, CAPABILITY_HOLD_ONE);
}

void capability_unuse(struct capability *capability)
{
    end_one(capability, CAPABILITY_USE_ONE);
}

/* ---- telling people ---- */

uint32_t capability_explain(const struct capability *capability, uint64_t needed)
{
    uint64_t missing = needed & ~capability->rights;
    if (missing == 0) return 0;
    uint32_t bit = (uint32_t)__builtin_ctzll(missing);
    /* What is no right at all was never there. */
    uint32_t step = bit < ABI_RIGHT_COUNT ? capability->lost_at_step[bit] : 0;
    return ABI_DETAIL_MAKE(bit, step);
}

uint32_t capability_explain_revoked(const struct capability *capability)
{
    return ABI_DETAIL_MAKE(ABI_DETAIL_REVOKED, capability->revoked_at_step);
}

static void describe_locked(const struct capability *node, uint32_t own_uses,
                            struct abi_derivation *out_derivation) REQUIRES(tree)
{
    *out_derivation = (struct abi_derivation){
        .kind = node->kind,
        .id = node->id,
        .parent_id = node->parent != nullptr ? node->parent->id : 0,
        .object_id = node->object_id,
        .rights = node->rights,
        .holder_process = atomic_load_explicit(&node->holder_process, memory_order_relaxed),
        .origin_process = node->origin_process,
        .handle = atomic_load_explicit(&node->handle, memory_order_relaxed),
        .origin = node->origin,
        .step = node->step,
        .children = node->child_count,
        .in_use = uses_of(state_of(node)) - own_uses,
    };
}

void capability_describe(struct capability *capability, struct abi_derivation *out_derivation)
{
    spin_acquire(&tree);
    uint32_t own_uses = uses_of(state_of(capability)) != 0 ? 1 : 0;
    describe_locked(capability, own_uses, out_derivation);
    spin_release(&tree);
}

struct capability *capability_parent(struct capability *capability)
{
    spin_acquire(&tree);
    struct capability *parent = capability->parent;
    /* Also of a node that nobody refers to: the counts leave zero under the lock, too. */
    if (parent != nullptr) {
        note_history_locked(parent, false);
        atomic_fetch_add_explicit(&parent->state, CAPABILITY_USE_ONE, memory_order_relaxed);
    }
    spin_release(&tree);
    return parent;
}

uint32_t capability_live_references(struct object *object)
{
    spin_acquire(&tree);
    uint32_t references = atomic_load_explicit(&object->references, memory_order_relaxed);
    ASSERT(references >= object->history_count);
    references -= object->history_count;
    spin_release(&tree);
    return references;
}

void capability_reach_begin(struct capability_reach *reach, uint64_t object_id, uint64_t after_id)
{
    reach->object_id = object_id;
    reach->after_id = after_id;
    reach->bookmark.id = 0;
    spin_acquire(&tree);
    list_push_front(&all, &reach->bookmark.all_link);
    spin_release(&tree);
}

static bool is_reaching_locked(const struct capability_reach *reach, const struct capability *node)
    REQUIRES(tree)
{
    if (node->id <= reach->after_id) return false;
    if (reach->object_id != 0 && node->object_id != reach->object_id) return false;
    uint64_t state = state_of(node);
    return is_referred_to(state) && !is_revoked(state);
}

/* Moves the bookmark on, behind the next node to tell of if there is one near. False: the end. */
static bool reach_locked(struct capability_reach *reach, struct abi_derivation *out_derivation)
    REQUIRES(tree)
{
    struct list *mark = &reach->bookmark.all_link;
    out_derivation->id = 0;
    for (uint32_t looked = 0; looked < CHUNK_NODES; looked++) {
        struct list *next = mark->next;
        if (next == &all) return false;
        list_remove(mark);
        list_insert_after(next, mark);
        const struct capability *node = list_entry(next, struct capability, all_link);
        /* Other bookmarks have an id of 0, and nothing else that may be looked at. */
        if (node->id == 0 || !is_reaching_locked(reach, node)) continue;
        describe_locked(node, 0, out_derivation);
        return true;
    }
    return true;
}

bool capability_reach_next(struct capability_reach *reach, struct abi_derivation *out_derivation)
{
    spin_acquire(&tree);
    bool is_more = reach_locked(reach, out_derivation);
    spin_release(&tree);
    return is_more;
}

void capability_reach_end(struct capability_reach *reach)
{
    spin_acquire(&tree);
    list_remove(&reach->bookmark.all_link);
    spin_release(&tree);
}

uint64_t capability_count(void)
{
    spin_acquire(&tree);
    uint64_t count = alive;
    spin_release(&tree);
    return count;
}

/* ---- users ---- */

bool capability_user_enter(struct capability *capability, struct capability_user *user,
                           const struct capability_user_type *type)
{
    list_init(&user->link);
    user->type = type;
    spin_acquire(&capability->users_lock);
    /* Whoever revokes marks first and takes this lock then: he finds the user, or this the mark. */
    bool may_enter = !capability_is_revoked(capability);
    if (may_enter) list_push_back(&capability->users, &user->link);
    spin_release(&capability->users_lock);
    return may_enter;
}

void capability_user_leave(struct capability *capability, struct capability_user *user)
{
    spin_acquire(&capability->users_lock);
    list_remove(&user->link);
    spin_release(&capability->users_lock);
}

/* Takes one user out and tells it to stop. False: there is none. */
static bool stop_one(struct capability *capability)
{
    spin_acquire(&capability->users_lock);
    struct list *link = list_take_front(&capability->users);
    const struct capability_user_type *type = nullptr;
    void *claimed = nullptr;
    if (link != nullptr) {
        struct capability_user *user = list_entry(link, struct capability_user, link);
        type = user->type;
        claimed = type->claim(user);
    }
    spin_release(&capability->users_lock);
    if (claimed != nullptr) type->stop(claimed);
    return link != nullptr;
}

/* ---- revocation ---- */

void revocation_init(struct revocation *revocation, struct capability *capability, bool self,
                     void (*on_progress)(struct revocation *revocation))
{
    *revocation = (struct revocation){
        .target = capability, .on_progress = on_progress, .self = self, .own_uses = 1};
    list_init(&revocation->link);
    list_init(&revocation->doomed);
    list_init(&revocation->unexplored);
    list_init(&revocation->busy);
}

/* All children of a marked node have been marked: its users come next, or nothing. */
static void note_explored_locked(struct revocation *revocation, struct capability *node)
    REQUIRES(tree)
{
    list_remove(&node->work_link);
    if (uses_of(state_of(node)) != 0) {
        atomic_fetch_add_explicit(&node->state, CAPABILITY_USE_ONE, memory_order_relaxed);
        list_push_back(&revocation->busy, &node->work_link);
    } else {
        consider_locked(node);
    }
}

static void mark_locked(struct revocation *revocation, struct capability *node) REQUIRES(tree)
{
    node->revoked_at_step = revocation->target->step;
    /* Acquire: what was done in uses that have ended is over. Release: whoever sees the mark sees
     * the step. */
    uint64_t before =
        atomic_fetch_or_explicit(&node->state, CAPABILITY_REVOKED, memory_order_acq_rel);
    if (is_held(before)) revocation->count++;
    list_remove(&node->sibling_link);
    list_remove(&node->work_link); /* it may have been about to be freed or spliced out */
    if (node->parent != nullptr) node->parent->revoked_child_count++;
    if (list_is_empty(&node->children))
        note_explored_locked(revocation, node);
    else
        list_push_back(&revocation->unexplored, &node->work_link);
}

static void begin_locked(struct revocation *revocation) REQUIRES(tree)
{
    struct capability *target = revocation->target;
    ASSERT(uses_of(state_of(target)) != 0);
    revocation->is_begun = true;
    list_push_back(&target->revocations, &revocation->link);
    if (!list_is_empty(&target->children)) {
        list_move_all(&revocation->doomed, &target->children);
        revocation->is_scanning = true;
        target->scanning_count++;
    }
    if (revocation->self && !is_revoked(state_of(target))) mark_locked(revocation, target);
}

static void mark_first_locked(struct revocation *revocation, struct list *children) REQUIRES(tree)
{
    mark_locked(revocation, list_entry(children->next, struct capability, sibling_link));
}

/* One step of the walk. False: everything is marked. */
static bool explore_one_locked(struct revocation *revocation) REQUIRES(tree)
{
    if (!list_is_empty(&revocation->doomed)) {
        mark_first_locked(revocation, &revocation->doomed);
        return true;
    }
    if (list_is_empty(&revocation->unexplored)) return false;
    struct capability *node = list_entry(revocation->unexplored.next, struct capability, work_link);
    if (list_is_empty(&node->children))
        note_explored_locked(revocation, node);
    else
        mark_first_locked(revocation, &node->children);
    return true;
}

/* Some steps. True: everything is marked. */
static bool explore_locked(struct revocation *revocation) REQUIRES(tree)
{
    for (uint32_t i = 0; explore_one_locked(revocation); i++)
        if (i == CHUNK_NODES) return false;
    if (revocation->is_scanning) {
        revocation->is_scanning = false;
        if (--revocation->target->scanning_count == 0) notify_locked(revocation->target);
    }
    return true;
}

static struct capability *first_busy(struct revocation *revocation)
{
    spin_acquire(&tree);
    struct capability *first = nullptr;
    if (!list_is_empty(&revocation->busy))
        first = list_entry(revocation->busy.next, struct capability, work_link);
    spin_release(&tree);
    return first;
}

/* Tells some users to stop. True: all have been told. */
static bool tell_users(struct revocation *revocation)
{
    struct capability *node = first_busy(revocation);
    for (uint32_t told = 0; node != nullptr && told < CHUNK_USERS; told++) {
        if (stop_one(node)) continue;
        spin_acquire(&tree);
        list_remove(&node->work_link);
        spin_release(&tree);
        capability_unuse(node);
        node = first_busy(revocation);
    }
    return node == nullptr;
}

static enum revocation_progress conclude(struct revocation *revocation)
{
    spin_acquire(&tree);
    bool is_over = is_over_locked(revocation);
    if (is_over)
        list_remove(&revocation->link);
    else
        revocation->is_waiting = true;
    spin_release(&tree);
    return is_over ? REVOCATION_DONE : REVOCATION_WAITING;
}

enum revocation_progress revocation_advance(struct revocation *revocation)
{
    spin_acquire(&tree);
    if (!revocation->is_begun) begin_locked(revocation);
    bool is_marked = explore_locked(revocation);
    settle_and_release();
    return is_marked && tell_users(revocation) ? conclude(revocation) : REVOCATION_AGAIN;
}
