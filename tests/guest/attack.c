/*
 * A program that attacks: whatever it submits, the system stays whole and every accepted submission
 * is completed once.
 *
 * Three parts, sharing one number of submissions (environment ATTACK_SUBMISSIONS, default 100,000):
 * entries of random bytes; entries that are almost right (each operation, live and nearly live
 * handles, spans at every edge); and the same with a second thread that rewrites the ring's memory,
 * indices included, while the kernel reads it. Dangerous successes are avoided, not refused: it
 * holds no right to power off or to end others.
 */
#include "peal/program.h"
#include "peal/ring.h"
#include "peal/thread.h"
#include "support/guest_test.h"
#include "support/objects.h"
#include "support/op_table.h"
#include "support/raw.h"

#define BATCH 32u

static struct raw_scratch scratch;
static uint64_t handles[16];
static uint32_t handle_count;

/* xorshift64*: fast, and the seed is printed. */
static uint64_t random_state;
static uint64_t random_next(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545f4914f6cdd1dull;
}

static uint32_t random_below(uint32_t limit)
{
    return (uint32_t)((random_next() >> 32) * limit >> 32);
}

static uint64_t random_handle(void)
{
    uint64_t handle = handles[random_below(handle_count)];
    switch (random_below(8)) {
    case 0:
        return 0;
    case 1:
        return random_next();
    case 2:
        return handle ^ (1ull << random_below(64));
    default:
        return handle;
    }
}

static uint32_t random_edge(uint32_t size)
{
    static const uint32_t offsets[] = {0, 1, 3, 4, 63, 64, 4095, 4096, 4097};
    uint32_t delta = offsets[random_below(sizeof(offsets) / sizeof(offsets[0]))];
    switch (random_below(4)) {
    case 0:
        return delta;
    case 1:
        return size - delta;
    case 2:
        return size + delta;
    default:
        return 0u - delta;
    }
}

static_assert(ABI_SEND_DO_NOT_WAIT == ABI_RECEIVE_DO_NOT_WAIT);

/* What would end the test, or wait for ever, is not what is tested here. */
static bool is_harmless(const struct abi_submission *submission)
{
    switch (submission->op) {
    case ABI_OP_READ: /* the console waits for a key */
    case ABI_OP_CONSOLE_WATCH:
    case ABI_OP_PROCESS_WAIT:
    case ABI_OP_SLEEP:
    case ABI_OP_ADDRESS_WAIT:
    case ABI_OP_TIMER_WAIT:
    case ABI_OP_THREAD_CREATE: /* of random code */
    case ABI_OP_BUFFER_UNMAP:  /* of our own code */
    case ABI_OP_BUFFER_PROTECT:
    case ABI_OP_BUFFER_UNREGISTER:
    case ABI_OP_CHANNEL_CREATE: /* yields handles where nobody looks for them */
        return false;
    case ABI_OP_CHANNEL_SEND:
    case ABI_OP_CHANNEL_RECEIVE:
        return (submission->op_flags & ABI_SEND_DO_NOT_WAIT) != 0;
    default:
        return true;
    }
}

static struct abi_submission random_bytes_entry(void)
{
    struct abi_submission submission;
    uint64_t *words = (uint64_t *)&submission;
    for (uint32_t i = 0; i < 8; i++)
        words[i] = random_next();
    if (random_below(2) == 0) submission.flags = 0;
    return submission;
}

static struct abi_submission almost_right_entry(void)
{
    const struct op_row *row = &op_rows[random_below(op_rows_count)];
    struct abi_submission submission = {.op = row->number};
    if (row->kinds != 0 || random_below(8) == 0) submission.capability = random_handle();
    if (row->buffer != ROW_NONE || random_below(8) == 0) {
        submission.buffer_index = random_below(8) == 0 ? (uint32_t)random_next() : scratch.index;
        submission.buffer_offset_bytes = random_edge((uint32_t)scratch.size_bytes);
        submission.length_bytes = random_edge((uint32_t)scratch.size_bytes);
    }
    if ((row->fields & ROW_FIELD_OFFSET) != 0)
        submission.offset_bytes = random_next() >> random_below(64);
    if ((row->fields & ROW_FIELD_ARG0) != 0) submission.args[0] = random_next() >> random_below(64);
    if ((row->fields & ROW_FIELD_ARG1) != 0) submission.args[1] = random_next() >> random_below(64);
    /* What can be closed again; otherwise the handle table fills up, which other tests look at. */
    if (row->handles == ROW_YIELDS || row->handles == ROW_CONSUMES_YIELDS)
        submission.args[row->number == ABI_OP_PROCESS_OPEN] |= ABI_RIGHT_CLOSE;
    if (random_below(4) == 0) submission.op_flags = 1u << random_below(32);
    bool may_wait = row->number == ABI_OP_CHANNEL_SEND || row->number == ABI_OP_CHANNEL_RECEIVE;
    if (may_wait) submission.op_flags |= ABI_SEND_DO_NOT_WAIT;
    if (random_below(16) == 0) submission.priority = (uint16_t)random_next();
    return submission;
}

/* A success may have yielded a handle; keep the table from filling up. */
static void give_back(const struct abi_completion *completion)
{
    if (completion->tag == ABI_RESULT_OK && completion->value > UINT32_MAX)
        raw_close(completion->value);
}

