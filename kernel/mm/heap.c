/*
 * Slab caches over the frame pool.
 *
 *     magazine of a processor  <---->  depot: slabs of the cache  <---->  frame pool
 *       no lock, 16 objects             under the cache's lock
 *
 * A slab is a run of frames that starts with its header; since runs are aligned to their size, the
 * header of any object is found by rounding down. Behind the header lie one byte of state for each
 * object, then the objects. The state is changed in one atomic step by give, so a second
 * give of the same object stops the kernel even while it waits in some processor's magazine.
 *
 * heap_take() picks a cache by size. These caches have slabs of one page and objects that never
 * start on a page, so heap_give() can tell a page aligned pointer to a run of frames of its own.
 *
 * Locking: `cache->lock` guards the depot. Magazines are owned by their processors, with interrupts
 * off. Frames are taken and given without the lock, so that memory can be reclaimed for them.
 */
#include "mm/heap.h"
#include "base/address.h"
#include "base/bitmap.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/list.h"
#include "debug/assert.h"
#include "debug/log.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include "mm/frame_pool_internal.h"
#include "sync/spin_lock.h"

static constexpr uint32_t MAGAZINE_OBJECTS = 16;
static constexpr uint32_t MAGAZINE_BATCH = 8;
static constexpr uint32_t SLAB_OBJECTS_MAX = 256;
static constexpr uint32_t SLAB_ORDER_MAX = 3;
static constexpr uint32_t SLAB_OBJECTS_WANTED = 4; /* a slab grows until it holds so many */
static constexpr uint32_t CACHES_MAX = 64;
static constexpr uint64_t SLAB_MAGIC = 0x62616c53'6c616550ull; /* xor the slab's address */
static constexpr uint8_t POISON = 0xde;

enum object_state : uint8_t { OBJECT_FREE, OBJECT_TAKEN };

struct slab {
    uint64_t magic;
    struct slab_cache *cache;
    struct list link;                                   /* in `partial` unless full */
    uint32_t free_count;                                /* of the depot's, not in magazines */
    uint64_t free_bits[BITMAP_WORDS(SLAB_OBJECTS_MAX)]; /* the same, one by one */
    _Atomic uint8_t states[]; /* enum object_state: taken by a user, or in magazine or depot */
};

struct magazine {
    uint32_t count;
    void *objects[MAGAZINE_OBJECTS];
};

struct slab_cache {
    /* Fixed at creation. */
    const char *name;
    uintptr_t slab_mask;   /* from an object's address to its slab's */
    uint32_t object_bytes; /* alignment included: from one object to the next */
    uint32_t first_offset; /* of the first object in a slab */
    uint32_t reciprocal;   /* 2^32 / object_bytes, rounded up */
    uint32_t per_slab;
    uint32_t order;
    bool has_magazines;

    spin_lock lock;                       /* LOCK_RANK_HEAP */
    struct list partial GUARDED_BY(lock); /* slabs with something free */
    uint32_t slab_count GUARDED_BY(lock);
    uint32_t empty_count GUARDED_BY(lock); /* slabs all of whose objects are in the depot */
    uint64_t out_count GUARDED_BY(lock);   /* objects with users or in magazines */

    /* Each owned by its processor, interrupts off; made when first wanted. */
    struct magazine *magazines[CPU_COUNT_MAX];
};

/* Sizes that fill a page behind its header, and powers of two where those waste little. */
static const uint16_t class_bytes[] = {16,  32,  48,  64,  80,  96,  128, 160,  192,  224,
                                       256, 320, 400, 496, 576, 672, 800, 1008, 1344, 2016};
static constexpr uint32_t CLASS_COUNT = array_count(class_bytes);
static constexpr size_t CLASS_BYTES_MAX = 2016;
static constexpr size_t CLASS_STEP_BYTES = 16;

bool (*memory_fault_hook)(void);

static struct slab_cache caches[CACHES_MAX];
static _Atomic uint32_t cache_count; /* release after a cache is complete, acquire by readers */
static struct slab_cache *class_caches[CLASS_COUNT];
static uint8_t class_of_step[CLASS_BYTES_MAX / CLASS_STEP_BYTES + 1];
static struct slab_cache *magazine_cache;
static spin_lock registry_lock = SPIN_LOCK_INIT(LOCK_RANK_HEAP);
static _Atomic uint64_t large_count; /* relaxed: statistics */
static _Atomic uint64_t large_bytes;

