/* Vnodes: references. */
#include "fs/vfs/vnode.h"
#include "base/bytes.h"
#include "debug/assert.h"
#include "fs/vfs/page_cache.h"
#include <stdatomic.h>

void vnode_init(struct vnode *vnode, const struct vnode_operations *operations, enum abi_kind kind)
{
    bytes_zero(vnode, sizeof(*vnode));
    vnode->operations = operations;
    vnode->kind = kind;
    vnode->references = 1;
    mutex_init(&vnode->write_lock, LOCK_RANK_FILE_SIZE);
    mutex_init(&vnode->fill_lock, LOCK_RANK_VNODE);
}

void vnode_get(struct vnode *vnode)
{
    /* Relaxed: whoever asks has a reference already. */
    uint32_t before = atomic_fetch_add_explicit(&vnode->references, 1, memory_order_relaxed);
    ASSERT(before != 0 && before != UINT32_MAX);
}

bool vnode_get_try(struct vnode *vnode)
{
    uint32_t now = atomic_load_explicit(&vnode->references, memory_order_relaxed);
    do {
        if (now == 0) return false;
        /* Relaxed: the table it was found in has a lock. */
    } while (!atomic_compare_exchange_weak_explicit(&vnode->references, &now, now + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void vnode_put(struct vnode *vnode)
{
    uint32_t before = atomic_fetch_sub_explicit(&vnode->references, 1, memory_order_release);
    ASSERT(before != 0);
    if (before != 1) return;
    /* Pairs with the releases of all others. */
    atomic_thread_fence(memory_order_acquire);
    page_cache_destroy(vnode);
    vnode->operations->release(vnode);
}
