/*
 * A capability: an object, what may be done to it, and its place in the tree of derivations.
 *
 * Every handle table entry and every handle in a message has a capability of its own. One is made
 * from another by DUP, RESTRICT, spawning, sending a copy, or opening something through it; the
 * other is its parent. What was found through a directory is its child too, though of another
 * object: taking back the directory takes back what was opened through it.
 *
 * Three ways to refer to a capability:
 *
 *   hold   a handle table entry, or a message that carries it: one of them at a time, since moving
 * a handle moves the hold; and what was registered through it use    an operation in flight, a pin,
 * a mapping: what a revocation has to wait for tree   parents and children, under the tree's lock;
 * not counted
 *
 * `state` is one word: a bit that says revoked, the count of uses, the count of holds. So finding a
 * capability not revoked and starting to use it are one step, and once a revoked one is out of use
 * it stays so. The counts fall to zero only under the tree's lock; then a capability without
 * children is freed, and one with children stays as history, without its object: what
 * was opened or minted through something does not keep that alive. History is bounded: a node that
 * nobody refers to, that has one child and took no right away is spliced out. So between two nodes
 * that are held, or first, or where the tree branches, there are at most ABI_RIGHT_COUNT others.
 *
 *     create, derive            mark                  out of use, no children
 *   o ---------------> LIVE ------------> REVOKED ----------------------------> EMPTY
 *                        |                   |                                    |
 *                        | nobody refers     | out of use, no children,           | released
 *                        | to it, no children| and nobody holds it                |
 *                        +-------------------+-----------------> freed <----------+
 *
 * A REVOKED node stays where it is in the tree until its last child is gone and its last use has
 * ended; then it gives up its object and leaves its parent, for which it may have been the last
 * child. So the tree is cleared from the leaves up, and "T has no revoked child" says that nothing
 * is under way anywhere below T, however many revocations work on parts of it at the same time.
 *
 * Who pays: each handle's capability is charged to whoever has the handle, CAPABILITY_BYTES each:
 * by its table, or by the message that carries it. The rest is bounded by what somebody else pays
 * for: a capability out of its table by the operations in flight, registrations, pins and
 * mappings; history by what is held below it, see above; an EMPTY one by the handle that goes on
 * naming it.
 *
 * Context:  any, unless a function says otherwise. What can end the last reference to a capability
 *           puts its object: task context, no spin lock held.
 * Locking:  LOCK_RANK_CAPABILITY_TREE inside most functions; LOCK_RANK_CAPABILITY_USERS guards one
 *           capability's list of users. The tree's lock is held for a bounded number of nodes.
 * Cost:     constant, but for revocations. Starting and ending a use take no lock.
 */
#pragma once
#include "base/list.h"
#include "cap/object.h"
#include "sync/spin_lock.h"
#include <abi/ops.h>

#define CAPABILITY_REVOKED  (1ull << 63)
#define CAPABILITY_USE_ONE  (1ull << 32)
#define CAPABILITY_HOLD_ONE 1ull

struct capability {
    /* Fixed at creation. */
    uint64_t id; /* never reused; grows */
    uint64_t rights;
    uint64_t object_id;
    uint32_t step;      /* derivations since the object was first given out, so far as counted */
    enum abi_kind kind; /* the object's */
    /* For each right that is missing the step that lost it. */
    uint16_t lost_at_step[ABI_RIGHT_COUNT];

    _Atomic uint64_t state;          /* revoked, uses, holds; see above */
    _Atomic uint64_t holder_process; /* whose table it is in; 0: nobody's. For people: relaxed */
    _Atomic uint64_t handle;         /* its number there. The same */

    struct object *object; /* counted. Valid for whoever uses it, and while it is not revoked for
                            * whoever holds it; nullptr when EMPTY and in history, written under the
                            * tree's lock */

    /* Guarded by the tree's lock. */
    struct capability *parent;
    struct list children;     /* those not revoked, but for what a revocation has taken over */
    struct list sibling_link; /* in that list */
    struct list work_link;    /* in a list of a revocation, or of what has to be settled */
    struct list all_link;     /* of all there are, in the order of their ids */
    struct list revocations;  /* of what derives from this one */
    uint32_t child_count;     /* all that have this as parent */
    uint32_t revoked_child_count;
    uint32_t scanning_count;  /* revocations here that have not marked all children yet */
    bool is_history;          /* its counts are zero: so its object knows */
    uint32_t revoked_at_step; /* when revoked: of the one whose holder took it back */
    uint64_t origin_process;  /* who derived it; 0: the kernel */
    enum abi_origin origin;