/* --- Slabs ------------------------------------------------------------------------------------ */

static uint64_t slab_bytes(const struct slab_cache *cache)
{
    return PAGE_BYTES << cache->order;
}

static void *object_at(struct slab *slab, uint32_t index)
{
    const struct slab_cache *cache = slab->cache;
    return (uint8_t *)slab + cache->first_offset + (size_t)index * cache->object_bytes;
}

/*
 * Which object of its slab something is, or some number that object_at() shows to be wrong. The
 * division is a multiplication: exact because offsets are below 2^15 and sizes at least 16, so
 * the reciprocal's error stays below one.
 */
static uint32_t index_in(const struct slab *slab, const void *object)
{
    const struct slab_cache *cache = slab->cache;
    uint32_t offset = (uint32_t)((uintptr_t)object - (uintptr_t)slab) - cache->first_offset;
    return (uint32_t)(((uint64_t)offset * cache->reciprocal) >> 32);
}

/* The slab of one of the cache's objects. */
static struct slab *slab_of(const struct slab_cache *cache, const void *object)
{
    return (struct slab *)((uintptr_t)object & cache->slab_mask);
}

[[noreturn, gnu::noinline, gnu::cold]] static void refuse(const struct slab_cache *cache,
                                                          const void *object, const char *why)
{
    panic("heap: %p of cache %s %s", object, cache->name, why);
}

static bool is_slab(const struct slab *slab)
{
    return slab->magic == (SLAB_MAGIC ^ (uintptr_t)slab);
}

static void mark_taken(const struct slab_cache *cache, void *object)
{
    struct slab *slab = slab_of(cache, object);
    _Atomic uint8_t *state = &slab->states[index_in(slab, object)];
    /* Relaxed: the object is already the caller's alone. */
    atomic_store_explicit(state, OBJECT_TAKEN, memory_order_relaxed);
}

/* The state changes in one atomic step: of two who give the same object the second stops here. */
static void mark_free(const struct slab_cache *cache, struct slab *slab, void *object)
{
    uint32_t index = index_in(slab, object);
    if (unlikely(index >= cache->per_slab || object_at(slab, index) != object))
        refuse(cache, object, "given, but inside an object");
    uint8_t before =
        atomic_exchange_explicit(&slab->states[index], OBJECT_FREE, memory_order_relaxed);
    if (unlikely(before != OBJECT_TAKEN)) refuse(cache, object, "given, but not taken");
}

static bool poison(const struct slab_cache *cache, void *object)
{
    __builtin_memset(object, POISON, cache->object_bytes);
    return true;
}

static bool poison_is_intact(const struct slab_cache *cache, const void *object)
{
    const uint8_t *bytes = object;
    for (uint32_t i = 0; i < cache->object_bytes; i++) {
        if (bytes[i] != POISON)
            panic("heap: %p of cache %s was written at byte %u after it was given", object,
                  cache->name, i);
    }
    return true;
}

/* A new slab, everything free, in nobody's list. */
static struct slab *slab_create(struct slab_cache *cache)
{
    frame_result run = frame_pool_take(nullptr, cache->order);
    if (!is_ok(run.status)) return nullptr;
    struct slab *slab = direct_map(run.value);
    *slab = (struct slab){
        .magic = SLAB_MAGIC ^ (uintptr_t)slab,
        .cache = cache,
        .free_count = cache->per_slab,
    };
    list_init(&slab->link);
    bitmap_set_range(slab->free_bits, 0, cache->per_slab);
    for (uint32_t i = 0; i < cache->per_slab; i++) {
        atomic_init(&slab->states[i], OBJECT_FREE);
        DEBUG_ASSERT(poison(cache, object_at(slab, i)));
    }
    return slab;
}

static void slab_destroy(struct slab_cache *cache, struct slab *slab)
{
    slab->magic = 0;
    frame_pool_give(nullptr, direct_map_reverse(slab), cache->order);
}

/* --- Depot ------------------------------------------------------------------------------------ */

static void depot_add_locked(struct slab_cache *cache, struct slab *slab) REQUIRES(cache->lock)
{
    list_push_back(&cache->partial, &slab->link);
    cache->slab_count++;
    cache->empty_count++;
}

