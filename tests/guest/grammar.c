/*
 * Submissions made by chance from the table of operations, by several threads of several programs,
 * while other threads write over what they refer to: whatever is asked, the kernel stays whole and
 * keeps its promises.
 *
 *   - every accepted submission has exactly one final completion, by its user data and by the
 *     ring's counters;
 *   - it fails only for reasons the table gives;
 *   - no handle appears that was not yielded;
 *   - when a program has ended, all it held has come back.
 *
 * The submissions (environment GRAMMAR_SUBMISSIONS, default 20,000) are made by children of this
 * program, one after the other with seeds of their own (GRAMMAR_SEED): so what one breaks in itself
 * the next does not have to live with. The seed of one that fails is printed. With GRAMMAR_ONLY a
 * child with just that seed is run.
 */
#include "support/grammar.h"
#include "peal/bytes.h"
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/process.h"
#include "peal/ring.h"
#include "peal/system.h"
#include "peal/thread.h"
#include "support/child.h"
#include "support/guest_test.h"

#define PROGRAM           TEXT("boot/test/grammar")
#define CHILD_SUBMISSIONS 20'000u /* of each child, over its threads */
#define LIFE_SUBMISSIONS  2'000u  /* of each thread */
#define THREADS           2u
#define SLOTS             48u /* submissions one thread has outstanding */
#define BATCH             12u
#define TO_CLOSE          64u
#define SETTLE_MS         4u

static struct stock stock;
static bool is_scribbling; /* through __atomic operations only, as what follows */
static bool has_taint;     /* something may have been yielded that nobody has seen */
static bool is_served;     /* a server may stand behind some handle */
static uint32_t complaint; /* the line of the first one */

static void complain(uint32_t line, const char *what, const struct abi_submission *about,
                     uint64_t value)
{
    uint32_t expected = 0;
    if (!__atomic_compare_exchange_n(&complaint, &expected, line, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED))
        return;
    const struct op_row *row = about != nullptr ? grammar_row(about->op) : nullptr;
    peal_print("test: note grammar: %s: %s, %lu\n", row != nullptr ? row->name : "-", what, value);
    if (about != nullptr) {
        const uint64_t *words = (const uint64_t *)about;
        peal_print("test: note grammar: words");
        for (uint32_t i = 0; i < 8; i++)
            peal_print(" %lx", words[i]);
        peal_print("\n");
    }
    peal_flush();
}
#define COMPLAIN(what, about, value) complain(__LINE__, what, about, value)

/* ---- handles that were yielded ---- */

#define KNOWN_MAX 4096u
static uint64_t known[KNOWN_MAX]; /* 0: free */

