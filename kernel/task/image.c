/*
 * The cache of programs.
 *
 * An image is in the list of all images from the end of its loading until it is dropped or a newer
 * version of its file has been loaded; the list is ordered by last use. Two who load the same file
 * at once both read it, and the second drops what it read: rare, and so nobody waits for another's
 * disk while holding the lock.
 */
#include "task/image.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/list.h"
#include "debug/assert.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "sched/mutex.h"
#include <abi/ops.h>

struct image {
    /* Fixed once loaded. */
    uint64_t identity;
    uint64_t version;
    struct elf_layout layout;
    struct buffer *segments[ELF_SEGMENTS_MAX]; /* counted, as many as the layout has */

    /* Guarded by the cache's lock. */
    struct list link; /* in the cache, or by itself */
    uint32_t users;
};

typedef struct image *image_owner;

static struct image_cache {
    mutex lock;                          /* LOCK_RANK_IMAGE_CACHE */
    struct list images GUARDED_BY(lock); /* the longest unused first */
} cache;

static void image_destroy(struct image *image)
{
    for (uint32_t i = 0; i < image->layout.segment_count; i++) {
        if (image->segments[i] != nullptr) buffer_put(image->segments[i]);
    }
    heap_give(image);
}

static void image_owner_drop(image_owner *owner)
{
    if (*owner != nullptr) image_destroy(*owner);
}

/* ---- loading ---- */

static status read_layout(const struct image_source *source, struct elf_layout *out_layout,
                          enum abi_not_executable *out_reason)
{
    uint64_t length = min_of(source->size_bytes, (uint64_t)ELF_HEADER_BYTES_MAX);
    void *head = heap_take(ELF_HEADER_BYTES_MAX);
    if (head == nullptr) return FAIL(OUT_OF_MEMORY);
    status outcome = source->read(source->context, 0, head, length);
    if (is_ok(outcome))
        outcome = elf_read_layout(head, length, source->size_bytes, out_layout, out_reason);
    heap_give(head);
    return outcome;
}

/* Brings the file's bytes to where the segment has them; what is behind them stays a hole. */
static status fill_segment(const struct image_source *source, const struct elf_segment *segment,
                           struct buffer *buffer)
{
    uint64_t done = 0;
    while (done < segment->file_bytes) {
        uint64_t place = segment->lead_bytes + done;
        uint64_t length = min_of(segment->file_bytes - done, PAGE_BYTES - place % PAGE_BYTES);
        frame_result frame = buffer_touch(buffer, place / PAGE_BYTES);
        TRY(frame.status);
        TRY(source->read(source->context, segment->file_offset + done,
                         direct_map(physical_add(frame.value, place % PAGE_BYTES)), length));
        done += length;
    }
    return OK;
}

static status load_segment(const struct image_source *source, struct image *image, uint32_t index)
{
    const struct elf_segment *segment = &image->layout.segments[index];
    buffer_result made =
        buffer_create(&(struct buffer_options){.size_bytes = segment->memory_bytes});
    TRY(made.status);
    image->segments[index] = made.value;
    return fill_segment(source, segment, made.value);
}

static image_result load(const struct image_source *source, enum abi_not_executable *out_reason)
{
    OWNED(image_owner) image = heap_take_zeroed(sizeof(*image));
    if (image == nullptr) return (image_result){.status = FAIL(OUT_OF_MEMORY)};
    image->identity = source->identity;
    image->version = source->version;
    list_init(&image->link);
    TRY_AS(image_result, read_layout(source, &image->layout, out_reason));
    for (uint32_t i = 0; i < image->layout.segment_count; i++)
        TRY_AS(image_result, load_segment(source, image, i));
    return (image_result){.value = TAKE(image)};
}

/* ---- the cache ---- */

void image_init(void)
{
    mutex_init(&cache.lock, LOCK_RANK_IMAGE_CACHE);
    list_init(&cache.images);
    frame_pool_add_reclaimer(image_reclaim);
}

