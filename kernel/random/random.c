/*
 * Random numbers: one root key, and a pool of ready numbers for each processor.
 *
 *     seed, hardware, interrupt times ---absorb---> root ---key---> pools ---> callers
 *
 * Absorbing XORs 32 bytes into a key and replaces it by the first half of the block it produces, so
 * that neither the bytes nor the key before can be had from it. A pool makes its next key with the
 * same blocks that it gives out (fast key erasure) and clears what it has given.
 *
 * Locking: `root.lock` guards the root. Pools are owned by their processors, with interrupts off.
 */
#include "random/random.h"
#include "arch/arch/cpu.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "random/chacha20.h"
#include "sync/spin_lock.h"

static constexpr uint32_t POOL_BLOCKS = 4; /* a refill; half a block of it is the next key */
static constexpr uint32_t POOL_BYTES = POOL_BLOCKS * CHACHA20_BLOCK_BYTES - CHACHA20_KEY_BYTES;
static constexpr uint32_t REFILLS_PER_KEY = 64; /* then the root is asked for a new one */
static constexpr uint32_t HARDWARE_WORDS = 4;

struct pool {
    uint32_t key[8];
    uint32_t unused;       /* bytes left, at the end of `bytes` */
    uint32_t refills_left; /* 0: wants a key from the root */
    uint64_t observed;     /* by random_stir() since the last key */
    uint8_t bytes[POOL_BYTES];
} CACHE_ALIGNED;

static struct {
    spin_lock lock; /* LOCK_RANK_RANDOM */
    uint32_t key[8] GUARDED_BY(lock);
    bool is_seeded GUARDED_BY(lock);
} root = {.lock = SPIN_LOCK_INIT(LOCK_RANK_RANDOM)};

static struct pool pools[CPU_COUNT_MAX];

static const uint32_t no_nonce[3];

/* Replaces the key by half of its block and answers the other half. */
static void ratchet(uint32_t key[8], uint8_t out[CHACHA20_KEY_BYTES])
{
    uint8_t block[CHACHA20_BLOCK_BYTES];
    chacha20_block(key, 0, no_nonce, block);
    for (uint32_t i = 0; i < 8; i++)
        key[i] = load_le32(block + 4 * i);
    bytes_copy(out, block + CHACHA20_KEY_BYTES, CHACHA20_KEY_BYTES);
    bytes_zero(block, sizeof(block));
}

static void absorb_locked(const uint8_t *bytes, size_t length) REQUIRES(root.lock)
{
    uint8_t unused[CHACHA20_KEY_BYTES];
    while (length > 0) {
        uint8_t chunk[CHACHA20_KEY_BYTES] = {0};
        size_t part = min_of(length, sizeof(chunk));
        bytes_copy(chunk, bytes, part);
        for (uint32_t i = 0; i < 8; i++)
            root.key[i] ^= load_le32(chunk + 4 * i);
        ratchet(root.key, unused);
        bytes += part;
        length -= part;
    }
}

/* What the processor has to offer; the tick counter where it has no generator. */
static void absorb_hardware_locked(uint64_t observed) REQUIRES(root.lock)
{
    uint64_t words[HARDWARE_WORDS + 1] = {observed};
    for (uint32_t i = 0; i < HARDWARE_WORDS; i++) {
        uint64_t word = 0;
        /* A false answer still leaves whatever mixture there is in the word. */
        (void)cpu_random(&word);
        words[i + 1] = word ^ cpu_ticks();
    }
    absorb_locked((const uint8_t *)words, sizeof(words));
}

void random_init(const uint8_t *seed, size_t length)
{
    spin_acquire(&root.lock);
    absorb_locked(seed, length);
    absorb_hardware_locked(0);
    root.is_seeded = true;
    spin_release(&root.lock);
}

static void take_key_from_root(struct pool *pool)
{
    uint8_t key[CHACHA20_KEY_BYTES];
    spin_acquire(&root.lock);
    ASSERT(root.is_seeded);
    absorb_hardware_locked(pool->observed);
    ratchet(root.key, key);
    spin_release(&root.lock);
    for (uint32_t i = 0; i < 8; i++)
        pool->key[i] ^= load_le32(key + 4 * i);
    pool->observed = 0;
    pool->refills_left = REFILLS_PER_KEY;
    bytes_zero(key, sizeof(key));
}

/* Interrupts off. */
static void refill(struct pool *pool)
{
    if (pool->refills_left == 0) take_key_from_root(pool);
    pool->refills_left--;
    uint8_t blocks[POOL_BLOCKS * CHACHA20_BLOCK_BYTES];
    for (uint32_t i = 0; i < POOL_BLOCKS; i++)
        chacha20_block(pool->key, i, no_nonce, blocks + i * CHACHA20_BLOCK_BYTES);
    for (uint32_t i = 0; i < 8; i++)
        pool->key[i] = load_le32(blocks + 4 * i);
    bytes_copy(pool->bytes, blocks + CHACHA20_KEY_BYTES, POOL_BYTES);
    pool->unused = POOL_BYTES;
    bytes_zero(blocks, sizeof(blocks));
}

/* Moves up to `length` bytes out of the pool. Interrupts off. */
static size_t draw(struct pool *pool, uint8_t *to, size_t length)
{
    if (pool->unused == 0) refill(pool);
    size_t part = min_of(length, (size_t)pool->unused);
    uint8_t *from = pool->bytes + POOL_BYTES - pool->unused;
    bytes_copy(to, from, part);
    bytes_zero(from, part);
    pool->unused -= (uint32_t)part;
    return part;
}

void random_fill(void *where, size_t length)
{
    uint8_t *to = where;
    while (length > 0) { /* interrupts are served between the pieces */
        bool were_on = interrupts_disable();
        size_t part = draw(&pools[cpu_index()], to, length);
        interrupts_restore(were_on);
        to += part;
        length -= part;
    }
}

uint64_t random_number(void)
{
    uint64_t number;
    random_fill(&number, sizeof(number));
    return number;
}

void random_stir(uint64_t observation)
{
    bool were_on = interrupts_disable();
    struct pool *pool = &pools[cpu_index()];
    uint64_t turned = pool->observed << 13 | pool->observed >> 51;
    pool->observed = turned ^ observation ^ cpu_ticks();
    interrupts_restore(were_on);
}
