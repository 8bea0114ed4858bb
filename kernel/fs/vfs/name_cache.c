/* The name cache. */
#include "fs/vfs/name_cache.h"
#include "base/bytes.h"
#include "mm/heap.h"
#include "sync/spin_lock.h"

static constexpr uint32_t WAYS = 4;
static constexpr uint32_t SETS = NAME_CACHE_SLOTS / WAYS;

struct name_slot {
    uint64_t directory;  /* identity */
    uint64_t used_at;    /* 0: empty */
    struct vnode *vnode; /* counted */
    char *name;          /* owned */
    uint32_t hash;
    uint32_t name_bytes;
};

static spin_lock cache_lock = SPIN_LOCK_INIT(LOCK_RANK_FILE);
static struct name_slot slots[SETS][WAYS] GUARDED_BY(cache_lock);
static uint64_t cache_clock GUARDED_BY(cache_lock);
/* Written under the lock. Relaxed outside: the file system's own lock, under which a look-up and
 * the change that makes it stale exclude each other, orders what is compared later. */
static _Atomic uint64_t changes;

/* FNV-1a over the identity and the name. */
static uint32_t hash_of(uint64_t directory, text name)
{
    uint64_t hash = (0xcbf29ce484222325ull ^ directory) * 0x100000001b3ull;
    for (size_t i = 0; i < name.length; i++)
        hash = (hash ^ (uint8_t)name.bytes[i]) * 0x100000001b3ull;
    return (uint32_t)(hash ^ hash >> 32);
}

static bool slot_holds(const struct name_slot *slot, uint64_t directory, uint32_t hash, text name)
{
    return slot->used_at != 0 && slot->hash == hash && slot->directory == directory &&
           text_equal((text){slot->name, slot->name_bytes}, name);
}

static struct name_slot *find_locked(uint64_t directory, uint32_t hash, text name)
    REQUIRES(cache_lock)
{
    struct name_slot *set = slots[hash % SETS];
    for (uint32_t i = 0; i < WAYS; i++) {
        if (slot_holds(&set[i], directory, hash, name)) return &set[i];
    }
    return nullptr;
}

struct vnode *name_cache_find(const struct vnode *directory, text name)
{
    uint32_t hash = hash_of(directory->identity, name);
    struct vnode *found = nullptr;
    spin_acquire(&cache_lock);
    struct name_slot *slot = find_locked(directory->identity, hash, name);
    if (slot != nullptr) {
        slot->used_at = ++cache_clock;
        found = slot->vnode;
        vnode_get(found);
    }
    spin_release(&cache_lock);
    return found;
}

/* Puts the new content into its place and hands out what was there. */
static struct name_slot replace_locked(struct name_slot content) REQUIRES(cache_lock)
{
    struct name_slot *set = slots[content.hash % SETS];
    struct name_slot *place =
        find_locked(content.directory, content.hash, (text){content.name, content.name_bytes});
    if (place == nullptr) {
        place = &set[0];
        for (uint32_t i = 1; i < WAYS; i++) {
            if (set[i].used_at < place->used_at) place = &set[i];
        }
    }
    struct name_slot old = *place;
    content.used_at = ++cache_clock;
    *place = content;
    return old;
}

static void slot_drop(struct name_slot *slot)
{
    if (slot->used_at == 0) return;
    vnode_put(slot->vnode);
    heap_give(slot->name);
}

uint64_t name_cache_changes(void)
{
    return atomic_load_explicit(&changes, memory_order_relaxed);
}

void name_cache_add(const struct vnode *directory, text name, struct vnode *vnode, uint64_t seen)
{
    if (name.length == 0 || name.length > NAME_CACHE_NAME_BYTES_MAX) return;
    char *copy = heap_take(name.length);
    if (copy == nullptr) return;
    bytes_copy(copy, name.bytes, name.length);
    vnode_get(vnode);
    struct name_slot content = {
        .directory = directory->identity,
        .used_at = 1, /* whatever is not 0 */
        .vnode = vnode,
        .name = copy,
        .hash = hash_of(directory->identity, name),
        .name_bytes = (uint32_t)name.length,
    };
    spin_acquire(&cache_lock);
    struct name_slot left_over = name_cache_changes() == seen ? replace_locked(content) : content;
    spin_release(&cache_lock);
    slot_drop(&left_over);
}

/* Takes the next slot of the vnode out, from *at on. */
static bool take_slot_of(const struct vnode *vnode, uint32_t *at, struct name_slot *out_slot)
{
    bool is_found = false;
    spin_acquire(&cache_lock);
    for (; *at < NAME_CACHE_SLOTS && !is_found; (*at)++) {
        struct name_slot *slot = &slots[*at / WAYS][*at % WAYS];
        is_found = slot->used_at != 0 && slot->vnode == vnode;
        if (!is_found) continue;
        *out_slot = *slot;
        *slot = (struct name_slot){0};
    }
    spin_release(&cache_lock);
    return is_found;
}

void name_cache_forget(struct vnode *vnode)
{
    struct name_slot slot;
    /* First: what is added from here on was looked up later. */
    spin_acquire(&cache_lock);
    atomic_fetch_add_explicit(&changes, 1, memory_order_relaxed);
    spin_release(&cache_lock);
    for (uint32_t at = 0; take_slot_of(vnode, &at, &slot);)
        slot_drop(&slot);
}

void name_cache_empty(void)
{
    for (uint32_t i = 0; i < NAME_CACHE_SLOTS; i++) {
        spin_acquire(&cache_lock);
        struct name_slot *slot = &slots[i / WAYS][i % WAYS];
        struct name_slot old = *slot;
        *slot = (struct name_slot){0};
        spin_release(&cache_lock);
        slot_drop(&old);
    }
}