    spin_lock users_lock;                     /* LOCK_RANK_CAPABILITY_USERS */
    struct list users GUARDED_BY(users_lock); /* struct capability_user */
};

/* What a hold is charged for, by whoever keeps it: see above. */
#define CAPABILITY_BYTES ((uint64_t)sizeof(struct capability))

status capability_init(void); /* boot */

/* ---- making them ---- */

RESULT_TYPE(capability_result, struct capability *);
/* Who derives, and how: for people. */
typedef struct derivation {
    enum abi_origin origin;
    uint64_t process; /* number; 0: the kernel */
} derivation;

/* The first capability to an object, with `rights` cut to the kind's. Takes its own reference to
 * the object. The caller owns the hold. OUT_OF_MEMORY */
capability_result capability_create(struct object *object, uint64_t rights);
/*
 * A child of `from`, which the caller uses or holds, with those of its rights that are also in
 * `rights`. The caller owns the hold.
 *   OUT_OF_MEMORY
 *   CAPABILITY_REVOKED   `from` has been revoked meanwhile
 */
capability_result capability_derive(struct capability *from, uint64_t rights, derivation how);
/* The same for another object, found through `from` (OPENED, MINTED, LENT): `rights` cut to the
 * kind's, and not to those of `from`, which is for the caller to do where it makes sense. */
capability_result capability_derive_object(struct capability *from, struct object *object,
                                           uint64_t rights, derivation how);

/* ---- holds and uses ---- */

/* Ends the hold. Task context. */
void capability_release(CONSUMED struct capability *capability);
/* Whether anything derives from it. While the caller's is the only use and nobody holds it, no
 * stays no. */
bool capability_has_children(const struct capability *capability);
/* Starts a use: whoever knows that the capability is there, because he holds it or has the lock of
 * whoever does. False: it is revoked, and nothing was taken. */
bool capability_use_try(struct capability *capability);
/* One more use, by whoever has one: cannot fail, and a revocation waits for it as for the first. */
void capability_use_more(struct capability *capability);
/* Ends a use. Task context. */
void capability_unuse(struct capability *capability);
/* One more hold, by whoever uses it or has one: for what comes back to the capability later and
 * must not keep a revocation waiting meanwhile, as a registration. */
void capability_hold_more(struct capability *capability);
/* Makes the hold a use, in one step. False: it is revoked, and the caller still has the hold. */
bool capability_use_hold(struct capability *capability);

static inline bool capability_is_revoked(const struct capability *capability)
{
    /* Pairs with the release of whoever revokes. */
    return (atomic_load_explicit(&capability->state, memory_order_acquire) & CAPABILITY_REVOKED) !=
           0;
}

typedef struct capability *capability_owner; /* owns a hold */
static inline void capability_owner_drop(capability_owner *owner)
{
    if (*owner != nullptr) capability_release(*owner);
}
typedef struct capability *capability_use_owner; /* owns a use */
static inline void capability_use_owner_drop(capability_use_owner *owner)
{
    if (*owner != nullptr) capability_unuse(*owner);
}

/* ---- telling people ---- */

/* For a refusal: the lowest right of `needed` that is missing, and the step where it was lost. See
 * ABI_DETAIL_MAKE. Whoever knows that the capability is there. */
uint32_t capability_explain(const struct capability *capability, uint64_t needed);
/* The same for CAPABILITY_REVOKED. */
uint32_t capability_explain_revoked(const struct capability *capability);
/* Fills all but record_bytes and next_cookie. Whoever uses or holds it. */
void capability_describe(struct capability *capability, struct abi_derivation *out_derivation);
/* The parent, with a use for the caller; nullptr for the first. The caller uses `capability`. */
struct capability *capability_parent(struct capability *capability);

/*
 * A walk over all capabilities that can reach an object, or any object, in the order of their ids,
 * from the first whose id is above `after_id`:
 *
 *     capability_reach_begin(&reach, object_id, after_id);
 *     while (capability_reach_next(&reach, &derivation)) ... may sleep, may stop ...
 *     capability_reach_end(&reach);
 *
 * What is derived or freed meanwhile may be seen or not. Each step looks at a bounded number: one
 * that found nothing so far answers true with an id of 0, so that the caller can pause.
 */
