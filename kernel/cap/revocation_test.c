#include "base/container.h"
#include "cap/capability.h"
#include "support/test.h"

static constexpr derivation BY_DUP = {ABI_ORIGIN_DUP, 7};
static uint32_t destroyed;

static void note_destroyed(struct object *object)
{
    (void)object;
    destroyed++;
}
static const struct object_type file_type = {
    .kind = ABI_KIND_FILE, .rights_all = ABI_RIGHTS_ALL, .destroy = note_destroyed};

static struct object file;

/* A first capability to `file`, used by the test, as an operation uses it. */
static struct capability *begin(void)
{
    static bool is_ready;
    if (!is_ready) CHECK_STATUS(OK, capability_init());
    is_ready = true;
    destroyed = 0;
    object_init(&file, &file_type);
    capability_result made = capability_create(&file, ABI_RIGHTS_ALL);
    CHECK_STATUS(OK, made.status);
    object_put(&file); /* the capability keeps it */
    CHECK(capability_use_try(made.value));
    return made.value;
}

static void finish(struct capability *first)
{
    capability_unuse(first);
    capability_release(first);
    CHECK_EQUAL(0, capability_count());
    CHECK_EQUAL(1, destroyed);
}

static struct capability *child_of(struct capability *from)
{
    capability_result made = capability_derive(from, ABI_RIGHTS_ALL, BY_DUP);
    CHECK_STATUS(OK, made.status);
    return made.value;
}

static struct capability *used_child_of(struct capability *from)
{
    struct capability *child = child_of(from);
    CHECK(capability_use_try(child));
    return child;
}

/* ---- a revocation and what it says ---- */

struct taking {
    struct revocation revocation;
    uint32_t progress_count;
};

static void count_progress(struct revocation *revocation)
{
    container_of(revocation, struct taking, revocation)->progress_count++;
}

static void take(struct taking *taking, struct capability *target, bool self)
{
    taking->progress_count = 0;
    revocation_init(&taking->revocation, target, self, count_progress);
}

/* As far as it gets without waiting. */
static enum revocation_progress advance(struct taking *taking)
{
    for (uint32_t i = 0; i < 100000; i++) {
        enum revocation_progress progress = revocation_advance(&taking->revocation);
        if (progress != REVOCATION_AGAIN) return progress;
    }
    return REVOCATION_AGAIN;
}

static uint32_t take_all(struct capability *target, bool self)
{
    struct taking taking;
    take(&taking, target, self);
    CHECK_EQUAL(REVOCATION_DONE, advance(&taking));
    CHECK_EQUAL(0, taking.progress_count);
    return taking.revocation.count;
}

static bool is_revoked(struct capability *capability)
{
    return capability_is_revoked(capability);
}

/* ---- what is taken back ---- */

TEST(everything_that_derives_from_it_is_taken_back_and_nothing_else)
{
    struct capability *first = begin();
    struct capability *target = used_child_of(first);
    struct capability *beside = child_of(first);
    struct capability *child = child_of(target), *other = child_of(target);
    struct capability *below = child_of(child);
    CHECK_EQUAL(3, take_all(target, false));
    CHECK(is_revoked(child) && is_revoked(other) && is_revoked(below));
    CHECK(!is_revoked(first) && !is_revoked(target) && !is_revoked(beside));
    CHECK(child->object == nullptr && below->object == nullptr);
    CHECK(!capability_use_try(below));
    CHECK_STATUS(CAPABILITY_REVOKED, capability_derive(below, ABI_RIGHTS_ALL, BY_DUP).status);
    CHECK_EQUAL(ABI_DETAIL_MAKE(ABI_DETAIL_REVOKED, 1), capability_explain_revoked(below));
    CHECK_EQUAL(0, target->child_count);

    struct capability *later = child_of(target); /* it stays as useful as it was */
    CHECK(!is_revoked(later));
    CHECK_EQUAL(7, capability_count());
    capability_release(child), capability_release(other), capability_release(below);
    CHECK_EQUAL(4, capability_count());
    capability_release(later), capability_release(beside);
    capability_unuse(target), capability_release(target);
    finish(first);
}

