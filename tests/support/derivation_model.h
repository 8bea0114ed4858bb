/*
 * What handle tables, derivation and revocation promise, as a program short enough to be believed;
 * and the real ones beside it, compared after every step. Included by one file of a test binary.
 *
 * The model has one node for each handle that ever was, in an array that only grows. Nothing is
 * freed, spliced or marked ahead of time:
 *
 *   a node is held by a process's table or by a message, or by nobody any more
 *   a node is revoked when a revocation has begun at any of its ancestors, or one that takes it
 * along rights are those of its parent at most; the step that lost one is found by walking up a
 * revocation is over when nothing below a revoked child of its target is in use, nor the target, if
 * it takes that along, by anybody else
 *
 * A step is chosen by bytes: random ones, or those a fuzzer thinks of.
 */
#pragma once
#include "base/checked.h"
#include "base/container.h"
#include "cap/handle_table.h"
#include "mm/quota.h"
#include "random/random.h"
#include "support/test.h"

#define MODEL_NODES     96u
#define MODEL_PROCESSES 3u
#define MODEL_OBJECTS   3u
#define MODEL_PENDING   8u /* revocations under way */

static constexpr int8_t NOBODY = -1;
static constexpr int8_t IN_A_MESSAGE = -2;
static constexpr int16_t NO_PARENT = -1;
/* Few rights, so that steps meet. */
static constexpr uint64_t MODEL_RIGHTS =
    ABI_RIGHT_READ | ABI_RIGHT_WRITE | ABI_RIGHT_SEEK | ABI_RIGHT_MAP | ABI_RIGHT_DUP;

struct model_node {
    int16_t parent;
    int8_t holder; /* process, IN_A_MESSAGE, NOBODY */
    uint8_t object;
    bool is_revoked;
    uint32_t revoked_at_step;
    uint32_t step;
    uint32_t uses;
    uint64_t rights;

    /* The real one. */
    uint64_t handle;
    struct capability *capability; /* there while it is held or used */
    uint64_t id;
};

struct model_revocation {
    struct revocation revocation; /* first */
    bool is_under_way, was_notified, takes_target;
    uint16_t target;
    uint32_t expected_count;
};

static struct model {
    struct model_node nodes[MODEL_NODES];
    uint16_t node_count;
    struct handle_table tables[MODEL_PROCESSES];
    struct object objects[MODEL_OBJECTS];
    struct memory_quota quota;
    struct model_revocation pending[MODEL_PENDING];
    uint64_t sequence, step; /* for people */
} model;