/* Any free object, or nullptr. */
static void *depot_take_locked(struct slab_cache *cache) REQUIRES(cache->lock)
{
    if (list_is_empty(&cache->partial)) return nullptr;
    struct slab *slab = list_entry(cache->partial.next, struct slab, link);
    uint64_t index = bitmap_find(slab->free_bits, cache->per_slab, 0, true);
    bitmap_clear(slab->free_bits, index);
    if (slab->free_count == cache->per_slab) cache->empty_count--;
    slab->free_count--;
    if (slab->free_count == 0) list_remove(&slab->link);
    cache->out_count++;
    return object_at(slab, (uint32_t)index);
}

/* Answers a slab that is one empty one too many, out of the depot, for the caller to destroy. */
static struct slab *depot_give_locked(struct slab_cache *cache, void *object) REQUIRES(cache->lock)
{
    struct slab *slab = slab_of(cache, object);
    bitmap_set(slab->free_bits, index_in(slab, object));
    if (slab->free_count == 0) list_push_front(&cache->partial, &slab->link);
    slab->free_count++;
    cache->out_count--;
    if (slab->free_count < cache->per_slab) return nullptr;

    list_remove(&slab->link);
    if (cache->empty_count > 0) {
        cache->slab_count--;
        return slab;
    }
    list_push_back(&cache->partial, &slab->link); /* last: used when the others are full */
    cache->empty_count++;
    return nullptr;
}

static void *depot_take(struct slab_cache *cache)
{
    spin_acquire(&cache->lock);
    void *object = depot_take_locked(cache);
    spin_release(&cache->lock);
    if (object) return object;

    struct slab *slab = slab_create(cache);
    if (!slab) return nullptr;
    spin_acquire(&cache->lock);
    depot_add_locked(cache, slab);
    object = depot_take_locked(cache);
    spin_release(&cache->lock);
    return object;
}

/* Gives several; slabs that are too many go back to the frame pool after the lock is released. */
static void depot_give(struct slab_cache *cache, void **objects, uint32_t count)
{
    struct list surplus = LIST_INIT(surplus);
    spin_acquire(&cache->lock);
    for (uint32_t i = 0; i < count; i++) {
        struct slab *slab = depot_give_locked(cache, objects[i]);
        if (slab) list_push_back(&surplus, &slab->link);
    }
    spin_release(&cache->lock);
    for (struct list *link; (link = list_take_front(&surplus));)
        slab_destroy(cache, list_entry(link, struct slab, link));
}

/* Apart, so that the usual way has no address to take. */
[[gnu::noinline]] static void depot_give_one(struct slab_cache *cache, void *object)
{
    depot_give(cache, &object, 1);
}

/* --- Magazines -------------------------------------------------------------------------------- */

/* Gives this processor a magazine. Without memory for one, the depot serves it directly. */
static void magazine_create(struct slab_cache *cache)
{
    struct magazine *made = slab_take(magazine_cache);
    if (!made) return;
    made->count = 0;
    bool were_on = interrupts_disable();
    struct magazine **place = &cache->magazines[cpu_index()];
    struct magazine *surplus = *place ? made : nullptr; /* an interrupt was faster */
    if (!surplus) *place = made;
    interrupts_restore(were_on);
    if (surplus) slab_give(magazine_cache, surplus);
}

/* Some objects from the depot's slabs, in one go, if there are any. Interrupts off. */
static void magazine_fill(struct slab_cache *cache, struct magazine *magazine)
{
    spin_acquire(&cache->lock);
    while (magazine->count < MAGAZINE_BATCH) {
        void *object = depot_take_locked(cache);
        if (!object) break;
        magazine->objects[magazine->count++] = object;
    }
    spin_release(&cache->lock);
}

static void *magazine_take(struct slab_cache *cache)
{
    bool were_on = interrupts_disable();
    struct magazine *magazine = cache->magazines[cpu_index()];
    void *object = nullptr;
    if (likely(magazine)) {
        if (unlikely(magazine->count == 0)) magazine_fill(cache, magazine);
        if (likely(magazine->count > 0)) object = magazine->objects[--magazine->count];
    }
    interrupts_restore(were_on);
    if (unlikely(!magazine) && cache->has_magazines) magazine_create(cache);
    return object;
}