TEST(what_was_found_through_it_is_taken_back_and_its_object_let_go)
{
    struct capability *first = begin();
    struct object found;
    object_init(&found, &file_type);
    capability_result opened =
        capability_derive_object(first, &found, ABI_RIGHTS_ALL, (derivation){ABI_ORIGIN_OPENED, 7});
    CHECK_STATUS(OK, opened.status);
    object_put(&found);
    CHECK_EQUAL(0, destroyed);
    CHECK_EQUAL(1, take_all(first, false));
    CHECK_EQUAL(1, destroyed); /* before anybody closed the handle */
    capability_release(opened.value);
    destroyed = 0;
    finish(first);
}

TEST(history_is_not_counted_and_does_not_hide_what_is_below_it)
{
    struct capability *first = begin();
    struct capability *middle = child_of(first);
    struct capability *left = child_of(middle), *right = child_of(middle);
    capability_release(middle);
    CHECK_EQUAL(2, take_all(first, false));
    CHECK(is_revoked(left) && is_revoked(right));
    CHECK_EQUAL(3, capability_count());
    capability_release(left), capability_release(right);
    finish(first);
}

TEST(revoking_where_nothing_derives_is_done_at_once)
{
    struct capability *first = begin();
    CHECK_EQUAL(0, take_all(first, false));
    CHECK_EQUAL(0, take_all(first, false));
    finish(first);
}

TEST(many_descendants_are_taken_back_a_bounded_number_at_a_time)
{
    struct capability *first = begin();
    static struct capability *all[10000];
    for (uint32_t i = 0; i < array_count(all); i++)
        all[i] = child_of(i % 3 == 0 || i < 10 ? first : all[i / 2]);
    struct taking taking;
    take(&taking, first, false);
    uint32_t steps = 0, before = 0;
    while (revocation_advance(&taking.revocation) == REVOCATION_AGAIN) {
        CHECK(taking.revocation.count - before < 100);
        before = taking.revocation.count;
        steps++;
    }
    CHECK(steps > 100);
    CHECK_EQUAL(array_count(all), taking.revocation.count);
    for (uint32_t i = 0; i < array_count(all); i++) {
        CHECK(is_revoked(all[i]));
        capability_release(all[i]);
    }
    finish(first);
}

/* ---- what it waits for ---- */

TEST(it_is_over_when_the_last_use_has_ended)
{
    struct capability *first = begin();
    struct capability *child = used_child_of(first), *below = used_child_of(child);
    capability_use_more(below);
    struct taking taking;
    take(&taking, first, false);
    CHECK_EQUAL(REVOCATION_WAITING, advance(&taking));
    CHECK(is_revoked(child) && is_revoked(below));
    CHECK(below->object == &file); /* whoever uses it may go on doing so */
    capability_use_more(below);
    capability_unuse(below), capability_unuse(below);
    capability_unuse(child);
    CHECK_EQUAL(0, taking.progress_count);
    capability_unuse(below);
    CHECK_EQUAL(1, taking.progress_count);
    CHECK_EQUAL(REVOCATION_DONE, advance(&taking));
    CHECK_EQUAL(2, taking.revocation.count);
    capability_release(child), capability_release(below);
    finish(first);
}

TEST(a_handle_closed_while_it_is_taken_back_is_still_waited_for)
{
    struct capability *first = begin();
    struct capability *child = used_child_of(first);
    struct taking taking;
    take(&taking, first, false);
    CHECK_EQUAL(REVOCATION_WAITING, advance(&taking));
    capability_release(child);
    CHECK_EQUAL(0, taking.progress_count);
    capability_unuse(child);
    CHECK_EQUAL(1, taking.progress_count);
    CHECK_EQUAL(REVOCATION_DONE, advance(&taking));
    finish(first);
}

TEST(a_long_chain_that_waited_for_its_end_is_cleared_in_a_loop)
{
    struct capability *first = begin();
    static struct capability *chain[20000];
    for (uint32_t i = 0; i < array_count(chain); i++)
        chain[i] = child_of(i > 0 ? chain[i - 1] : first);
    struct capability *last = chain[array_count(chain) - 1];
    CHECK(capability_use_try(last));
    struct taking taking;
    take(&taking, first, false);
    CHECK_EQUAL(REVOCATION_WAITING, advance(&taking));
    CHECK_EQUAL(1, first->revoked_child_count);
    capability_unuse(last);
    CHECK_EQUAL(1, taking.progress_count);
    CHECK_EQUAL(0, first->child_count);
    CHECK_EQUAL(REVOCATION_DONE, advance(&taking));
    for (uint32_t i = 0; i < array_count(chain); i++)
        capability_release(chain[i]);
    finish(first);
}

