/* Capabilities and the tree they form. */
#include "cap/capability.h"
#include "debug/assert.h"
#include "mm/heap.h"

static struct slab_cache *capabilities;

status capability_init(void)
{
    capabilities =
        slab_cache_create("capability", sizeof(struct capability), alignof(struct capability));
    return capabilities != nullptr ? OK : FAIL(OUT_OF_MEMORY);
}

static capability_result capability_make(struct object *object, CONSUMED struct capability *parent,
                                         uint64_t rights)
{
    struct capability *made = slab_take(capabilities);
    if (made == nullptr) {
        if (parent != nullptr) capability_put(parent);
        return (capability_result){.status = FAIL(OUT_OF_MEMORY)};
    }
    object_get(object);
    made->object = object;
    made->parent = parent;
    made->rights = rights;
    made->step = parent != nullptr ? parent->step + 1 : 0;
    atomic_init(&made->references, 1);
    atomic_init(&made->is_revoked, false);
    return (capability_result){.value = made};
}

capability_result capability_create(struct object *object, uint64_t rights)
{
    return capability_make(object, nullptr, rights & object->type->rights_all);
}

capability_result capability_derive(struct capability *from, uint64_t rights)
{
    capability_get(from);
    if ((from->rights & ~rights) == 0) return (capability_result){.value = from};
    return capability_make(from->object, from, from->rights & rights);
}

void capability_get(struct capability *capability)
{
    uint32_t before = atomic_fetch_add_explicit(&capability->references, 1, memory_order_relaxed);
    ASSERT(before != 0 && before < UINT32_MAX / 2);
}

/* True when it was the last reference. */
static bool drop_reference(struct capability *capability)
{
    uint32_t before = atomic_fetch_sub_explicit(&capability->references, 1, memory_order_release);
    ASSERT(before != 0);
    return before == 1;
}

/* Up the tree in a loop: the last child takes its whole chain of history along. */
[[gnu::noinline]] static void destroy_chain(struct capability *capability)
{
    do {
        atomic_thread_fence(memory_order_acquire); /* pairs with the releases of the other puts */
        struct capability *parent = capability->parent;
        object_put(capability->object);
        slab_give(capabilities, capability);
        capability = parent;
    } while (capability != nullptr && drop_reference(capability));
}

void capability_put(struct capability *capability)
{
    if (capability != nullptr && drop_reference(capability)) destroy_chain(capability);
}

uint32_t capability_explain(const struct capability *capability, uint64_t needed)
{
    uint64_t missing = needed & ~capability->rights;
    if (missing == 0) return 0;
    uint32_t bit = (uint32_t)__builtin_ctzll(missing);
    uint64_t right = 1ull << bit;

    /* Rights only shrink downwards, so the first holder without it, seen from the top, lost it. */
    const struct capability *loser = capability;
    while (loser->parent != nullptr && (loser->parent->rights & right) == 0)
        loser = loser->parent;
    return ABI_DETAIL_MAKE(bit, loser->step);
}