static struct image *find_locked(uint64_t identity, uint64_t version) REQUIRES(cache.lock)
{
    struct image *image;
    list_for_each (image, &cache.images, link) {
        if (image->identity == identity && image->version == version) return image;
    }
    return nullptr;
}

static void use_locked(struct image *image) REQUIRES(cache.lock)
{
    image->users++;
    list_remove(&image->link);
    list_push_back(&cache.images, &image->link);
}

struct image *image_find(uint64_t identity, uint64_t version)
{
    mutex_acquire(&cache.lock);
    struct image *image = find_locked(identity, version);
    if (image != nullptr) use_locked(image);
    mutex_release(&cache.lock);
    return image;
}

/* Other versions of the same file will not be asked for again: those who run them keep them. */
static void forget_others_locked(const struct image *newest) REQUIRES(cache.lock)
{
    struct image *image, *after;
    list_for_each_safe (image, after, &cache.images, link) {
        if (image->identity != newest->identity || image == newest) continue;
        list_remove(&image->link);
        if (image->users == 0) image_destroy(image);
    }
}

/* Enters a loaded image, unless somebody has entered the same meanwhile. Answers what is there. */
static struct image *enter(struct image *image)
{
    mutex_acquire(&cache.lock);
    struct image *known = find_locked(image->identity, image->version);
    struct image *chosen = known != nullptr ? known : image;
    use_locked(chosen);
    if (known == nullptr) forget_others_locked(image);
    mutex_release(&cache.lock);
    if (known != nullptr) image_destroy(image);
    return chosen;
}

image_result image_load(const struct image_source *source, enum abi_not_executable *out_reason)
{
    struct image *known = image_find(source->identity, source->version);
    if (known != nullptr) return (image_result){.value = known};
    image_result loaded = load(source, out_reason);
    if (!is_ok(loaded.status)) return loaded;
    return (image_result){.value = enter(loaded.value)};
}

struct image *image_get(struct image *image)
{
    mutex_acquire(&cache.lock);
    ASSERT(image->users > 0);
    image->users++;
    mutex_release(&cache.lock);
    return image;
}

void image_put(struct image *image)
{
    mutex_acquire(&cache.lock);
    ASSERT(image->users > 0);
    bool is_forgotten = --image->users == 0 && list_is_empty(&image->link);
    mutex_release(&cache.lock);
    if (is_forgotten) image_destroy(image);
}

static uint64_t image_frames(const struct image *image)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < image->layout.segment_count; i++)
        bytes += buffer_committed_bytes(image->segments[i]);
    return bytes / PAGE_BYTES;
}

struct image_counts image_count(void)
{
    struct image_counts counts = {0};
    mutex_acquire(&cache.lock);
    const struct image *image;
    list_for_each (image, &cache.images, link) {
        counts.buffers += image->layout.segment_count;
        if (image->users == 0) counts.idle_bytes += image_frames(image) * PAGE_BYTES;
    }
    mutex_release(&cache.lock);
    return counts;
}

uint64_t image_reclaim(uint64_t frames_wanted)
{
    /* Called wherever memory is taken: under spin locks and in interrupts, where interrupts are
     * off, there is nothing to be done, nor while somebody works on the list. */
    if (!interrupts_are_enabled() || !mutex_try_acquire(&cache.lock)) return 0;
    uint64_t freed = 0;
    struct image *image, *after;
    list_for_each_safe (image, after, &cache.images, link) {
        if (freed >= frames_wanted) break;
        if (image->users > 0) continue;
        freed += image_frames(image);
        list_remove(&image->link);
        image_destroy(image);
    }
    mutex_release(&cache.lock);
    return freed;
}

const struct elf_layout *image_layout(const struct image *image)
{
    return &image->layout;
}

struct buffer *image_segment(const struct image *image, uint32_t index)
{
    ASSERT(index < image->layout.segment_count);
    return image->segments[index];
}