TEST(with_itself_it_waits_for_all_uses_but_the_callers)
{
    struct capability *first = begin();
    struct capability *target = used_child_of(first), *below = child_of(target);
    capability_use_more(target); /* somebody else's */
    struct taking taking;
    take(&taking, target, true);
    CHECK_EQUAL(REVOCATION_WAITING, advance(&taking));
    CHECK(is_revoked(target) && is_revoked(below) && !is_revoked(first));
    CHECK_EQUAL(1, first->child_count); /* it is there for as long as the caller uses it */
    capability_unuse(target);
    CHECK_EQUAL(1, taking.progress_count);
    CHECK_EQUAL(REVOCATION_DONE, advance(&taking));
    CHECK_EQUAL(2, taking.revocation.count);
    capability_unuse(target);
    CHECK_EQUAL(0, first->child_count);
    capability_release(target), capability_release(below);
    finish(first);
}

/* ---- users that are told ---- */

struct listener {
    struct capability_user user;
    struct capability *capability; /* used */
    bool ends_at_once, is_ending, was_told;
};

static void *claim(struct capability_user *user)
{
    struct listener *listener = container_of(user, struct listener, user);
    return listener->is_ending ? nullptr : listener;
}

static void end(struct listener *listener)
{
    capability_user_leave(listener->capability, &listener->user);
    capability_unuse(listener->capability);
}

static void stop(void *claimed)
{
    struct listener *listener = claimed;
    listener->was_told = true;
    if (listener->ends_at_once) end(listener);
}
static const struct capability_user_type listener_type = {claim, stop};

static void listen(struct listener *listener, struct capability *capability, bool ends_at_once)
{
    *listener = (struct listener){.capability = capability, .ends_at_once = ends_at_once};
    CHECK(capability_use_try(capability));
    CHECK(capability_user_enter(capability, &listener->user, &listener_type));
}

TEST(users_are_told_once_and_waited_for)
{
    struct capability *first = begin();
    struct capability *child = child_of(first), *below = child_of(child);
    static struct listener quick[100];
    struct listener slow, leaving, ending, outside;
    for (uint32_t i = 0; i < array_count(quick); i++)
        listen(&quick[i], i % 2 == 0 ? child : below, true);
    listen(&slow, below, false);
    listen(&leaving, below, true);
    listen(&ending, below, true);
    listen(&outside, first, true);
    capability_user_leave(below, &leaving.user); /* it has come to its end by itself, nearly */
    ending.is_ending = true;

    struct taking taking;
    take(&taking, first, false);
    CHECK_EQUAL(REVOCATION_WAITING, advance(&taking));
    for (uint32_t i = 0; i < array_count(quick); i++)
        CHECK(quick[i].was_told);
    CHECK(slow.was_told && !leaving.was_told && !ending.was_told && !outside.was_told);
    CHECK(!capability_user_enter(below, &leaving.user, &listener_type));
    end(&leaving);
    end(&ending);
    CHECK_EQUAL(0, taking.progress_count);
    end(&slow);
    CHECK_EQUAL(1, taking.progress_count);
    CHECK_EQUAL(REVOCATION_DONE, advance(&taking));
    end(&outside);
    capability_release(child), capability_release(below);
    finish(first);
}

/* ---- several at once ---- */

