/* Buckets of waits, hashed by buffer and offset. */
#include "ipc/address_wait.h"
#include "debug/assert.h"
#include "mm/direct_map.h"
#include "sync/spin_lock.h"

static constexpr uint32_t BUCKET_BITS = 8;
static constexpr uint32_t BUCKET_COUNT = 1u << BUCKET_BITS;

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

uint32_t address_wake(struct buffer *buffer, uint64_t offset, uint32_t count)
{
    struct list ended = LIST_INIT(ended);
    struct bucket *bucket = bucket_of(buffer, offset);
    uint32_t ended_count = 0;

    spin_acquire(&bucket->lock);
    struct address_wait *wait, *after;
    list_for_each_safe (wait, after, &bucket->waiting, link) {
        if (ended_count == count) break;
        if (wait->buffer != buffer || wait->offset != offset) continue;
        list_remove(&wait->link);
        list_push_back(&ended, &wait->link);
        wait->is_waiting = false;
        ended_count++;
    }
    spin_release(&bucket->lock);

    /* Out of the bucket they are ours, and gone with the call of `ended`. */
    struct list *link;
    while ((link = list_take_front(&ended)) != nullptr) {
        wait = list_entry(link, struct address_wait, link);
        wait->ended(wait);
    }
    return ended_count;
}
