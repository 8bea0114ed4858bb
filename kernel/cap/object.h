/*
 * Kernel objects: what handles name.
 *
 * Every object embeds a struct object first or elsewhere, counts its references, and is destroyed
 * by its type's function at the last put. Ids are unique for the kernel's life.
 *
 * Context: get and put from any context, unless the type's destroy needs task context (object_type
 * says); such objects are put from task context only.
 */
#pragma once
#include "base/owned.h"
#include "base/status.h"
#include <stdatomic.h>

struct object;

struct object_type {
    enum abi_kind kind;
    /* Rights that make sense for this kind; all handles are cut to them. */
    uint64_t rights_all;
    /* Requests through handles to it go to a server; see ops.def. */
    bool is_served;
    /* Last reference gone: free it. */
    void (*destroy)(struct object *object);
    /*
     * Its destroy may put other objects of such types: a channel drops the messages in it, and with
     * them the handles of other channels. A put of the last reference inside such a destroy only
     * notes the object; the outermost put destroys what was noted, one after the other, before it
     * returns. So however long a chain of objects is, the stack does not grow.
     */
    bool may_cascade;
};

struct object {
    const struct object_type *type;
    _Atomic uint32_t references; /* relaxed up, release down, acquire at zero */
    uint64_t id;
    struct object *next_dead; /* owned by the grave it is in, after the last put */
    /* Guarded by the capability tree's lock: of the references, those of capabilities that nobody
     * refers to. */
    uint32_t history_count;
};

RESULT_TYPE(object_result, struct object *);

/* Where a thread notes what is to be destroyed: a part of the thread, zero at first. */
struct object_grave {
    struct object *first; /* the one noted last */
    bool is_active;       /* this thread is destroying an object of such a type */
};
/* Boot: how to find the grave of the thread that runs. Without one there is one flow of execution
 * only. */
void object_set_grave(struct object_grave *(*grave_of_current)(void));

/* One reference, for the caller. */
void object_init(struct object *object, const struct object_type *type);
void object_get(struct object *object);
void object_put(struct object *object);
/* One reference more, by whoever knows that the memory is there, but perhaps not the object any
 * more: then false. */
bool object_get_try(struct object *object);
static inline enum abi_kind object_kind(const struct object *object)
{
    return object->type->kind;
}

/* A reference that somebody owns. */
typedef struct object *object_owner;
static inline void object_owner_drop(object_owner *owner)
{
    if (*owner != nullptr) object_put(*owner);
}
/* Objects alive, for leak counts. */
uint64_t object_count(void);