TEST(an_outer_one_waits_for_what_an_inner_one_has_marked)
{
    struct capability *first = begin();
    struct capability *middle = used_child_of(first), *leaf = used_child_of(middle);
    struct taking inner, outer;
    take(&inner, middle, false);
    CHECK_EQUAL(REVOCATION_WAITING, advance(&inner));
    take(&outer, first, false);
    CHECK_EQUAL(REVOCATION_WAITING, advance(&outer));
    CHECK(is_revoked(middle));
    CHECK_EQUAL(ABI_DETAIL_MAKE(ABI_DETAIL_REVOKED, 1), capability_explain_revoked(leaf));
    CHECK_EQUAL(ABI_DETAIL_MAKE(ABI_DETAIL_REVOKED, 0), capability_explain_revoked(middle));
    capability_unuse(leaf);
    CHECK_EQUAL(1, inner.progress_count);
    CHECK_EQUAL(
        0,
        outer.progress_count); /* the middle is still in use, by whoever asked for the inner one */
    CHECK_EQUAL(REVOCATION_DONE, advance(&inner));
    capability_unuse(middle);
    CHECK_EQUAL(1, outer.progress_count);
    CHECK_EQUAL(REVOCATION_DONE, advance(&outer));
    CHECK_EQUAL(1, inner.revocation.count);
    CHECK_EQUAL(1, outer.revocation.count);
    capability_release(middle), capability_release(leaf);
    finish(first);
}

TEST(an_inner_one_that_begins_inside_an_outer_one_is_done_first)
{
    struct capability *first = begin();
    struct capability *middle = used_child_of(first), *leaf = used_child_of(middle);
    struct taking inner, outer;
    take(&outer, first, false);
    CHECK_EQUAL(REVOCATION_WAITING, advance(&outer));
    take(&inner, middle, true); /* it lets an operation end that the outer one waits for */
    CHECK_EQUAL(REVOCATION_WAITING, advance(&inner));
    capability_unuse(leaf);
    CHECK_EQUAL(1, inner.progress_count);
    CHECK_EQUAL(0, outer.progress_count);
    CHECK_EQUAL(REVOCATION_DONE, advance(&inner));
    CHECK_EQUAL(0, inner.revocation.count); /* the other one took them back */
    capability_unuse(middle);
    CHECK_EQUAL(1, outer.progress_count);
    CHECK_EQUAL(REVOCATION_DONE, advance(&outer));
    CHECK_EQUAL(2, outer.revocation.count);
    capability_release(middle), capability_release(leaf);
    finish(first);
}

TEST(two_of_one_capability_wait_for_each_others_part)
{
    struct capability *first = begin();
    static struct capability *children[1000];
    for (uint32_t i = 0; i < array_count(children); i++)
        children[i] = i < 500 ? child_of(first) : used_child_of(first);
    struct taking one, two;
    take(&one, first, false);
    CHECK_EQUAL(REVOCATION_AGAIN, revocation_advance(&one.revocation));
    CHECK(is_revoked(children[0]) && !is_revoked(children[499]));
    CHECK_EQUAL(0,
                first->revoked_child_count); /* those marked so far are out of the tree already */
    struct capability *late = used_child_of(first);
    take(&two, first, false);
    CHECK_EQUAL(REVOCATION_WAITING, advance(&two));
    CHECK_EQUAL(1, two.revocation.count);
    capability_unuse(late);
    CHECK_EQUAL(0, two.progress_count); /* it has no part of its own left, but the other one has */
    for (uint32_t i = 500; i < array_count(children); i++)
        capability_unuse(children[i]);
    CHECK_EQUAL(0, two.progress_count); /* most are not even marked */
    CHECK_EQUAL(REVOCATION_DONE, advance(&one));
    CHECK_EQUAL(1, two.progress_count);
    CHECK_EQUAL(REVOCATION_DONE, advance(&two));
    CHECK_EQUAL(array_count(children), one.revocation.count);
    for (uint32_t i = 0; i < array_count(children); i++)
        capability_release(children[i]);
    capability_release(late);
    finish(first);
}

TEST(one_that_is_begun_at_a_revoked_capability_waits_for_what_derives_from_that)
{
    struct capability *first = begin();
    struct capability *middle = used_child_of(first);
    static struct capability *leaves[200];
    for (uint32_t i = 0; i < array_count(leaves); i++)
        leaves[i] = used_child_of(middle);
    struct taking inner, outer;
    take(&outer, first, false);
    CHECK_EQUAL(REVOCATION_AGAIN, revocation_advance(&outer.revocation));
    CHECK(is_revoked(middle) && !is_revoked(leaves[199]));
    take(&inner, middle, false);
    CHECK_EQUAL(REVOCATION_WAITING, advance(&inner)); /* it does the rest of the marking */
    for (uint32_t i = 0; i < array_count(leaves); i++) {
        CHECK(is_revoked(leaves[i]));
        capability_unuse(leaves[i]);
    }
    if (inner.progress_count == 0) CHECK_EQUAL(REVOCATION_WAITING, advance(&outer));
    CHECK_EQUAL(1, inner.progress_count);
    CHECK_EQUAL(REVOCATION_DONE, advance(&inner));
    CHECK_EQUAL(array_count(leaves) + 1, inner.revocation.count + outer.revocation.count);
    capability_unuse(middle);
    CHECK_EQUAL(REVOCATION_DONE, advance(&outer));
    for (uint32_t i = 0; i < array_count(leaves); i++)
        capability_release(leaves[i]);
    capability_release(middle);
    finish(first);
}

