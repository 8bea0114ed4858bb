/*
 * Doubly linked lists whose links lie inside the elements. Pure.
 *
 *     struct list waiting;                 the head: list_init() it
 *     struct job { struct list link; };    an element is in one list per link
 *     struct job *first = LIST_ELEMENT(list_take_first(&waiting), struct job, link);
 *
 * Adding and removing cannot fail. Locking: whoever owns the list.
 */
#pragma once
#include <stddef.h>

struct list {
    struct list *next;
    struct list *previous;
};

/* The element whose member `member` is at `link_`, which is not nullptr. */
#define LIST_ELEMENT(link_, type, member) \
    ((type *)(void *)((char *)(link_) - offsetof(type, member)))

/* Also makes a link one that is in no list. */
static inline void list_init(struct list *list)
{
    list->next = list;
    list->previous = list;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_add_last(struct list *list, struct list *link)
{
    struct list *last = list->previous;
    link->next = list;
    link->previous = last;
    last->next = link;
    list->previous = link;
}

/* Takes it out of whatever list it is in; it is in none then. */
static inline void list_remove(struct list *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    list_init(link);
}

/* nullptr when the list is empty. The link is left as it was: in no list, though not initialised.
 */
static inline struct list *list_take_first(struct list *list)
{
    struct list *first = list->next;
    if (first == list) return nullptr;
    struct list *second = first->next;
    list->next = second;
    second->previous = list;
    return first;
}
