/* Reference counts and identities of kernel objects. */
#include "cap/object.h"
#include "debug/assert.h"

/* Relaxed throughout: both are counters that order nothing. */
static _Atomic uint64_t ids_given;
static _Atomic uint64_t objects_alive;

/* A count that has come this far was leaked to; one more turn and it would wrap to a use after
 * free. */
static constexpr uint32_t REFERENCES_MAX = UINT32_MAX / 2;

static struct object_grave *grave_before_threads(void)
{
    static struct object_grave grave;
    return &grave;
}
static struct object_grave *(*grave_of_current)(void) = grave_before_threads;

void object_set_grave(struct object_grave *(*grave_of_current_thread)(void))
{
    grave_of_current = grave_of_current_thread;
}

void object_init(struct object *object, const struct object_type *type)
{
    object->type = type;
    atomic_init(&object->references, 1);
    object->history_count = 0;
    object->id = atomic_fetch_add_explicit(&ids_given, 1, memory_order_relaxed) + 1;
    atomic_fetch_add_explicit(&objects_alive, 1, memory_order_relaxed);
}

void object_get(struct object *object)
{
    /* Relaxed: whoever gets already has a reference that keeps the object. */
    uint32_t before = atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
    ASSERT(before != 0 && before < REFERENCES_MAX);
}

bool object_get_try(struct object *object)
{
    uint32_t references = atomic_load_explicit(&object->references, memory_order_relaxed);
    do {
        if (references == 0) return false;
        ASSERT(references < REFERENCES_MAX);
    } while (!atomic_compare_exchange_weak_explicit(&object->references, &references,
                                                    references + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

/* Destroys the object, and then all that its destruction, and theirs, put for the last time. */
static void destroy_cascading(struct object *object)
{
    struct object_grave *grave = grave_of_current();
    object->next_dead = grave->first;
    grave->first = object;
    if (grave->is_active) return;
    grave->is_active = true;
    while (grave->first != nullptr) {
        struct object *dead = grave->first;
        grave->first = dead->next_dead;
        dead->type->destroy(dead);
    }
    grave->is_active = false;
}

void object_put(struct object *object)
{
    uint32_t before = atomic_fetch_sub_explicit(&object->references, 1, memory_order_release);
    ASSERT(before != 0);
    if (before != 1) return;
    /* Pairs with the releases above: everything done through other references is over. */
    atomic_thread_fence(memory_order_acquire);
    atomic_fetch_sub_explicit(&objects_alive, 1, memory_order_relaxed);
    if (unlikely(object->type->may_cascade))
        destroy_cascading(object);
    else
        object->type->destroy(object);
}

uint64_t object_count(void)
{
    return atomic_load_explicit(&objects_alive, memory_order_relaxed);
}
