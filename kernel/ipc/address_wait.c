/* Buckets of waits, hashed by buffer and offset. */
#include "ipc/address_wait.h"
#include "debug/assert.h"
#include "mm/direct_map.h"
#include "sync/spin_lock.h"

static constexpr uint32_t BUCKET_BITS = 8;
static constexpr uint32_t BUCKET_COUNT = 1u << BUCKET_BITS;
static constexpr uint32_t STEPS_MAX = 64; /* in a bucket, with interrupts off */

static struct bucket {
    spin_lock lock;                       /* LOCK_RANK_ADDRESS_WAIT */
    struct list waiting GUARDED_BY(lock); /* oldest first */
} buckets[BUCKET_COUNT];

void address_wait_init(void)
{
    for (uint32_t i = 0; i < BUCKET_COUNT; i++) {
        spin_lock_init(&buckets[i].lock, LOCK_RANK_ADDRESS_WAIT);
        list_init(&buckets[i].waiting);
    }
}

/* Multiplicative hashing by the golden ratio: Knuth, The Art of Computer Programming 3, 6.4. */
static struct bucket *bucket_of(const struct buffer *buffer, uint64_t offset)
{
    uint64_t key = (uintptr_t)buffer / alignof(max_align_t) + offset / sizeof(uint32_t);
    return &buckets[key * 0x9e37'79b9'7f4a'7c15ull >> (64 - BUCKET_BITS)];
}

/* A page that does not exist yet reads as zeros. */
static uint32_t read_word(struct buffer *buffer, uint64_t offset)
{
    physical_address frame;
    if (!buffer_peek(buffer, offset / PAGE_BYTES, &frame)) return 0;
    const uint8_t *page = direct_map(frame);
    const uint32_t *word = (const uint32_t *)(const void *)(page + offset % PAGE_BYTES);
    /* The lock orders it against wakes; acquire, so that what the program wrote before is seen too.
     */
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

status address_wait_start(struct address_wait *wait, uint32_t expected)
{
    ASSERT(wait->offset % sizeof(uint32_t) == 0);
    struct bucket *bucket = bucket_of(wait->buffer, wait->offset);
    spin_acquire(&bucket->lock);
    bool must_wait = read_word(wait->buffer, wait->offset) == expected;
    wait->is_waiting = must_wait;
    if (must_wait) list_push_back(&bucket->waiting, &wait->link);
    spin_release(&bucket->lock);
    return must_wait ? OK : FAIL(WOULD_BLOCK);
}

bool address_wait_cancel(struct address_wait *wait)
{
    struct bucket *bucket = bucket_of(wait->buffer, wait->offset);
    spin_acquire(&bucket->lock);
    bool was_waiting = wait->is_waiting;
    if (was_waiting) list_remove(&wait->link);
    wait->is_waiting = false;
    spin_release(&bucket->lock);
    return was_waiting;
}

/* What a wake looks for, and what it has found. */
struct wake {
    struct buffer *buffer;
    uint64_t offset;
    uint32_t count;
    uint32_t ended_count;
    struct list ended; /* out of the bucket, and ours */
};

/* Takes waits from `at` on out of the bucket; answers where it stopped: at the end, with enough of
 * them, or because interrupts have been off for long enough. */
static struct list *take_waits(struct wake *wake, struct list *at, const struct list *end)
{
    for (uint32_t step = 0; at != end && wake->ended_count < wake->count; step++) {
        if (step == STEPS_MAX) break;
        struct address_wait *wait = list_entry(at, struct address_wait, link);
        at = at->next;
        if (wait->buffer != wake->buffer || wait->offset != wake->offset) continue;
        list_remove(&wait->link);
        list_push_back(&wake->ended, &wait->link);
        wait->is_waiting = false;
        wake->ended_count++;
    }
    return at;
}

/* Goes on in a bucket that programs have filled, letting go of it now and then; the two marks,
 * which are nobody's waits, keep the place and the end meanwhile. */
[[gnu::noinline]] static void take_rest(struct bucket *bucket, struct wake *wake,
                                        struct list *stopped) REQUIRES(bucket->lock)
{
    struct address_wait here = {.buffer = nullptr}, end = {.buffer = nullptr};
    list_push_back(&bucket->waiting, &end.link);
    list_insert_after(stopped->previous, &here.link);
    while (here.link.next != &end.link && wake->ended_count < wake->count) {
        spin_release(&bucket->lock);
        spin_acquire(&bucket->lock);
        stopped = take_waits(wake, here.link.next, &end.link);
        list_remove(&here.link);
        list_insert_after(stopped->previous, &here.link);
    }
    list_remove(&here.link);
    list_remove(&end.link);
}

uint32_t address_wake(struct buffer *buffer, uint64_t offset, uint32_t count)
{
    struct wake wake = {.buffer = buffer, .offset = offset, .count = count};
    struct bucket *bucket = bucket_of(buffer, offset);
    list_init(&wake.ended);
    spin_acquire(&bucket->lock);
    struct list *stopped = take_waits(&wake, bucket->waiting.next, &bucket->waiting);
    if (unlikely(stopped != &bucket->waiting && wake.ended_count < count))
        take_rest(bucket, &wake, stopped);
    spin_release(&bucket->lock);

    /* Out of the bucket they are ours, and gone with the call of `ended`. */
    struct list *link;
    while ((link = list_take_front(&wake.ended)) != nullptr) {
        struct address_wait *wait = list_entry(link, struct address_wait, link);
        wait->ended(wait);
    }
    return wake.ended_count;
}
