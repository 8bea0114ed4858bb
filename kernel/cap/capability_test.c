#include "cap/capability.h"
#include "mm/heap.h"
#include "support/test.h"

static uint32_t destroyed;

static void note_destroyed(struct object *object)
{
    (void)object;
    destroyed++;
}

static const struct object_type file_type = {
    .kind = ABI_KIND_FILE,
    .rights_all = ABI_RIGHT_READ | ABI_RIGHT_WRITE | ABI_RIGHT_DUP | ABI_RIGHT_STAT,
    .destroy = note_destroyed,
};

static struct capability *first_of(struct object *object, uint64_t rights)
{
    static bool is_ready;
    if (!is_ready) CHECK_STATUS(OK, capability_init());
    is_ready = true;
    destroyed = 0;
    object_init(object, &file_type);
    capability_result made = capability_create(object, rights);
    CHECK_STATUS(OK, made.status);
    object_put(object); /* the capability keeps it */
    return made.value;
}

static constexpr derivation BY_DUP = {ABI_ORIGIN_DUP, 7};

static struct capability *derived(struct capability *from, uint64_t rights)
{
    capability_result made = capability_derive(from, rights, BY_DUP);
    CHECK_STATUS(OK, made.status);
    return made.value;
}

TEST(an_object_is_destroyed_at_its_last_put_and_not_before)
{
    uint64_t before = object_count();
    struct object file;
    destroyed = 0;
    object_init(&file, &file_type);
    CHECK_EQUAL(before + 1, object_count());
    object_get(&file);
    object_put(&file);
    CHECK_EQUAL(0, destroyed);
    object_put(&file);
    CHECK_EQUAL(1, destroyed);
    CHECK_EQUAL(before, object_count());
}

TEST(ids_are_never_reused)
{
    struct object old, young;
    object_init(&old, &file_type);
    uint64_t id = old.id;
    object_put(&old);
    object_init(&young, &file_type);
    CHECK(young.id > id);
    object_put(&young);
}

TEST(a_put_too_many_stops_the_kernel)
{
    struct object file;
    object_init(&file, &file_type);
    object_put(&file);
    CHECK_STOPS("assertion failed", object_put(&file));
    CHECK_STOPS("assertion failed", object_get(&file));
}

TEST(a_first_capability_has_only_rights_that_make_sense_for_its_kind)
{
    struct object file;
    struct capability *first = first_of(&file, ABI_RIGHTS_ALL);
    CHECK_EQUAL(file_type.rights_all, first->rights);
    CHECK_EQUAL(0, first->step);
    capability_release(first);
    CHECK_EQUAL(1, destroyed);
}

TEST(deriving_shrinks_and_never_grows)
{
    struct object file;
    struct capability *first = first_of(&file, ABI_RIGHT_READ | ABI_RIGHT_STAT);
    struct capability *second = derived(first, ABI_RIGHT_READ | ABI_RIGHT_WRITE);
    CHECK_EQUAL(ABI_RIGHT_READ, second->rights);
    CHECK_EQUAL(1, second->step);
    CHECK(second->parent == first);
    struct capability *same = derived(second, ABI_RIGHTS_ALL);
    CHECK(same != second); /* a child, though nothing was lost */
    CHECK(same->parent == second);
    CHECK_EQUAL(2, same->step);
    capability_release(same);
    capability_release(first); /* stays as history */
    CHECK_EQUAL(0, destroyed);
    CHECK_EQUAL(2, capability_count());
    capability_release(second);
    CHECK_EQUAL(1, destroyed);
    CHECK_EQUAL(0, capability_count());
}

TEST(what_took_nothing_away_is_no_history)
{
    struct object file;
    struct capability *first = first_of(&file, ABI_RIGHTS_ALL);
    struct capability *last = derived(first, ABI_RIGHTS_ALL);
    for (uint32_t i = 0; i < 1000; i++) { /* dup and close for ever pins nothing */
        struct capability *next = derived(last, ABI_RIGHTS_ALL);
        capability_release(last);
        last = next;
    }
    CHECK_EQUAL(2, capability_count());
    CHECK_EQUAL(1001, last->step);
    CHECK(last->parent == first);
    capability_release(first);
    CHECK_EQUAL(2, capability_count()); /* the first one is kept for people */
    capability_release(last);
    CHECK_EQUAL(0, capability_count());
    CHECK_EQUAL(1, destroyed);
}

TEST(history_is_at_most_as_long_as_there_are_rights)
{
    struct object file;
    struct capability *last = first_of(&file, ABI_RIGHTS_ALL);
    for (uint32_t bit = 0; bit < 64; bit++) {
        for (uint32_t again = 0; again < 3; again++) {
            struct capability *next = derived(last, ~(1ull << bit));
            capability_release(last);
            last = next;
        }
    }
    CHECK_EQUAL(0, last->rights);
    CHECK_EQUAL(6,
                capability_count()); /* the first, those that took one of four rights, the last */
    CHECK_EQUAL(ABI_DETAIL_MAKE(0, 1), capability_explain(last, ABI_RIGHT_READ));
    capability_release(last);
    CHECK_EQUAL(0, capability_count());
}