/* False when this processor has no magazine. */
static bool magazine_give(struct slab_cache *cache, void *object)
{
    bool were_on = interrupts_disable();
    struct magazine *magazine = cache->magazines[cpu_index()];
    if (likely(magazine)) {
        if (unlikely(magazine->count == MAGAZINE_OBJECTS)) {
            magazine->count -= MAGAZINE_BATCH;
            depot_give(cache, magazine->objects + magazine->count, MAGAZINE_BATCH);
        }
        magazine->objects[magazine->count++] = object;
    }
    interrupts_restore(were_on);
    return magazine;
}

/* --- Caches ----------------------------------------------------------------------------------- */

static bool may_proceed(void)
{
    return likely(!memory_fault_hook) || memory_fault_hook();
}

/* How many objects a slab of this order holds, and where they start. */
static uint32_t fit_slab(struct slab_cache *cache, size_t alignment, uint32_t order)
{
    uint64_t bytes = PAGE_BYTES << order;
    uint64_t count = min_of((uint64_t)SLAB_OBJECTS_MAX, bytes / cache->object_bytes);
    for (; count > 0; count--) {
        uint64_t first = round_up(offsetof(struct slab, states) + count, alignment);
        if (first + count * cache->object_bytes > bytes) continue;
        cache->first_offset = (uint32_t)first;
        break;
    }
    cache->order = order;
    cache->per_slab = (uint32_t)count;
    return cache->per_slab;
}

static void cache_init(struct slab_cache *cache, const char *name, size_t object_bytes,
                       size_t alignment, bool has_magazines)
{
    size_t aligned_to = alignment > CLASS_STEP_BYTES ? alignment : CLASS_STEP_BYTES;
    *cache = (struct slab_cache){
        .name = name,
        .object_bytes = (uint32_t)round_up(object_bytes, aligned_to),
        .has_magazines = has_magazines,
        .lock = SPIN_LOCK_INIT(LOCK_RANK_HEAP),
    };
    cache->reciprocal = (uint32_t)((1ull << 32) / cache->object_bytes + 1);
    list_init(&cache->partial);
    uint32_t order = 0;
    uint32_t wanted = object_bytes <= CLASS_BYTES_MAX ? 1 : SLAB_OBJECTS_WANTED;
    while (fit_slab(cache, aligned_to, order) < wanted && order < SLAB_ORDER_MAX)
        order++;
    ASSERT(cache->per_slab > 0);
    cache->slab_mask = ~(uintptr_t)(slab_bytes(cache) - 1);
}

static struct slab_cache *register_cache(const char *name, size_t object_bytes, size_t alignment,
                                         bool has_magazines)
{
    spin_acquire(&registry_lock);
    uint32_t index = atomic_load_explicit(&cache_count, memory_order_relaxed);
    struct slab_cache *cache = nullptr;
    if (index < CACHES_MAX) {
        cache = &caches[index];
        cache_init(cache, name, object_bytes, alignment, has_magazines);
        /* Pairs with the acquire in heap_count() and heap_report(). */
        atomic_store_explicit(&cache_count, index + 1, memory_order_release);
    }
    spin_release(&registry_lock);
    return cache;
}

struct slab_cache *slab_cache_create(const char *name, size_t object_bytes, size_t alignment)
{
    ASSERT(object_bytes > 0 && (alignment & (alignment - 1)) == 0 && alignment <= PAGE_BYTES);
    if (!may_proceed()) return nullptr;
    return register_cache(name, object_bytes, alignment, true);
}

void *slab_take(struct slab_cache *cache)
{
    if (unlikely(!may_proceed())) return nullptr;
    void *object = magazine_take(cache);
    if (unlikely(!object)) object = depot_take(cache);
    if (unlikely(!object)) return nullptr;
    DEBUG_ASSERT(poison_is_intact(cache, object));
    mark_taken(cache, object);
    return object;
}

static void give_to_slab(struct slab_cache *cache, struct slab *slab, void *object)
{
    mark_free(cache, slab, object);
    DEBUG_ASSERT(poison(cache, object));
    if (unlikely(!magazine_give(cache, object))) depot_give_one(cache, object);
}

void slab_give(struct slab_cache *cache, void *object)
{
    struct slab *slab = slab_of(cache, object);
    if (unlikely(!is_slab(slab) || slab->cache != cache))
        refuse(cache, object, "given, but not its object");
    give_to_slab(cache, slab, object);
}

/* --- Any size --------------------------------------------------------------------------------- */

