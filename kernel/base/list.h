/*
 * A doubly linked list through members of the things listed: insertion cannot fail.
 *
 * A `struct list` is either a head or a member. A member that is in no list points to itself, so
 * list_remove is idempotent. The caller provides the locking.
 * Context: any. Cost: constant.
 */
#pragma once
#include "base/container.h"

struct list {
    struct list *next;
    struct list *previous;
};

#define LIST_INIT(name) {&(name), &(name)}

static inline void list_init(struct list *list)
{
    list->next = list;
    list->previous = list;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_insert_after(struct list *where, struct list *member)
{
    member->next = where->next;
    member->previous = where;
    where->next->previous = member;
    where->next = member;
}

static inline void list_push_front(struct list *head, struct list *member)
{
    list_insert_after(head, member);
}

static inline void list_push_back(struct list *head, struct list *member)
{
    list_insert_after(head->previous, member);
}

static inline void list_remove(struct list *member)
{
    member->previous->next = member->next;
    member->next->previous = member->previous;
    list_init(member);
}

/* The first member, removed, or nullptr. */
static inline struct list *list_take_front(struct list *head)
{
    struct list *first = head->next;
    if (first == head) return nullptr;
    list_remove(first);
    return first;
}

/* Moves all of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_move_all(struct list *to, struct list *from)
{
    if (list_is_empty(from)) return;
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    list_init(from);
}

#define list_entry(pointer, type, member) container_of(pointer, type, member)

/* Walks the list; the body must not remove `entry`. */
#define list_for_each(entry, head, member)                                                   \
    for (entry = list_entry((head)->next, typeof(*entry), member); &entry->member != (head); \
         entry = list_entry(entry->member.next, typeof(*entry), member))

/* Walks the list; the body may remove `entry`, and nothing else. */
#define list_for_each_safe(entry, after, head, member)                  \
    for (entry = list_entry((head)->next, typeof(*entry), member),      \
        after = list_entry(entry->member.next, typeof(*entry), member); \
         &entry->member != (head);                                      \
         entry = after, after = list_entry(after->member.next, typeof(*after), member))
