#include "base/list.h"
#include "support/test.h"

struct item {
    int number;
    struct list member;
};

static uint64_t digits_of(struct list *head)
{
    uint64_t digits = 0;
    struct item *item;
    list_for_each (item, head, member)
        digits = digits * 10 + (uint64_t)item->number;
    return digits;
}

TEST(members_keep_their_order_and_leave_from_anywhere)
{
    struct list head = LIST_INIT(head);
    struct item items[4];
    for (int i = 0; i < 4; i++) {
        items[i].number = i + 1;
        list_init(&items[i].member);
    }
    list_push_back(&head, &items[1].member);
    list_push_back(&head, &items[2].member);
    list_push_front(&head, &items[0].member);
    list_insert_after(&items[2].member, &items[3].member);
    CHECK_EQUAL(1234, digits_of(&head));

    list_remove(&items[1].member);
    list_remove(&items[1].member);
    CHECK_EQUAL(134, digits_of(&head));
    CHECK(list_take_front(&head) == &items[0].member);
    CHECK_EQUAL(34, digits_of(&head));
}

TEST(moving_all_empties_one_list_and_extends_the_other)
{
    struct list one = LIST_INIT(one), other = LIST_INIT(other);
    struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    list_move_all(&one, &other);
    CHECK(list_is_empty(&one));
    list_push_back(&one, &items[0].member);
    list_push_back(&other, &items[1].member);
    list_push_back(&other, &items[2].member);
    list_move_all(&one, &other);
    CHECK(list_is_empty(&other));
    CHECK_EQUAL(123, digits_of(&one));
    CHECK(list_take_front(&other) == nullptr);
}

TEST(a_walk_may_remove_what_it_visits)
{
    struct list head = LIST_INIT(head);
    struct item items[4] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    for (int i = 0; i < 4; i++)
        list_push_back(&head, &items[i].member);
    struct item *item, *after;
    list_for_each_safe (item, after, &head, member) {
        if (item->number % 2 == 0) list_remove(&item->member);
    }
    CHECK_EQUAL(13, digits_of(&head));
}