TEST(a_node_that_becomes_the_only_child_of_history_moves_up)
{
    struct object file;
    struct capability *first = first_of(&file, ABI_RIGHTS_ALL);
    struct capability *middle = derived(first, ABI_RIGHTS_ALL);
    struct capability *left = derived(middle, ABI_RIGHTS_ALL);
    struct capability *right = derived(middle, ABI_RIGHTS_ALL);
    capability_release(middle);
    CHECK_EQUAL(4, capability_count()); /* it is where two branch */
    CHECK(left->parent == middle);
    capability_release(right);
    CHECK_EQUAL(2, capability_count());
    CHECK(left->parent == first);
    CHECK_EQUAL(1, first->child_count);
    capability_release(first);
    capability_release(left);
    CHECK_EQUAL(0, capability_count());
}

TEST(what_was_found_through_another_object_says_so_after_that_handle_was_closed)
{
    struct object folder, file, inner;
    struct capability *first = first_of(&folder, ABI_RIGHT_READ | ABI_RIGHT_STAT);
    object_init(&inner, &file_type);
    object_init(&file, &file_type);
    derivation opened = {ABI_ORIGIN_OPENED, 9};
    capability_result through = capability_derive_object(first, &inner, ABI_RIGHTS_ALL, opened);
    CHECK_STATUS(OK, through.status);
    CHECK_EQUAL(file_type.rights_all, through.value->rights); /* cutting them is the caller's */
    struct capability *copy = derived(through.value, ABI_RIGHTS_ALL);
    capability_release(through.value);
    CHECK(copy->parent == first);
    CHECK_EQUAL(ABI_ORIGIN_OPENED, copy->origin);
    CHECK_EQUAL(9, copy->origin_process);
    CHECK_EQUAL(inner.id, copy->object_id);
    capability_release(copy);
    capability_release(first);
    object_put(&inner);
    object_put(&file);
    CHECK_EQUAL(0, capability_count());
}

TEST(a_refusal_names_the_lowest_missing_right_and_the_step_that_lost_it)
{
    struct object file;
    struct capability *first =
        first_of(&file, ABI_RIGHT_READ | ABI_RIGHT_WRITE | ABI_RIGHT_DUP | ABI_RIGHT_STAT);
    struct capability *no_write = derived(first, ~(uint64_t)ABI_RIGHT_WRITE);
    struct capability *no_dup = derived(no_write, ~(uint64_t)ABI_RIGHT_DUP);
    struct capability *no_stat = derived(no_dup, ~(uint64_t)ABI_RIGHT_STAT);

    CHECK_EQUAL(0, capability_explain(no_stat, ABI_RIGHT_READ));
    CHECK_EQUAL(ABI_DETAIL_MAKE(1, 1),
                capability_explain(no_stat, ABI_RIGHT_WRITE | ABI_RIGHT_STAT));
    CHECK_EQUAL(ABI_DETAIL_MAKE(4, 2), capability_explain(no_stat, ABI_RIGHT_DUP));
    CHECK_EQUAL(ABI_DETAIL_MAKE(7, 3), capability_explain(no_stat, ABI_RIGHT_STAT));
    /* Never there: step 0. */
    CHECK_EQUAL(ABI_DETAIL_MAKE(14, 0), capability_explain(no_stat, ABI_RIGHT_KILL));

    capability_release(first);
    capability_release(no_write);
    capability_release(no_dup);
    capability_release(no_stat);
    CHECK_EQUAL(1, destroyed);
}

TEST(a_capability_that_cannot_be_made_leaves_every_count_as_it_was)
{
    uint64_t objects = object_count();
    uint64_t memory = heap_count().objects_taken;
    FOR_EACH_FAILING_ALLOCATION {
        struct object file;
        object_init(&file, &file_type);
        capability_result first = capability_create(&file, ABI_RIGHTS_ALL);
        if (is_ok(first.status)) {
            capability_result second = capability_derive(first.value, ABI_RIGHT_READ, BY_DUP);
            if (is_ok(second.status))
                capability_release(second.value);
            else
                CHECK_STATUS(OUT_OF_MEMORY, second.status);
            CHECK_EQUAL(CAPABILITY_HOLD_ONE, first.value->state);
            CHECK_EQUAL(0, first.value->child_count);
            capability_release(first.value);
        } else {
            CHECK_STATUS(OUT_OF_MEMORY, first.status);
        }
        CHECK_EQUAL(1, file.references);
        object_put(&file);
    }
    CHECK_EQUAL(objects, object_count());
    CHECK_EQUAL(memory, heap_count().objects_taken);
}