/* ---- what can be asked ---- */

TEST(a_chain_can_be_walked_up_to_the_first_one)
{
    struct capability *first = begin();
    struct capability *child = child_of(first), *below = used_child_of(child);
    capability_release(child);
    struct capability *leaf = child_of(below);
    struct abi_derivation record;
    capability_describe(below, &record);
    CHECK_EQUAL(below->id, record.id);
    CHECK_EQUAL(2, record.step);
    CHECK_EQUAL(1, record.children);
    CHECK_EQUAL(0, record.in_use); /* but for the use of whoever asks */
    CHECK_EQUAL(ABI_ORIGIN_DUP, record.origin);
    CHECK_EQUAL(7, record.origin_process);
    CHECK_EQUAL(file.id, record.object_id);
    struct capability *parent = capability_parent(below);
    CHECK(parent == first);
    CHECK(capability_parent(parent) == nullptr);
    capability_describe(parent, &record);
    CHECK_EQUAL(0, record.parent_id);
    CHECK_EQUAL(1, record.in_use); /* the test's */
    capability_unuse(parent);
    capability_unuse(below);
    capability_release(leaf), capability_release(below);
    finish(first);
}

TEST(a_look_at_a_parent_that_is_only_history_keeps_it)
{
    struct capability *first = begin();
    struct capability *middle = child_of(first);
    struct capability *left = used_child_of(middle), *right = child_of(middle);
    capability_release(middle);
    struct capability *seen = capability_parent(left);
    CHECK(seen == middle);
    capability_unuse(left), capability_release(left), capability_release(right);
    CHECK_EQUAL(2, capability_count());
    capability_unuse(seen);
    CHECK_EQUAL(1, capability_count());
    finish(first);
}

TEST(all_who_reach_an_object_are_found_once_and_in_order)
{
    struct capability *first = begin();
    struct object other;
    object_init(&other, &file_type);
    static struct capability *all[300];
    uint32_t expected = 1;
    for (uint32_t i = 0; i < array_count(all); i++) {
        if (i % 3 == 0) {
            capability_result made =
                capability_derive_object(first, &other, ABI_RIGHTS_ALL, BY_DUP);
            CHECK_STATUS(OK, made.status);
            all[i] = made.value;
        } else {
            all[i] = child_of(first);
            expected++;
        }
    }
    CHECK(capability_use_try(all[1]));
    struct capability *revoked = child_of(all[1]);
    take_all(all[1], false);
    capability_unuse(all[1]);

    uint64_t last = 0;
    uint32_t found = 0;
    struct capability_reach reach, another;
    struct abi_derivation record;
    capability_reach_begin(&another, file.id, 0); /* what it leaves in the list is passed over */
    CHECK(capability_reach_next(&another, &record));
    CHECK_EQUAL(first->id, record.id);
    for (uint64_t after = 0;; after = last) {
        uint32_t before = found;
        capability_reach_begin(&reach, file.id, after);
        while (found - before < 7 && capability_reach_next(&reach, &record)) {
            if (record.id == 0) continue;
            CHECK(record.id > last);
            CHECK_EQUAL(file.id, record.object_id);
            last = record.id;
            found++;
        }
        capability_reach_end(&reach);
        if (found == before) break;
    }
    capability_reach_end(&another);
    CHECK_EQUAL(expected, found);
    for (uint32_t i = 0; i < array_count(all); i++)
        capability_release(all[i]);
    capability_release(revoked);
    object_put(&other);
    destroyed = 0;
    finish(first);
}
