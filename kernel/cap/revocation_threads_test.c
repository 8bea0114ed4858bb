/*
 * Threads that find, use, derive, move and close, while others revoke: on one tree, at once. What
 * is checked: who has a use finds the object; once a revocation is over nobody has a use of what it
 * took back; every user that entered is told or leaves; and nothing is left at the end.
 */
#include "base/container.h"
#include "cap/handle_table.h"
#include "mm/quota.h"
#include "random/random.h"
#include "support/test.h"
#include <pthread.h>
#include <sched.h>

static constexpr uint32_t WORKERS = 4;
static constexpr uint32_t ROUNDS = 4000;
static constexpr derivation BY_DUP = {ABI_ORIGIN_DUP, 1};

static _Thread_local uint64_t random_state;
uint64_t random_number(void)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return random_state >> 7 | 1ull << 50;
}

/* Objects say that they are gone. */
struct file {
    struct object object;
    _Atomic bool is_gone;
};
static void destroy(struct object *object)
{
    atomic_store(&container_of(object, struct file, object)->is_gone, true);
}
static const struct object_type file_type = {
    .kind = ABI_KIND_FILE, .rights_all = ABI_RIGHTS_ALL, .destroy = destroy};

static struct memory_quota quota;
static struct handle_table table;
static struct file file;
static uint64_t root;               /* handle */
static _Atomic uint64_t shared[64]; /* handles that anybody may use, close or revoke below */

/* ---- a use that can be told to stop ---- */

struct listener {
    struct capability_user user;
    _Atomic bool is_claimed, is_told;
};
static void *claim(struct capability_user *user)
{
    struct listener *listener = container_of(user, struct listener, user);
    atomic_store(&listener->is_claimed, true);
    return listener;
}
static void stop(void *claimed)
{
    atomic_store(&((struct listener *)claimed)->is_told, true);
}
static const struct capability_user_type listener_type = {claim, stop};

/* Is used for a while, as an operation that pends would; ends by itself or because it is told. */
static void use_for_a_while(struct capability *capability)
{
    struct listener listener = {0};
    bool is_entered = capability_user_enter(capability, &listener.user, &listener_type);
    CHECK(is_entered || capability_is_revoked(capability));
    for (uint32_t i = random_number() % 64; is_entered && i > 0; i--) {
        CHECK(!atomic_load(&file.is_gone));
        CHECK(capability->object == &file.object);
        if (atomic_load(&listener.is_told)) break;
        sched_yield();
    }
    if (is_entered) capability_user_leave(capability, &listener.user);
    /* Whoever was claimed waits to be told: stop() may still be looking. */
    while (atomic_load(&listener.is_claimed) && !atomic_load(&listener.is_told))
        sched_yield();
    capability_unuse(capability);
}

/* ---- revoking ---- */

struct taking {
    struct revocation revocation;
    _Atomic bool may_go_on;
};
static void note_progress(struct revocation *revocation)
{
    atomic_store(&container_of(revocation, struct taking, revocation)->may_go_on, true);
}

static void revoke_below(struct capability *target)
{
    struct taking taking = {0};
    revocation_init(&taking.revocation, target, false, note_progress);
    for (;;) {
        enum revocation_progress progress = revocation_advance(&taking.revocation);
        if (progress == REVOCATION_DONE) return;
        if (progress == REVOCATION_AGAIN) continue;
        while (!atomic_exchange(&taking.may_go_on, false))
            sched_yield();
    }
}

/* ---- the threads ---- */

static uint64_t pick(void)
{
    uint64_t handle = atomic_load(&shared[random_number() % array_count(shared)]);
    return handle != 0 ? handle : root;
}

/* Enters a new handle; what was in its place is closed. */
static void publish(uint64_t handle)
{
    uint64_t old = atomic_exchange(&shared[random_number() % array_count(shared)], handle);
    uint32_t detail;
    if (old == 0) return;
    capability_result closed = handle_table_close(&table, old, 0, &detail);
    if (is_ok(closed.status) && closed.value != nullptr) capability_unuse(closed.value);
}

static void derive_from(struct capability *from)
{
    capability_result made = capability_derive(from, ABI_RIGHTS_ALL, BY_DUP);
    if (!is_ok(made.status)) {
        CHECK_STATUS(CAPABILITY_REVOKED, made.status);
        return;
    }
    handle_result inserted = handle_table_insert(&table, made.value);
    CHECK_STATUS(OK, inserted.status);
    publish(inserted.value);
}

static void move(uint64_t handle)
{
    uint32_t detail;
    capability_result taken = handle_table_take(&table, handle, ABI_KINDS_ANY, 0, &detail);
    if (!is_ok(taken.status)) return;
    handle_result inserted = handle_table_insert(&table, taken.value);
    CHECK_STATUS(OK, inserted.status);
    publish(inserted.value);
}

static void step(void)
{
    uint64_t handle = pick();
    uint32_t detail, what = random_number() % 16;
    if (what == 0 && handle != root) {
        move(handle);
        return;
    }
    capability_result found =
        handle_table_find(&table, handle, ABI_KIND_BIT(FILE), ABI_RIGHT_READ, &detail);
    if (!is_ok(found.status)) return;
    switch (what) {
    case 1 ... 7:
        derive_from(found.value);
        capability_unuse(found.value);
        break;
    case 8:
        if (handle != root || random_number() % 8 == 0) revoke_below(found.value);
        capability_unuse(found.value);
        break;
    default:
        use_for_a_while(found.value);
        break;
    }
}

static void *work(void *seed)
{
    random_state = (uintptr_t)seed;
    for (uint32_t i = 0; i < ROUNDS; i++)
        step();
    return nullptr;
}

TEST(threads_that_derive_use_move_close_and_revoke_at_once_agree)
{
    CHECK_STATUS(OK, capability_init());
    quota = (struct memory_quota){.references = 1, .max_bytes = 64ull << 20};
    handle_table_init(&table, &quota, 10000, 1);
    object_init(&file.object, &file_type);
    capability_result made = capability_create(&file.object, ABI_RIGHTS_ALL);
    CHECK_STATUS(OK, made.status);
    root = handle_table_insert(&table, made.value).value;

    pthread_t threads[WORKERS];
    for (uintptr_t i = 0; i < WORKERS; i++)
        CHECK_EQUAL(0, pthread_create(&threads[i], nullptr, work, (void *)(i + 1)));
    for (uint32_t i = 0; i < WORKERS; i++)
        pthread_join(threads[i], nullptr);

    /* One last time, from the top: nobody uses anything any more, so it is over at once. */
    CHECK(capability_use_try(made.value));
    revoke_below(made.value);
    CHECK_EQUAL(0, made.value->child_count);
    capability_unuse(made.value);
    handle_table_empty(&table);
    CHECK_EQUAL(0, capability_count());
    CHECK_EQUAL(1, file.object.references);
    CHECK_EQUAL(0, memory_quota_used(&quota));
    object_put(&file.object);
}
