#include "peal/scope_tree.h"
#include "support/test.h"

/* What is in a scope, as far as the tree knows. */
struct member {
    struct list scope_link;
    uint32_t times_reached;
};

static void count(struct list *task)
{
    LIST_ELEMENT(task, struct member, scope_link)->times_reached++;
}

static void enter(struct member *member, struct task_scope *scope)
{
    member->times_reached = 0;
    list_add_last(&scope->tasks, &member->scope_link);
}

TEST(stopping_a_scope_reaches_all_below_it_and_nothing_else)
{
    struct task_scope root, group, subgroup, inner, other;
    struct member in_root, in_group, in_subgroup, in_inner, in_other;
    scope_tree_root(&root);
    scope_tree_add(&group, &root, false);
    scope_tree_add(&other, &root, false);
    scope_tree_add(&subgroup, &group, false);
    scope_tree_add(&inner, &subgroup, false);
    enter(&in_root, &root);
    enter(&in_group, &group);
    enter(&in_subgroup, &subgroup);
    enter(&in_inner, &inner);
    enter(&in_other, &other);
    scope_tree_stop(&group, FAIL(INTERRUPTED), count);
    CHECK_EQUAL(0, in_root.times_reached);
    CHECK_EQUAL(1, in_group.times_reached);
    CHECK_EQUAL(1, in_subgroup.times_reached);
    CHECK_EQUAL(1, in_inner.times_reached);
    CHECK_EQUAL(0, in_other.times_reached);
    CHECK_STATUS(OK, root.reason);
    CHECK_STATUS(OK, other.reason);
    CHECK_STATUS(INTERRUPTED, inner.reason);
}

TEST(what_has_been_stopped_keeps_its_reason_and_is_told_once)
{
    struct task_scope root, outer, inner;
    struct member in_outer, in_inner;
    scope_tree_root(&root);
    scope_tree_add(&outer, &root, false);
    scope_tree_add(&inner, &outer, false);
    enter(&in_outer, &outer);
    enter(&in_inner, &inner);
    scope_tree_stop(&inner, FAIL(TIMED_OUT), count);
    scope_tree_stop(&outer, FAIL(INTERRUPTED), count);
    scope_tree_stop(&outer, FAIL(TIMED_OUT), count);
    CHECK_EQUAL(1, in_inner.times_reached);
    CHECK_EQUAL(1, in_outer.times_reached);
    CHECK_STATUS(TIMED_OUT, inner.reason);
    CHECK_STATUS(INTERRUPTED, outer.reason);
}

TEST(a_scope_that_begins_in_a_stopped_one_is_stopped_unless_it_is_a_shield)
{
    struct task_scope root, stopped, late, shield, in_shield;
    scope_tree_root(&root);
    scope_tree_add(&stopped, &root, false);
    scope_tree_stop(&stopped, FAIL(INTERRUPTED), count);
    scope_tree_add(&late, &stopped, false);
    scope_tree_add(&shield, &stopped, true);
    scope_tree_add(&in_shield, &shield, false);
    CHECK_STATUS(INTERRUPTED, late.reason);
    CHECK_STATUS(OK, shield.reason);
    CHECK_STATUS(OK, in_shield.reason);
}

TEST(a_shield_keeps_out_what_stops_those_around_it_but_can_be_stopped_itself)
{
    struct task_scope root, group, shield, within, behind;
    struct member in_within, in_behind;
    scope_tree_root(&root);
    scope_tree_add(&group, &root, false);
    scope_tree_add(&shield, &group, true);
    scope_tree_add(&within, &shield, false);
    scope_tree_add(&behind, &group, false);
    enter(&in_within, &within);
    enter(&in_behind, &behind);
    scope_tree_stop(&group, FAIL(INTERRUPTED), count);
    CHECK_EQUAL(0, in_within.times_reached);
    CHECK_EQUAL(1, in_behind.times_reached);
    CHECK_STATUS(OK, within.reason);
    scope_tree_stop(&shield, FAIL(TIMED_OUT), count);
    CHECK_EQUAL(1, in_within.times_reached);
    CHECK_STATUS(TIMED_OUT, within.reason);
}

TEST(a_scope_with_something_in_it_is_not_taken_out)
{
    struct task_scope root, outer, inner;
    struct member member;
    scope_tree_root(&root);
    scope_tree_add(&outer, &root, false);
    scope_tree_add(&inner, &outer, false);
    CHECK(!scope_tree_remove(&outer));
    enter(&member, &inner);
    CHECK(!scope_tree_remove(&inner));
    list_remove(&member.scope_link);
    CHECK(scope_tree_remove(&inner));
    CHECK(scope_tree_remove(&outer));
    CHECK(list_is_empty(&root.children));
}

TEST(a_scope_lies_within_itself_and_all_above_it)
{
    struct task_scope root, outer, inner, beside;
    scope_tree_root(&root);
    scope_tree_add(&outer, &root, false);
    scope_tree_add(&inner, &outer, false);
    scope_tree_add(&beside, &root, false);
    CHECK(scope_tree_is_within(&inner, &inner));
    CHECK(scope_tree_is_within(&inner, &outer));
    CHECK(scope_tree_is_within(&inner, &root));
    CHECK(!scope_tree_is_within(&outer, &inner));
    CHECK(!scope_tree_is_within(&inner, &beside));
}

/* As deep as anybody gets: the walk does not recurse. */
TEST(a_tree_a_hundred_thousand_deep_is_stopped)
{
    enum { DEPTH = 100000 };
    static struct task_scope scopes[DEPTH];
    struct member member;
    scope_tree_root(&scopes[0]);
    for (uint32_t i = 1; i < DEPTH; i++)
        scope_tree_add(&scopes[i], &scopes[i - 1], false);
    enter(&member, &scopes[DEPTH - 1]);
    scope_tree_stop(&scopes[0], FAIL(INTERRUPTED), count);
    CHECK_EQUAL(1, member.times_reached);
    for (uint32_t i = DEPTH - 1; i > 0; i--) {
        list_init(&scopes[i].tasks);
        CHECK(scope_tree_remove(&scopes[i]));
    }
}