static void know(uint64_t handle)
{
    for (uint32_t i = 0; i < KNOWN_MAX; i++) {
        uint64_t expected = 0;
        uint32_t at = (uint32_t)(handle + i) % KNOWN_MAX;
        if (__atomic_compare_exchange_n(&known[at], &expected, handle, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return;
    }
    __atomic_store_n(&has_taint, true, __ATOMIC_RELAXED);
}

static bool is_known(uint64_t handle)
{
    for (uint32_t i = 0; i < KNOWN_MAX; i++)
        if (__atomic_load_n(&known[(uint32_t)(handle + i) % KNOWN_MAX], __ATOMIC_RELAXED) == handle)
            return true;
    return false;
}

static void unknow(uint64_t handle)
{
    for (uint32_t i = 0; i < KNOWN_MAX; i++) {
        uint64_t expected = handle;
        if (__atomic_compare_exchange_n(&known[(uint32_t)(handle + i) % KNOWN_MAX], &expected, 0,
                                        false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return;
    }
}

/* ---- one thread ---- */

struct slot {
    struct abi_submission submission; /* as sent */
    uint32_t kinds;                   /* of its handle, then */
    uint32_t turn;                    /* how often the slot was used */
    bool is_out;
};
struct fuzzer {
    struct chance chance;
    uint64_t sent;
    uint32_t out_count;
    uint32_t to_close_count;
    uint64_t to_close[TO_CLOSE];
    struct slot slots[SLOTS];
};

static uint64_t user_data_of(const struct fuzzer *fuzzer, uint32_t slot)
{
    return (uint64_t)fuzzer->slots[slot].turn << 8 | slot;
}

static struct abi_submission make(struct fuzzer *fuzzer)
{
    if (fuzzer->to_close_count > 0)
        return (struct abi_submission){.op = ABI_OP_CLOSE,
                                       .capability = fuzzer->to_close[--fuzzer->to_close_count]};
    struct abi_submission made = grammar_make(&stock, &fuzzer->chance);
    /* Cancelling, and what else names user data, finds something now and then. */
    if (made.args[0] != 0 && made.args[0] < SLOTS && chance_one_in(&fuzzer->chance, 2))
        made.args[0] = user_data_of(fuzzer, (uint32_t)made.args[0]);
    return made;
}

static struct abi_submission take_slot(struct fuzzer *fuzzer, struct abi_submission made)
{
    uint32_t at = 0;
    while (fuzzer->slots[at].is_out)
        at++;
    struct slot *slot = &fuzzer->slots[at];
    slot->turn++;
    slot->is_out = true;
    made.user_data = user_data_of(fuzzer, at);
    slot->submission = made;
    slot->kinds = stock_kinds_of(&stock, made.capability);
    fuzzer->out_count++;
    return made;
}

static void send(struct fuzzer *fuzzer)
{
    struct abi_submission batch[BATCH];
    uint32_t count = 0, wanted = 1 + chance_below(&fuzzer->chance, BATCH);
    while (count < wanted && fuzzer->out_count < SLOTS)
        batch[count++] = take_slot(fuzzer, make(fuzzer));
    uint32_t published = raw_publish(batch, count);
    if (published != count) COMPLAIN("the submission queue is full", nullptr, published);
    fuzzer->sent += published;
}

static void note_close(struct fuzzer *fuzzer, uint64_t handle)
{
    if (handle == 0) return;
    if (fuzzer->to_close_count < TO_CLOSE) fuzzer->to_close[fuzzer->to_close_count++] = handle;
}

static bool consumes(const struct op_row *row)
{
    return row->handles != ROW_KEEPS && row->handles != ROW_YIELDS;
}

static void take_success(struct fuzzer *fuzzer, const struct slot *slot, uint64_t value)
{
    const struct abi_submission *asked = &slot->submission;
    const struct op_row *row = grammar_row(asked->op);
    if (row == nullptr) {
        COMPLAIN("an unknown operation succeeded", asked, asked->op);
        return;
    }
    if (row->handles == ROW_YIELDS || row->handles == ROW_CONSUMES_YIELDS) know(value);
    if (consumes(row)) {
        unknow(asked->capability);
        stock_forget(&stock, asked->capability);
    }
    note_close(fuzzer, stock_take(&stock, &fuzzer->chance, asked, slot->kinds, value));
}

static void take_failure(const struct abi_submission *asked, uint32_t error)
{
    if (!grammar_allows(asked, error, __atomic_load_n(&is_served, __ATOMIC_RELAXED)))
        COMPLAIN("failed for no reason of its own", asked, error);
}

/* With GRAMMAR_COUNTS: what came of each operation, to see that it is more than refusals. */
#define STATUSES 64u
static uint32_t outcomes[256][STATUSES];

static void count_outcome(const struct abi_submission *asked, const struct abi_completion *done)
{
    uint32_t status = done->tag == ABI_RESULT_OK ? 0 : done->error % STATUSES;
    __atomic_fetch_add(&outcomes[asked->op][status], 1, __ATOMIC_RELAXED);
}

static void tell_outcomes(void)
{
    for (uint32_t i = 0; i < op_rows_count; i++) {
        peal_print("test: note %s:", op_rows[i].name);
        for (uint32_t code = 0; code < STATUSES; code++) {
            text name = peal_status_name((status){(enum status_code)code});
            uint32_t count = outcomes[op_rows[i].number][code];
            if (count != 0) peal_print(" %.*s %u", TEXT_ARGUMENTS(name), count);
        }
        peal_print("\n");
    }
}

static void take(struct fuzzer *fuzzer, const struct abi_completion *done)
{
    uint32_t at = (uint8_t)done->user_data;
    struct slot *slot = &fuzzer->slots[at % SLOTS];
    bool is_expected = at < SLOTS && slot->is_out && done->user_data == user_data_of(fuzzer, at);
    if (!is_expected) {
        COMPLAIN("a completion of nothing", nullptr, done->user_data);
        return;
    }
    count_outcome(&slot->submission, done);
    if (done->tag == ABI_RESULT_OK)
        take_success(fuzzer, slot, done->value);
    else
        take_failure(&slot->submission, done->error);
    if ((done->flags & ABI_COMPLETION_MORE) != 0) return;
    slot->is_out = false;
    fuzzer->out_count--;
}

static void receive(struct fuzzer *fuzzer)
{
    struct abi_completion done[BATCH];
    uint32_t count;
    while ((count = raw_reap(done, BATCH)) > 0)
        for (uint32_t i = 0; i < count; i++)
            take(fuzzer, &done[i]);
}

/* All that was sent has been accepted and has ended. */
static bool is_settled(const struct fuzzer *fuzzer)
{
    const struct abi_ring_header *header = raw_ring();
    uint64_t ended = __atomic_load_n(&header->completed_total, __ATOMIC_ACQUIRE) +
                     __atomic_load_n(&header->suppressed_total, __ATOMIC_RELAXED);
    return ended == fuzzer->sent;
}

/* Successes that leave no completion are found by the counters. */
static void free_silent(struct fuzzer *fuzzer)
{
    if (fuzzer->out_count == 0 || !is_settled(fuzzer)) return;
    receive(fuzzer);
    for (uint32_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &fuzzer->slots[i];
        if (!slot->is_out) continue;
        if ((slot->submission.flags & ABI_SUBMISSION_SKIP_SUCCESS) == 0)
            COMPLAIN("never completed", &slot->submission, 0);
        /* What it did, nobody has heard of. */
        if (grammar_row(slot->submission.op)->handles != ROW_KEEPS)
            __atomic_store_n(&has_taint, true, __ATOMIC_RELAXED);
        slot->is_out = false;
        fuzzer->out_count--;
    }
}

/* Ends what is outstanding, if there is a way; false: some of it goes on. */
static bool settle(struct fuzzer *fuzzer)
{
    uint64_t limit_ns = peal_deadline_in_ms(SETTLE_MS);
    bool has_cancelled = false;
    while (!is_settled(fuzzer) && peal_clock_now_ns() < limit_ns) {
        raw_enter(fuzzer->out_count, peal_deadline_in_ms(1));
        receive(fuzzer);
        if (has_cancelled || is_settled(fuzzer)) continue;
        has_cancelled = true;
        for (uint32_t i = 0; i < SLOTS && fuzzer->out_count < SLOTS; i++) {
            if (!fuzzer->slots[i].is_out) continue;
            struct abi_submission cancel = {.op = ABI_OP_CANCEL, .args = {user_data_of(fuzzer, i)}};
            cancel = take_slot(fuzzer, cancel);
            fuzzer->sent += raw_publish(&cancel, 1);
        }
    }
    receive(fuzzer);
    free_silent(fuzzer);
    return fuzzer->out_count == 0;
}

static struct fuzzer fuzzers[THREADS];

static int fuzz(uint64_t index)
{
    struct fuzzer *fuzzer = &fuzzers[index];
    while (fuzzer->sent < LIFE_SUBMISSIONS) {
        send(fuzzer);
        uint32_t wait = chance_one_in(&fuzzer->chance, 32) ? 1 : 0;
        raw_enter(wait, wait != 0 ? peal_clock_now_ns() + 100'000 : 0);
        receive(fuzzer);
        free_silent(fuzzer);
        if (fuzzer->out_count >= SLOTS - BATCH && !settle(fuzzer)) break;
    }
    if (!settle(fuzzer)) __atomic_store_n(&has_taint, true, __ATOMIC_RELAXED);
    return 0; /* what is still outstanding ends with the ring */
}

/* ---- writing over everything ---- */

static int scribble(uint64_t seed)
{
    struct chance chance = {seed | 1};
    uint64_t *words = (uint64_t *)(void *)stock.scratch.bytes;
    uint32_t count = (uint32_t)(stock.scratch.size_bytes / sizeof(uint64_t));
    while (__atomic_load_n(&is_scribbling, __ATOMIC_RELAXED)) {
        for (uint32_t i = 0; i < 64; i++) {
            uint64_t value = chance_one_in(&chance, 2)
                                 ? chance_next(&chance)
                                 : stock.handles[chance_below(&chance, STOCK_HANDLES)].handle;
            __atomic_store_n(&words[chance_below(&chance, count)], value, __ATOMIC_RELAXED);
        }
        ignore_status(peal_sleep_until(peal_clock_now_ns() + 50'000)); /* any pause will do */
    }
    return 0;
}

/*
 * A ring whose memory another thread writes over: entered by system calls only, since nothing in it
 * can be trusted, and filled where it lies.
 */
static struct abi_ring_header *victim_ring;
static bool has_suffered, may_end;

static int suffer(uint64_t seed)
{
    struct chance chance = {seed | 1};
    struct abi_ring_header *header = peal_thread_self()->ring.header;
    uint32_t entries = header->submission_entries;
    struct abi_submission *submissions = peal_thread_self()->ring.submissions;
    uint32_t tail = 0;
    __atomic_store_n(&victim_ring, header, __ATOMIC_RELEASE);
    for (uint32_t round = 0; round < LIFE_SUBMISSIONS / 4; round++) {
        for (uint32_t i = 0; i < 4; i++)
            submissions[tail++ % entries] = grammar_make(&stock, &chance);
        __atomic_store_n(&header->submission_tail, tail, __ATOMIC_RELEASE);
        __atomic_store_n(&header->completion_head, header->completion_tail, __ATOMIC_RELEASE);
        (void)peal_system_call(ABI_SYSCALL_ENTER, 0, 0);
    }
    __atomic_store_n(&has_suffered, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&may_end, __ATOMIC_ACQUIRE))
        peal_yield();
    return 0;
}

#define ENTRY_WORDS      (uint32_t)(sizeof(struct abi_submission) / sizeof(uint64_t))
#define FIRST_ENTRY_WORD (2 * ABI_PAGE_BYTES / (uint32_t)sizeof(uint64_t))

/* What would make an entry one that hurts the program itself: false, or a value that does not. */
static bool make_harmless(struct chance *chance, uint32_t word, uint64_t *value)
{
    switch (word) {
    case 0: /* the operation */
    case 3: /* the buffer */
    case 4: /* the second buffer */
        return false;
    case 6: /* an argument: neither the address nor the index of something */
    case 7:
        *value = 1ull << (40 + chance_below(chance, 24));
        return true;
    default:
        *value = 1ull << chance_below(chance, 64);
        return true;
    }
}

static int torment(uint64_t seed)
{
    struct chance chance = {seed | 1};
    struct abi_ring_header *header;
    while ((header = __atomic_load_n(&victim_ring, __ATOMIC_ACQUIRE)) == nullptr)
        peal_yield();
    uint32_t count = header->total_bytes / sizeof(uint64_t);
    uint64_t *words = (uint64_t *)(void *)header;
    if (count > 4096) count = 4096;
    while (!__atomic_load_n(&has_suffered, __ATOMIC_ACQUIRE)) {
        uint32_t at = chance_below(&chance, count);
        uint64_t value = chance_next(&chance);
        if (at >= FIRST_ENTRY_WORD && !make_harmless(&chance, at % ENTRY_WORDS, &value)) continue;
        __atomic_store_n(&words[at], value, __ATOMIC_RELAXED);
    }
    return 0;
}

/* ---- one child ---- */

static bool run_thread(running_thread *out_thread, int (*entry)(uint64_t), uint64_t argument)
{
    running_thread_result started = peal_thread_create(entry, argument);
    if (is_ok(started.status)) *out_thread = TAKE(started.value);
    return is_ok(started.status);
}

/* Lives of all threads side by side; answers how much was sent. */
static uint64_t live(struct chance *chance)
{
    running_thread threads[THREADS];
    uint32_t count = 0;
    uint64_t sent = 0;
    for (; count < THREADS; count++) {
        fuzzers[count] = (struct fuzzer){.chance = {chance_next(chance) | 1}};
        if (!run_thread(&threads[count], fuzz, count)) break;
    }
    for (uint32_t i = 0; i < count; i++) {
        ignore_status(peal_thread_join(&threads[i]).status); /* its counts tell */
        sent += fuzzers[i].sent;
    }
    return count > 0 ? sent : 1;
}

static bool is_listed_known(process_ref self)
{
    struct listing listing = {.raw = self.raw};
    const struct abi_handle_entry *entry;
    while ((entry = peal_list_handles(&listing)) != nullptr)
        if (!is_known(entry->handle)) {
            COMPLAIN("a handle that nobody was given", nullptr, entry->kind);
            return false;
        }
    return true;
}

static process_result open_self(void)
{
    return peal_process_open(peal_granted_system(TEXT("system")), peal_startup()->process_id,
                             ABI_RIGHT_ENUMERATE | ABI_RIGHT_STAT | ABI_RIGHT_CLOSE);
}

static void know_present(process_ref self)
{
    struct listing listing = {.raw = self.raw};
    const struct abi_handle_entry *entry;
    while ((entry = peal_list_handles(&listing)) != nullptr)
        know(entry->handle);
}

static bool brings_handles(void)
{
    for (uint32_t i = 0; i < op_rows_count; i++)
        if ((op_rows[i].kinds & ABI_KIND_BIT(CHANNEL)) != 0 && op_rows[i].kinds != ABI_KINDS_ANY)
            return true;
    return false;
}

static int play_exact(uint64_t seed, uint64_t wanted)
{
    struct chance chance = {seed | 1};
    process_result opened = open_self();
    if (!is_ok(opened.status)) return __LINE__;
    OWNED(process_handle) self = TAKE(opened.value);
    stock_fill(&stock);
    know_present(process_borrow(&self));
    is_served = grammar_row(145) != nullptr; /* SERVICE_MINT */
    __atomic_store_n(&is_scribbling, true, __ATOMIC_RELAXED);
    running_thread scribbler = {0};
    if (!run_thread(&scribbler, scribble, seed)) return __LINE__;
    know(scribbler.raw);
    for (uint64_t sent = 0; sent < wanted && complaint == 0;)
        sent += live(&chance);
    __atomic_store_n(&is_scribbling, false, __ATOMIC_RELAXED);
    ignore_status(peal_thread_join(&scribbler).status); /* it ends */
    /* Messages bring handles that no completion names. */
    if (complaint == 0 && !has_taint && !brings_handles())
        (void)is_listed_known(process_borrow(&self));
    if (peal_environment_number(TEXT("counts"), 0) != 0) tell_outcomes();
    return (int)complaint;
}

static int play_hostile(uint64_t seed, uint64_t wanted)
{
    struct chance chance = {seed | 1};
    stock_fill(&stock);
    is_served = true;
    for (uint64_t sent = 0; sent < wanted && complaint == 0; sent += LIFE_SUBMISSIONS) {
        running_thread victim = {0}, tormentor = {0};
        __atomic_store_n(&may_end, false, __ATOMIC_RELAXED);
        __atomic_store_n(&has_suffered, false, __ATOMIC_RELAXED);
        __atomic_store_n(&victim_ring, nullptr, __ATOMIC_RELAXED);
        if (!run_thread(&victim, suffer, chance_next(&chance))) break;
        bool is_attacked = run_thread(&tormentor, torment, chance_next(&chance));
        sent += live(&chance);
        if (is_attacked) ignore_status(peal_thread_join(&tormentor).status); /* it ends */
        __atomic_store_n(&may_end, true, __ATOMIC_RELEASE);
        ignore_status(peal_thread_join(&victim).status);
    }
    return (int)complaint;
}

/* ---- the children, one after the other ---- */

static uint64_t wanted_total(void)
{
    return peal_environment_number(TEXT("GRAMMAR_SUBMISSIONS"), 20'000);
}

static process_result start_child(text part, uint64_t seed, uint64_t count)
{
    char part_bytes[64], seed_bytes[64], count_bytes[64], counts_bytes[64];
    struct writer words[4] = {WRITER(part_bytes), WRITER(seed_bytes), WRITER(count_bytes),
                              WRITER(counts_bytes)};
    writer_format(&words[0], "part=%.*s", TEXT_ARGUMENTS(part));
    writer_format(&words[1], "seed=%lu", seed);
    writer_format(&words[2], "count=%lu", count);
    writer_format(&words[3], "counts=%lu", peal_environment_number(TEXT("GRAMMAR_COUNTS"), 0));
    text environment[] = {writer_text(&words[0]), writer_text(&words[1]), writer_text(&words[2]),
                          writer_text(&words[3])};
    const text path = PROGRAM;
    console_ref console = peal_granted_console(TEXT("console"));
    struct peal_grant grants[] = {
        PEAL_GRANT("stdout", console, ABI_RIGHTS_ALL),
        PEAL_GRANT("console", console, ABI_RIGHTS_ALL),
        PEAL_GRANT("root", peal_granted_directory(TEXT("root")), ABI_RIGHTS_ALL),
        PEAL_GRANT("system", peal_granted_system(TEXT("system")),
                   ABI_RIGHTS_ALL & ~(uint64_t)(ABI_RIGHT_CONTROL | ABI_RIGHT_KILL)),
    };
    file_result opened = peal_file_open(peal_granted_directory(TEXT("root")), path, RIGHTS_EXECUTE);
    if (!is_ok(opened.status)) return (process_result){.status = opened.status};
    OWNED(file_handle) file = TAKE(opened.value);
    return peal_process_spawn(file_borrow(&file), &(struct peal_spawn){
                                                      .name = part,
                                                      .arguments = &path,
                                                      .arguments_count = 1,
                                                      .environment = environment,
                                                      .environment_count = 4,
                                                      .grants = grants,
                                                      .grants_count = 4,
                                                      .memory_max_bytes = 40u << 20,
                                                      .handles_max = 400,
                                                      .threads_max = 12,
                                                  });
}

static void run_child(text part, uint64_t seed, uint64_t count)
{
    struct abi_exit how = {0};
    process_result started = start_child(part, seed, count);
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) child = TAKE(started.value);
    EXPECT(is_ok(peal_process_wait(process_borrow(&child), ABI_DEADLINE_NEVER, &how)));
    EXPECT_MESSAGE(how.reason == ABI_EXIT_REASON_CODE && how.code == 0,
                   "GRAMMAR_ONLY=%lu %.*s ended with reason %u, code %u (address 0x%lx)", seed,
                   TEXT_ARGUMENTS(part), how.reason, how.code, how.fault_address);
    struct abi_stat stat = {0};
    EXPECT(is_ok(process_stat(process_borrow(&child), &stat)));
    EXPECT_MESSAGE(stat.process.memory_bytes == 0 && stat.process.handle_count == 0,
                   "GRAMMAR_ONLY=%lu %.*s left %lu bytes and %u handles behind", seed,
                   TEXT_ARGUMENTS(part), stat.process.memory_bytes, stat.process.handle_count);
}

static void run_children(text part, uint64_t total)
{
    uint64_t only = peal_environment_number(TEXT("GRAMMAR_ONLY"), 0);
    struct chance chance = {peal_environment_number(TEXT("GRAMMAR_SEED"), 20'261) | 1};
    if (only != 0) {
        run_child(part, only, CHILD_SUBMISSIONS);
        return;
    }
    for (uint64_t sent = 0; sent < total && !guest_test_has_failed(); sent += CHILD_SUBMISSIONS) {
        uint64_t left = total - sent;
        run_child(part, chance_next(&chance) >> 16 | 1,
                  left < CHILD_SUBMISSIONS ? left : CHILD_SUBMISSIONS);
    }
}

GUEST_TEST(whatever_the_table_lets_a_program_ask_is_answered_once_and_for_a_reason_it_gives)
{
    run_children(TEXT("exact"), wanted_total() - wanted_total() / 4);
}

GUEST_TEST(programs_whose_rings_are_written_over_hurt_only_themselves)
{
    run_children(TEXT("hostile"), wanted_total() / 4);
}

GUEST_TEST_SETUP
{
    uint64_t seed = peal_environment_number(TEXT("seed"), 1);
    uint64_t count = peal_environment_number(TEXT("count"), 1);
    if (child_plays(TEXT("exact"))) peal_exit(play_exact(seed, count));
    if (child_plays(TEXT("hostile"))) peal_exit(play_hostile(seed, count));
    guest_test_note("seed %lu", peal_environment_number(TEXT("GRAMMAR_SEED"), 20'261));
    guest_test_need_grants();
}