struct capability_reach {
    uint64_t object_id; /* 0: every object */
    uint64_t after_id;
    struct capability bookmark; /* where the walk is, in the list of all; its id is 0 */
};
void capability_reach_begin(struct capability_reach *reach, uint64_t object_id, uint64_t after_id);
bool capability_reach_next(struct capability_reach *reach, struct abi_derivation *out_derivation);
void capability_reach_end(struct capability_reach *reach);
/* Capabilities there are, for leak counts. */
uint64_t capability_count(void);
/*
 * References to the object, without those of capabilities that are history: whether anybody but
 * those the caller knows of refers to it. Never too small, and exact when nothing happens to the
 * object at the time.
 */
uint32_t capability_live_references(struct object *object);

/* ---- users that can be told to stop ---- */

/*
 * Somebody who uses a capability for long and can be told to stop: a parked operation, a mapping.
 *
 * Revocation calls claim() under the users' lock: it must be short, takes only locks ranked after
 * that, and makes sure that what it answers stays valid; the user is then out of the list. Without
 * that lock, in task context, it calls stop() on the answer, which sees to it that the use ends
 * soon; sleeping for a mutex is fine, waiting for an event is not. claim() may answer nullptr: the
 * use is ending already.
 */
struct capability_user_type;
struct capability_user {
    struct list link;
    const struct capability_user_type *type;
};
struct capability_user_type {
    void *(*claim)(struct capability_user *user);
    void (*stop)(void *claimed);
};
/* The caller has a use. False: revoked already; nothing was entered, the caller stops by itself. */
bool capability_user_enter(struct capability *capability, struct capability_user *user,
                           const struct capability_user_type *type);
/* Before the use ends. Idempotent, and fine after claim() took it out. When it returns no claim()
 * for this user is running, nor will be. */
void capability_user_leave(struct capability *capability, struct capability_user *user);

/* ---- revocation ---- */

/*
 * Taking back everything that derives from a capability, which itself stays; or, with `self`, goes
 * too. The caller uses the capability, from before revocation_init() until the end.
 *
 *     revocation_init(&revocation, capability, self, on_progress);
 *     for (;;) switch (revocation_advance(&revocation)) {
 *         case REVOCATION_AGAIN:   let others run, then call again
 *         case REVOCATION_WAITING: call again when on_progress() has been called; until then the
 *                                  caller's thread is free, and must not look at `revocation`:
 *                                  on_progress() may be on its way already
 *         case REVOCATION_DONE:    over; `revocation` may go
 *     }
 *
 * First every descendant is marked, a bounded number at a time, top down: a marked node has no
 * children to come, so the walk ends. From then on nobody can start to use any of them. Then users
 * are told to stop. It is done when the last use of the last of them has ended; with `self` also
 * all uses of the capability itself but for `own_uses`, of the caller and of whoever else would
 * wait for this one: two with `self` at the same capability would each wait for the other's use.
 * Whoever holds a revoked handle keeps an empty node until it closes it.
 *
 * Revocations may overlap in any way, and start at what another has marked: each is done when there
 * is nothing left of what derived from its capability when it began, whoever marked it. What is
 * derived from it later, through a handle that stays, is not concerned; only for what others are
 * taking back among that, at the same time, it may wait, too. A revocation that has begun
 * must be advanced to its end: others may wait for what it has marked.
 *
 * Context: task; sleeps only where a user's stop() does. on_progress() is called under the tree's
 * lock, at most once for each REVOCATION_WAITING: it takes only locks ranked after that.
 */
enum revocation_progress : uint8_t {
    REVOCATION_AGAIN,
    REVOCATION_WAITING,
    REVOCATION_DONE,
};

struct revocation {
    struct capability *target;
    void (*on_progress)(struct revocation *revocation);
    uint32_t count;    /* handles taken back: marked by this one, and held by somebody then */
    uint16_t own_uses; /* with `self`: not waited for. 1; may be set after revocation_init() */
    bool self;

    /* Guarded by the tree's lock. */
    bool is_begun;
    bool is_scanning;
    bool is_waiting;
    struct list link;       /* in target->revocations */
    struct list doomed;     /* the target's children not marked yet, by sibling_link */
    struct list unexplored; /* marked; children perhaps not. By work_link */
    struct list busy;       /* users not told yet; each has one use more, ours. By work_link */
};
void revocation_init(struct revocation *revocation, struct capability *capability, bool self,
                     void (*on_progress)(struct revocation *revocation));
enum revocation_progress revocation_advance(struct revocation *revocation);