static void send_batch(struct abi_submission (*make)(void), uint32_t count)
{
    struct abi_submission batch[BATCH];
    struct abi_completion done[BATCH];
    for (uint32_t i = 0; i < count; i++) {
        do
            batch[i] = make();
        while (!is_harmless(&batch[i]));
        for (uint32_t h = 0; h < handle_count; h++) { /* keep our own handles alive */
            bool consumes = batch[i].op == ABI_OP_CLOSE || batch[i].op == ABI_OP_RESTRICT;
            if (consumes && batch[i].capability == handles[h]) batch[i].capability = 1;
        }
        batch[i].user_data = i;
    }
    uint32_t published = raw_publish(batch, count);
    EXPECT(published == count);
    raw_enter(count, ABI_DEADLINE_NEVER);
    uint32_t reaped = raw_reap(done, BATCH);
    EXPECT_MESSAGE(reaped == count, "%u submissions, %u completions", count, reaped);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < reaped; i++) {
        EXPECT(done[i].user_data < count && (seen & (1u << done[i].user_data)) == 0);
        seen |= 1u << done[i].user_data;
        give_back(&done[i]);
    }
}

static uint64_t submissions_wanted(void)
{
    return peal_environment_number(TEXT("ATTACK_SUBMISSIONS"), 100000);
}

GUEST_TEST(random_bytes_are_answered_one_for_one)
{
    for (uint64_t sent = 0; sent < submissions_wanted() / 3; sent += BATCH)
        send_batch(random_bytes_entry, BATCH);
}

GUEST_TEST(almost_right_submissions_are_answered_one_for_one)
{
    for (uint64_t sent = 0; sent < submissions_wanted() / 3; sent += BATCH)
        send_batch(almost_right_entry, BATCH);
}

/* ---- the ring's memory rewritten by another thread ---- */

static bool is_rewriting;
static bool has_suffered;
static bool may_end;
static bool stop_rewriting; /* through __atomic operations only */
static struct abi_ring_header *victim_ring;

static int rewrite_ring(uint64_t seed)
{
    uint64_t state = seed | 1;
    volatile uint64_t *words = (volatile uint64_t *)victim_ring;
    uint64_t word_count = victim_ring->total_bytes / 8;
    while (!__atomic_load_n(&stop_rewriting, __ATOMIC_RELAXED)) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        words[(state >> 33) % word_count] = state;
        __atomic_store_n(&is_rewriting, true, __ATOMIC_RELEASE);
    }
    return 0;
}

/*
 * Runs on a thread whose ring is under attack: only system calls are used, nothing that trusts the
 * ring, which stays until the attacker has stopped.
 */
static int suffer(uint64_t rounds)
{
    __atomic_store_n(&victim_ring, peal_thread_self()->ring.header, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&is_rewriting, __ATOMIC_ACQUIRE))
        peal_yield();
    for (uint64_t i = 0; i < rounds; i++)
        (void)raw_enter(0, 0);
    __atomic_store_n(&has_suffered, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&may_end, __ATOMIC_ACQUIRE))
        peal_yield();
    return 0;
}

GUEST_TEST(a_ring_rewritten_while_the_kernel_reads_it_hurts_only_itself)
{
    uint64_t rounds = submissions_wanted() / 3 / BATCH;
    running_thread_result victim = peal_thread_create(suffer, rounds);
    REQUIRE(is_ok(victim.status));
    OWNED(running_thread) victim_thread = TAKE(victim.value);
    while (__atomic_load_n(&victim_ring, __ATOMIC_ACQUIRE) == nullptr)
        peal_yield();
    running_thread_result attacker = peal_thread_create(rewrite_ring, random_next());
    EXPECT(is_ok(attacker.status));
    /* Without an attacker the victim must come to its end all the same. */
    if (!is_ok(attacker.status)) __atomic_store_n(&is_rewriting, true, __ATOMIC_RELEASE);
    OWNED(running_thread) attacker_thread = TAKE(attacker.value);
    while (!__atomic_load_n(&has_suffered, __ATOMIC_ACQUIRE))
        peal_yield();
    __atomic_store_n(&stop_rewriting, true, __ATOMIC_RELEASE);
    EXPECT(is_ok(peal_thread_join(&attacker_thread).status));
    __atomic_store_n(&may_end, true, __ATOMIC_RELEASE);
    EXPECT(is_ok(peal_thread_join(&victim_thread).status));
    EXPECT(raw_is_ok(raw_call((struct abi_submission){.op = ABI_OP_NOP})));
}

static int do_nothing(uint64_t)
{
    return 0;
}

/* The library keeps the stacks of threads that ended: as many as the test below has at once. */
static void fill_stack_pool(void)
{
    running_thread threads[2];
    for (uint32_t i = 0; i < 2; i++)
        threads[i] = peal_thread_create(do_nothing, 0).value;
    for (uint32_t i = 0; i < 2; i++)
        ignore_status(peal_thread_join(&threads[i]).status);
}

GUEST_TEST_SETUP
{
    fill_stack_pool();
    random_state = peal_environment_number(TEXT("ATTACK_SEED"), 0x5eed5eed5eed5eedull);
    guest_test_note("seed %llu", (unsigned long long)random_state);
    scratch = raw_scratch_make(16384);
    for (uint32_t kind = 1; kind < ABI_KIND_COUNT; kind++) {
        uint64_t handle = object_of_kind((enum abi_kind)kind);
        if (handle == 0) continue;
        uint64_t rights = ABI_RIGHTS_ALL & ~(uint64_t)(ABI_RIGHT_CONTROL | ABI_RIGHT_KILL);
        if (kind == ABI_KIND_CONSOLE) rights &= ~(uint64_t)ABI_RIGHT_WRITE; /* people read it */
        handles[handle_count++] = raw_dup(handle, rights);
    }
    handles[handle_count++] = scratch.handle;
}