[[noreturn]] static void model_fail(int line, const char *what)
{
    test_fail(__FILE__, line, "sequence %llu, step %llu: not: %s",
              (unsigned long long)model.sequence, (unsigned long long)model.step, what);
}
#define MODEL_CHECK(condition)                              \
    do {                                                    \
        if (!(condition)) model_fail(__LINE__, #condition); \
    } while (0)

/* ---- choices ---- */

/* The next byte; 0 when a fuzzer has no more. */
static uint8_t (*model_byte)(void);

static uint32_t model_below(uint32_t count)
{
    return model_byte() % count;
}

static uint64_t model_choose_rights(void)
{
    static const uint64_t some[] = {ABI_RIGHTS_ALL, ABI_RIGHTS_ALL & ~(uint64_t)ABI_RIGHT_READ,
                                    ABI_RIGHTS_ALL & ~(uint64_t)ABI_RIGHT_MAP,
                                    ABI_RIGHT_DUP | ABI_RIGHT_SEEK};
    return some[model_below(array_count(some))];
}

/* ---- what the model says ---- */

static struct model_node *model_parent(const struct model_node *node)
{
    return node->parent == NO_PARENT ? nullptr : &model.nodes[node->parent];
}

static bool model_is_below(const struct model_node *node, const struct model_node *ancestor)
{
    for (node = model_parent(node); node != nullptr; node = model_parent(node))
        if (node == ancestor) return true;
    return false;
}

static bool model_is_referred_to(const struct model_node *node)
{
    return node->holder != NOBODY || node->uses != 0;
}

/*
 * In use, and every node between it and the target is revoked; or, `loosely`, nobody's any more:
 * what was derived through one that has been spliced out meanwhile is a child of the target.
 */
static bool model_keeps_waiting(const struct model_node *node, const struct model_node *target,
                                bool loosely)
{
    if (node->uses == 0 || !node->is_revoked) return false;
    for (; node != nullptr && node != target; node = model_parent(node))
        if (!node->is_revoked && !(loosely && !model_is_referred_to(node))) return false;
    return node == target;
}

/* `loosely`: false when it must be over; else it may have to wait, for what another takes back. */
static bool model_waits(const struct model_revocation *revocation, bool loosely)
{
    const struct model_node *target = &model.nodes[revocation->target];
    for (uint16_t i = 0; i < model.node_count; i++) {
        const struct model_node *node = &model.nodes[i];
        if (node != target && model_keeps_waiting(node, target, loosely)) return true;
    }
    return revocation->takes_target && target->uses != 1;
}

static uint32_t model_lost_at(const struct model_node *node, uint64_t right)
{
    while (model_parent(node) != nullptr && (model_parent(node)->rights & right) == 0)
        node = model_parent(node);
    return node->step;
}

static status model_expected(const struct model_node *node, uint64_t rights, uint32_t *out_detail)
{
    *out_detail = 0;
    if (node->holder < 0) return FAIL(INVALID_CAPABILITY);
    if (node->is_revoked) {
        *out_detail = ABI_DETAIL_MAKE(ABI_DETAIL_REVOKED, node->revoked_at_step);
        return FAIL(CAPABILITY_REVOKED);
    }
    uint64_t missing = rights & ~node->rights;
    if (missing == 0) return OK;
    uint32_t bit = (uint32_t)__builtin_ctzll(missing);
    *out_detail = ABI_DETAIL_MAKE(bit, model_lost_at(node, 1ull << bit));
    return FAIL(INSUFFICIENT_RIGHTS);
}

/* ---- comparing ---- */

static struct handle_table *model_table(const struct model_node *node)
{
    return &model.tables[node->holder < 0 ? 0 : node->holder];
}

static void model_compare_node(const struct model_node *node)
{
    uint64_t needed = ABI_RIGHT_READ | ABI_RIGHT_MAP;
    uint32_t expected_detail, detail = 0;
    status expected = model_expected(node, needed, &expected_detail);
    capability_result found =
        handle_table_find(model_table(node), node->handle, ABI_KINDS_ANY, needed, &detail);
    MODEL_CHECK(found.status.code == expected.code);
    MODEL_CHECK(detail == expected_detail);
    if (model_is_referred_to(node)) {
        MODEL_CHECK(node->capability->id == node->id);
        MODEL_CHECK(node->capability->rights == node->rights);
        MODEL_CHECK(node->capability->step == node->step);
        MODEL_CHECK(capability_is_revoked(node->capability) == node->is_revoked);
        /* A revoked one has its object for as long as something below it is in use. */
        if (!node->is_revoked || node->uses != 0)
            MODEL_CHECK(node->capability->object == &model.objects[node->object]);
    }
    if (!is_ok(found.status)) return;
    MODEL_CHECK(found.value == node->capability);
    capability_unuse(found.value);
}

/* The real chain has all ancestors, but for some that nobody refers to and that took nothing away.
 */
static void model_compare_chain(const struct model_node *node)
{
    if (!model_is_referred_to(node) || !capability_use_try(node->capability)) return;
    struct capability *real = node->capability;
    while (real != nullptr) {
        MODEL_CHECK(node != nullptr && real->id == node->id);
        struct capability *parent = capability_parent(real);
        capability_unuse(real);
        node = model_parent(node);
        while (node != nullptr && (parent == nullptr || parent->id != node->id)) {
            MODEL_CHECK(parent != nullptr && !model_is_referred_to(node));
            MODEL_CHECK(node->rights == model_parent(node)->rights);
            node = model_parent(node);
        }
        real = parent;
    }
    MODEL_CHECK(node == nullptr);
}

/* An object is there while somebody can reach it, and gone when nobody can, nor has anything that
 * derives from a handle to it. */
static void model_compare_object(uint8_t object)
{
    uint32_t reaching = 0, keeping = 0;
    for (uint16_t i = 0; i < model.node_count; i++) {
        const struct model_node *node = &model.nodes[i];
        if (node->object == object &&
            (node->uses != 0 || (node->holder != NOBODY && !node->is_revoked)))
            reaching++;
        if (!model_is_referred_to(node)) continue;
        for (; node != nullptr; node = model_parent(node))
            if (node->object == object) keeping++;
    }
    MODEL_CHECK(model.objects[object].references >= 1 + reaching);
    if (keeping == 0) MODEL_CHECK(model.objects[object].references == 1);
}

static void model_compare(void)
{
    uint32_t held[MODEL_PROCESSES] = {0};
    uint32_t referred_to = 0;
    for (uint16_t i = 0; i < model.node_count; i++) {
        const struct model_node *node = &model.nodes[i];
        model_compare_node(node);
        if (node->holder >= 0) held[node->holder]++;
        if (model_is_referred_to(node)) referred_to++;
    }
    for (uint32_t i = 0; i < MODEL_PROCESSES; i++)
        MODEL_CHECK(handle_table_count(&model.tables[i]) == held[i]);
    for (uint8_t i = 0; i < MODEL_OBJECTS; i++)
        model_compare_object(i);
    /* What is referred to, where the tree branches, and history between those. */
    MODEL_CHECK(capability_count() <= referred_to * 2 * (2 + ABI_RIGHT_COUNT));
    for (uint32_t i = 0; i < MODEL_PENDING; i++) {
        const struct model_revocation *revocation = &model.pending[i];
        if (!revocation->is_under_way) continue;
        /* One that was over when it was told may have to wait again: for another's new part. */
        MODEL_CHECK(revocation->was_notified || model_waits(revocation, true));
    }
}

/* ---- steps ---- */

static struct model_node *model_pick(void)
{
    return model.node_count == 0 ? nullptr : &model.nodes[model_below(model.node_count)];
}

/* Puts the new capability into a table and into the model. */
static void model_enter(capability_result made, struct model_node *parent, uint32_t process,
                        uint8_t object, uint64_t rights)
{
    MODEL_CHECK(is_ok(made.status));
    struct model_node *node = &model.nodes[model.node_count++];
    *node = (struct model_node){
        .parent = parent != nullptr ? (int16_t)(parent - model.nodes) : NO_PARENT,
        .holder = (int8_t)process,
        .object = object,
        .step = parent != nullptr ? parent->step + 1 : 0,
        .rights = rights,
        .capability = made.value,
        .id = made.value->id,
    };
    handle_result inserted = handle_table_insert(&model.tables[process], made.value);
    MODEL_CHECK(is_ok(inserted.status));
    node->handle = inserted.value;
}

static void model_create(void)
{
    uint8_t object = (uint8_t)model_below(MODEL_OBJECTS);
    uint64_t rights = model_choose_rights() & MODEL_RIGHTS;
    model_enter(capability_create(&model.objects[object], rights), nullptr,
                model_below(MODEL_PROCESSES), object, rights);
}

/* DUP, a grant, a copy in a message, OPEN: a child in any table. */
static void model_derive(struct model_node *from)
{
    uint32_t process = model_below(MODEL_PROCESSES), detail;
    uint64_t rights = model_choose_rights() & from->rights;
    bool is_opened = model_below(3) == 0;
    uint8_t object = is_opened ? (uint8_t)model_below(MODEL_OBJECTS) : from->object;
    capability_result found =
        handle_table_find(model_table(from), from->handle, ABI_KINDS_ANY, 0, &detail);
    if (!is_ok(found.status)) return;
    derivation how = {is_opened ? ABI_ORIGIN_OPENED : ABI_ORIGIN_DUP, 1};
    model_enter(is_opened
                    ? capability_derive_object(found.value, &model.objects[object], rights, how)
                    : capability_derive(found.value, rights, how),
                from, process, object, rights);
    capability_unuse(found.value);
}

static void model_restrict(struct model_node *node)
{
    uint32_t process = node->holder < 0 ? 0 : (uint32_t)node->holder, detail;
    uint64_t rights = model_choose_rights() & node->rights;
    capability_result removed =
        handle_table_remove(model_table(node), node->handle, ABI_KINDS_ANY, 0, &detail);
    if (!is_ok(removed.status)) return;
    node->holder = NOBODY;
    model_enter(capability_derive(removed.value, rights, (derivation){ABI_ORIGIN_RESTRICT, 1}),
                node, process, node->object, rights);
    capability_unuse(removed.value);
}

static void model_send(struct model_node *node)
{
    uint32_t detail;
    capability_result taken =
        handle_table_take(model_table(node), node->handle, ABI_KINDS_ANY, 0, &detail);
    MODEL_CHECK(is_ok(taken.status) == (node->holder >= 0 && !node->is_revoked));
    if (is_ok(taken.status)) node->holder = IN_A_MESSAGE;
}

static void model_receive(struct model_node *node, bool is_dropped)
{
    if (node->holder != IN_A_MESSAGE) return;
    if (is_dropped) {
        capability_release(node->capability);
        node->holder = NOBODY;
        return;
    }
    uint32_t process = model_below(MODEL_PROCESSES);
    handle_result inserted = handle_table_insert(&model.tables[process], node->capability);
    MODEL_CHECK(is_ok(inserted.status));
    node->handle = inserted.value;
    node->holder = (int8_t)process;
}

static void model_close(struct model_node *node)
{
    uint32_t detail;
    capability_result closed = handle_table_close(model_table(node), node->handle, 0, &detail);
    MODEL_CHECK(is_ok(closed.status) == (node->holder >= 0));
    if (node->holder < 0) return;
    MODEL_CHECK((closed.value == nullptr) == node->is_revoked);
    if (closed.value != nullptr) capability_unuse(closed.value);
    node->holder = NOBODY;
}

static void model_use(struct model_node *node)
{
    if (node->holder == NOBODY) return;
    bool is_used = capability_use_try(node->capability);
    MODEL_CHECK(is_used == !node->is_revoked);
    if (is_used) node->uses++;
}

static bool model_is_target(const struct model_node *node)
{
    for (uint32_t i = 0; i < MODEL_PENDING; i++)
        if (model.pending[i].is_under_way && &model.nodes[model.pending[i].target] == node)
            return true;
    return false;
}

static void model_unuse(struct model_node *node)
{
    /* The last use of a target is the revocation's, until it is over. */
    if (node->uses <= (model_is_target(node) ? MODEL_PENDING : 0u)) return;
    capability_unuse(node->capability);
    node->uses--;
}

static void model_note_progress(struct revocation *revocation)
{
    struct model_revocation *own = container_of(revocation, struct model_revocation, revocation);
    MODEL_CHECK(!own->was_notified);
    own->was_notified = true;
}

/* Goes on until it is over or must wait, as the model says. */
static void model_advance(struct model_revocation *revocation)
{
    enum revocation_progress progress;
    revocation->was_notified = false;
    while ((progress = revocation_advance(&revocation->revocation)) == REVOCATION_AGAIN)
        ;
    MODEL_CHECK(progress != REVOCATION_DONE || !model_waits(revocation, false));
    MODEL_CHECK(progress == REVOCATION_DONE || model_waits(revocation, true));
    if (progress != REVOCATION_DONE) return;
    MODEL_CHECK(revocation->revocation.count == revocation->expected_count);
    revocation->is_under_way = false;
    struct model_node *target = &model.nodes[revocation->target];
    target->uses--;
    capability_unuse(target->capability);
}

static struct model_revocation *model_free_revocation(void)
{
    for (uint32_t i = 0; i < MODEL_PENDING; i++)
        if (!model.pending[i].is_under_way) return &model.pending[i];
    return nullptr;
}

static void model_revoke(struct model_node *target)
{
    struct model_revocation *revocation = model_free_revocation();
    if (revocation == nullptr || target->holder == NOBODY) return;
    bool takes_target = model_below(3) == 0 && !model_is_target(target);
    if (!capability_use_try(target->capability)) return;
    target->uses++;
    revocation->is_under_way = true;
    revocation->takes_target = takes_target;
    revocation->target = (uint16_t)(target - model.nodes);
    revocation->expected_count = 0;
    for (uint16_t i = 0; i < model.node_count; i++) {
        struct model_node *node = &model.nodes[i];
        bool is_taken = model_is_below(node, target) || (takes_target && node == target);
        if (node->is_revoked || !is_taken) continue;
        node->is_revoked = true;
        node->revoked_at_step = target->step;
        if (node->holder != NOBODY) revocation->expected_count++;
    }
    revocation_init(&revocation->revocation, target->capability, takes_target, model_note_progress);
    model_advance(revocation);
}

/* Workers: whatever was told that it may go on does so. */
static void model_run_notified(void)
{
    for (uint32_t i = 0; i < MODEL_PENDING; i++)
        if (model.pending[i].is_under_way && model.pending[i].was_notified)
            model_advance(&model.pending[i]);
}

static void model_end_process(uint32_t process)
{
    handle_table_empty(&model.tables[process]);
    handle_table_init(&model.tables[process], &model.quota, 1000, process + 1);
    for (uint16_t i = 0; i < model.node_count; i++)
        if (model.nodes[i].holder == (int8_t)process) model.nodes[i].holder = NOBODY;
}

static void model_step(void)
{
    uint32_t what = model_below(32);
    struct model_node *node = model_pick();
    if (node == nullptr || what < 2) {
        model_create();
        return;
    }
    switch (what) {
    case 2 ... 12:
        model_derive(node);
        break;
    case 13 ... 15:
        model_restrict(node);
        break;
    case 16 ... 17:
        model_send(node);
        break;
    case 18 ... 19:
        model_receive(node, what == 18);
        break;
    case 20 ... 23:
        model_close(node);
        break;
    case 24 ... 25:
        model_use(node);
        break;
    case 26 ... 27:
        model_unuse(node);
        break;
    case 28 ... 29:
        model_revoke(node);
        break;
    case 30:
        model_run_notified();
        break;
    case 31:
        if (model_below(4) == 0) model_end_process(model_below(MODEL_PROCESSES));
        model_compare_chain(node);
        break;
    }
}

/* ---- a sequence ---- */

static void model_destroy(struct object *object)
{
    (void)object;
}
static const struct object_type model_type = {
    .kind = ABI_KIND_FILE, .rights_all = ABI_RIGHTS_ALL, .destroy = model_destroy};

static void model_begin(uint64_t sequence)
{
    static bool is_ready;
    if (!is_ready && !is_ok(capability_init())) model_fail(__LINE__, "memory");
    is_ready = true;
    model =
        (struct model){.sequence = sequence, .quota = {.references = 1, .max_bytes = 1ull << 30}};
    for (uint32_t i = 0; i < MODEL_PROCESSES; i++)
        handle_table_init(&model.tables[i], &model.quota, 1000, i + 1);
    for (uint32_t i = 0; i < MODEL_OBJECTS; i++)
        object_init(&model.objects[i], &model_type);
}

/* Ends all that is under way, then all handles: nothing may be left. */
static void model_finish(void)
{
    for (uint16_t i = 0; i < model.node_count; i++) {
        struct model_node *node = &model.nodes[i];
        uint32_t targets = 0;
        for (uint32_t j = 0; j < MODEL_PENDING; j++)
            if (model.pending[j].is_under_way && model.pending[j].target == i) targets++;
        while (node->uses > targets) {
            capability_unuse(node->capability);
            node->uses--;
        }
    }
    /* Inner ones first: each end is a use less for those around it. */
    for (uint32_t round = 0; round < MODEL_PENDING; round++)
        model_run_notified();
    for (uint32_t i = 0; i < MODEL_PENDING; i++)
        MODEL_CHECK(!model.pending[i].is_under_way);
    model_compare();
    for (uint16_t i = 0; i < model.node_count; i++)
        model_receive(&model.nodes[i], true);
    for (uint32_t i = 0; i < MODEL_PROCESSES; i++)
        handle_table_empty(&model.tables[i]);
    MODEL_CHECK(capability_count() == 0);
    MODEL_CHECK(handle_count_all() == 0);
    MODEL_CHECK(memory_quota_used(&model.quota) == 0);
    for (uint32_t i = 0; i < MODEL_OBJECTS; i++) {
        MODEL_CHECK(model.objects[i].references == 1);
        object_put(&model.objects[i]);
    }
}

/* Steps until `steps` are done, or there is no room for another handle. */
static void model_run(uint64_t sequence, uint64_t steps)
{
    model_begin(sequence);
    for (model.step = 0; model.step < steps && model.node_count < MODEL_NODES; model.step++) {
        model_step();
        model_compare();
    }
    model_finish();
}