static void *large_take(size_t bytes)
{
    uint32_t order = 0;
    while (PAGE_BYTES << order < bytes)
        order++;
    frame_result run = frame_pool_take(nullptr, order);
    if (!is_ok(run.status)) return nullptr;
    frame_pool_tag(run.value, order);
    atomic_fetch_add_explicit(&large_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&large_bytes, PAGE_BYTES << order, memory_order_relaxed);
    return direct_map(run.value);
}

static void large_give(void *memory)
{
    physical_address start = direct_map_reverse(memory);
    int order = frame_pool_untag(start);
    if (order < 0) panic("heap: %p given, but not taken", memory);
    atomic_fetch_sub_explicit(&large_count, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&large_bytes, PAGE_BYTES << order, memory_order_relaxed);
    frame_pool_give(nullptr, start, (uint32_t)order);
}

void *heap_take(size_t bytes)
{
    if (likely(bytes <= CLASS_BYTES_MAX)) {
        size_t step = (bytes + CLASS_STEP_BYTES - 1) / CLASS_STEP_BYTES;
        return slab_take(class_caches[class_of_step[step]]);
    }
    return bytes <= HEAP_BYTES_MAX ? large_take(bytes) : nullptr;
}

void *heap_take_zeroed(size_t bytes)
{
    void *memory = heap_take(bytes);
    if (memory) bytes_zero(memory, bytes);
    return memory;
}

void heap_give(void *memory)
{
    if (!memory) return;
    if (is_aligned((uintptr_t)memory, PAGE_BYTES)) {
        large_give(memory);
        return;
    }
    struct slab *slab = (struct slab *)round_down((uintptr_t)memory, PAGE_BYTES);
    if (unlikely(!is_slab(slab))) panic("heap: %p given, but not taken", memory);
    give_to_slab(slab->cache, slab, memory);
}

void heap_init(void)
{
    magazine_cache = register_cache("magazine", sizeof(struct magazine), 16, false);
    uint32_t class = 0;
    for (size_t step = 0; step < array_count(class_of_step); step++) {
        if (step * CLASS_STEP_BYTES > class_bytes[class]) class ++;
        class_of_step[step] = (uint8_t)class;
    }
    for (uint32_t i = 0; i < CLASS_COUNT; i++)
        class_caches[i] = register_cache("heap", class_bytes[i], 16, true);
}

/* --- Counts ----------------------------------------------------------------------------------- */

/* Other processors' magazines change meanwhile: each is read once and may be a little old. */
static uint64_t magazine_objects(const struct slab_cache *cache)
{
    uint64_t objects = 0;
    for (uint32_t i = 0; i < CPU_COUNT_MAX; i++) {
        struct magazine *magazine = __atomic_load_n(&cache->magazines[i], __ATOMIC_ACQUIRE);
        if (magazine) objects += __atomic_load_n(&magazine->count, __ATOMIC_RELAXED);
    }
    return objects;
}

static struct heap_counts cache_counts(struct slab_cache *cache)
{
    spin_acquire(&cache->lock);
    uint64_t out = cache->out_count;
    struct heap_counts counts = {.bytes_reserved = cache->slab_count * slab_bytes(cache)};
    spin_release(&cache->lock);
    uint64_t waiting = magazine_objects(cache);
    counts.objects_taken = out > waiting ? out - waiting : 0;
    return counts;
}

/* Magazines are the heap's own and no one's objects. */
struct heap_counts heap_count(void)
{
    struct heap_counts sum = {
        .objects_taken = atomic_load_explicit(&large_count, memory_order_relaxed),
        .bytes_reserved = atomic_load_explicit(&large_bytes, memory_order_relaxed),
    };
    uint32_t count = atomic_load_explicit(&cache_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        struct heap_counts counts = cache_counts(&caches[i]);
        if (&caches[i] != magazine_cache) sum.objects_taken += counts.objects_taken;
        sum.bytes_reserved += counts.bytes_reserved;
    }
    return sum;
}

void heap_report(void)
{
    uint32_t count = atomic_load_explicit(&cache_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        struct heap_counts counts = cache_counts(&caches[i]);
        log_line("heap", "%-16s %5u bytes: %llu taken, %llu KiB", caches[i].name,
                 caches[i].object_bytes, (unsigned long long)counts.objects_taken,
                 (unsigned long long)(counts.bytes_reserved / 1024));
    }
}
