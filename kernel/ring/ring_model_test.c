/*
 * Random lives of rings, on the real thing and on a model of it: what is accepted, held, pending,
 * cancelled, completed or suppressed, and with what, compared after every step.
 * PEAL_MODEL_SEQUENCES says how many lives, if not so many as below; each depends on its number
 * alone.
 *
 * The model knows every submission there ever was and searches where the kernel has pointers. It
 * says which completions a step must bring and which of them must come before which others, but
 * not which worker does what first: so CANCEL, the one operation whose outcome depends on that, is
 * not put where it would be held.
 */
#include "support/ring_ops.h"
#include <stdio.h>
#include <stdlib.h>

static constexpr uint64_t SEQUENCES = 20'000;
static constexpr uint32_t STEPS = 40;
static constexpr int16_t ITEMS = 256;
static constexpr uint32_t HANDLES = 2;
static constexpr int16_t NOTHING = -1;
static constexpr uint64_t NEVER = UINT64_MAX;
static constexpr uint64_t KEYS = 4;               /* user data below this is shared */
static constexpr uint64_t USER_DATA_FIRST = 1000; /* of those that have their own */
static constexpr uint64_t NO_KEY = 1 << 20;       /* nobody has this or more */
static constexpr uint64_t TICK_NS = 10'000'000;
static constexpr uint8_t THROUGH = 64; /* as PARK, through a file */

#define LINK    ABI_SUBMISSION_LINK
#define HARD    ABI_SUBMISSION_HARD_LINK
#define DRAIN   ABI_SUBMISSION_DRAIN
#define SKIP    ABI_SUBMISSION_SKIP_SUCCESS
#define TIMEOUT ABI_SUBMISSION_TIMEOUT
#define LINKS   (LINK | HARD)

enum item_state : uint8_t { OFFERED, HELD, STARTED, PENDING, ENDING, ENDED };

struct item {
    struct abi_submission submission;
    enum item_state state;
    bool has_wrong_field;
    bool is_invalid, is_broken, is_skipped, has_struck;
    bool is_queued;                           /* HELD behind a drain, and hangs on nothing */
    bool is_drain;                            /* kept others from starting */
    bool has_two_reasons;                     /* cancelled and out of time, whatever comes first */
    bool is_dependent;                        /* ends after the cancellers before it */
    int16_t predecessor, successor, previous; /* `previous`: at first */
    int16_t canceller;
    uint64_t found;
    uint32_t began; /* a canceller, when */
    uint32_t reason;
    uint64_t limit_ns;

    /* Its end. */
    uint32_t status;
    uint64_t value;
    bool is_told, is_seen; /* completion expected, and come */
};

static struct ring_model {
    struct item items[ITEMS];
    int16_t count;    /* of items */
    int16_t accepted; /* of these */
    uint32_t entries, suppressed, reaped, told;
    bool chain_is_open, chain_is_broken, chain_is_skipped, chain_ends_with_timeout;
    int16_t chain_last; /* in flight */
    int16_t draining;
    uint32_t begun; /* cancellers */
    uint64_t handles[HANDLES];
    uint64_t sequence;
    uint32_t step;
} model;

[[noreturn]] static void model_fail(int line, const char *what, int64_t about)
{
    for (int16_t i = 0; i < model.count; i++) {
        const struct item *item = &model.items[i];
        if (i < about - 12 || i > about + 4) continue;
        fprintf(stderr, "  %d: op %u flags %u user data %llu args %llu; state %u status %u\n", i,
                item->submission.op, item->submission.flags,
                (unsigned long long)item->submission.user_data,
                (unsigned long long)item->submission.args[0], item->state, item->status);
    }
    test_fail(__FILE__, line, "sequence %llu, step %u, about %lld: not: %s",
              (unsigned long long)model.sequence, model.step, (long long)about, what);
}
#define MODEL_CHECK(condition, about)                              \
    do {                                                           \
        if (!(condition)) model_fail(__LINE__, #condition, about); \
    } while (0)

/* ---- chance ---- */

static uint64_t random_state;

static uint32_t below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % limit;
}

static bool one_in(uint32_t count)
{
    return below(count) == 0;
}

/* ---- what an item is ---- */

static uint8_t flags_of(int16_t i)
{
    return model.items[i].submission.flags;
}

static bool is_op(int16_t i, uint8_t op)
{
    return model.items[i].submission.op == op;
}

static bool is_hard(int16_t i)
{
    return (flags_of(i) & LINKS) == HARD;
}

static bool is_cancel(int16_t i)
{
    return is_op(i, CANCEL) || is_op(i, CANCEL_HANDLE);
}

static bool is_in_flight(int16_t i)
{
    enum item_state state = model.items[i].state;
    return state != OFFERED && state != ENDED;
}

/* Held behind a drain, or hangs on something there. */
static bool is_behind(int16_t i)
{
    while (model.items[i].predecessor != NOTHING)
        i = model.items[i].predecessor;
    return model.items[i].state == HELD && model.items[i].is_queued;
}

static uint32_t count_in_flight(void)
{
    uint32_t count = 0;
    for (int16_t i = 0; i < model.accepted; i++)
        count += is_in_flight(i);
    return count;
}

static bool is_all_behind(void)
{
    for (int16_t i = 0; i < model.accepted; i++)
        if (is_in_flight(i) && !is_behind(i)) return false;
    return true;
}

static int16_t first_queued(void)
{
    for (int16_t i = 0; i < model.accepted; i++)
        if (model.items[i].state == HELD && model.items[i].is_queued) return i;
    return NOTHING;
}

/* ---- ends ---- */

static bool breaks_chain(int16_t i)
{
    return model.items[i].is_broken || (model.items[i].status != ABI_STATUS_OK && !is_hard(i));
}

static bool passes_over(int16_t i, bool is_broken, bool is_skipped)
{
    return is_op(i, LINK_TIMEOUT) ? is_skipped : is_broken;
}

static void end(int16_t i, uint32_t status, uint64_t value)
{
    struct item *item = &model.items[i];
    MODEL_CHECK(item->state != ENDED, i);
    item->state = ENDED;
    item->status = status;
    item->value = status == ABI_STATUS_OK ? value : 0;
    item->is_told = status != ABI_STATUS_OK || (flags_of(i) & SKIP) == 0;
    if (item->is_told)
        model.told++;
    else
        model.suppressed++;
    if (model.draining == i) model.draining = NOTHING;
    if (model.chain_last == i) {
        model.chain_last = NOTHING;
        model.chain_is_broken = breaks_chain(i);
        model.chain_is_skipped = item->is_skipped;
    }
    if (item->successor == NOTHING) return;
    struct item *next = &model.items[item->successor];
    next->predecessor = NOTHING;
    next->is_broken = breaks_chain(i);
    next->is_skipped = passes_over(item->successor, next->is_broken, item->is_skipped);
    next->state = STARTED;
    item->successor = NOTHING;
}

static bool is_cancel_over(int16_t i)
{
    for (int16_t j = 0; j < model.accepted; j++) {
        const struct item *other = &model.items[j];
        if (other->canceller == i && other->state != ENDED) return false;
        if (model.items[i].is_dependent && j != i && is_cancel(j) && other->state == PENDING &&
            other->began < model.items[i].began)
            return false;
    }
    return true;
}

static void end_cancel(int16_t i)
{
    uint64_t found = model.items[i].found;
    end(i, found != 0 ? ABI_STATUS_OK : ABI_STATUS_NOT_FOUND, found);
}

/* Starts from the queue what may start; true: something. */
static bool release_one(void)
{
    int16_t first = first_queued();
    if (first == NOTHING || model.draining != NOTHING) return false;
    struct item *item = &model.items[first];
    bool is_drain = (flags_of(first) & DRAIN) != 0;
    if (is_drain && !is_all_behind()) return false;
    item->is_queued = false;
    item->state = STARTED;
    if (is_drain) {
        model.draining = first;
        item->is_drain = true;
    }
    return true;
}

static bool end_one_cancel(void)
{
    for (int16_t i = 0; i < model.accepted; i++)
        if (is_cancel(i) && model.items[i].state == PENDING && is_cancel_over(i)) {
            end_cancel(i);
            return true;
        }
    return false;
}

/* After an end: what follows from it at once. */
static void settle(void)
{
    while (release_one() || end_one_cancel())
        ;
}

/* ---- cancelling ---- */

static void take_out(int16_t i)
{
    struct item *item = &model.items[i];
    int16_t last = i, rest = NOTHING, before = item->predecessor;
    if (is_hard(i) && item->successor != NOTHING && is_op(item->successor, LINK_TIMEOUT))
        last = item->successor;
    if (is_hard(i) && is_hard(last)) {
        rest = model.items[last].successor;
        model.items[last].successor = NOTHING;
        if (model.chain_last == last && before != NOTHING) model.chain_last = before;
    }
    if (rest != NOTHING) {
        model.items[rest].predecessor = before;
        model.items[rest].is_queued = before == NOTHING;
    }
    if (before != NOTHING) model.items[before].successor = rest;
    item->predecessor = NOTHING;
    item->is_queued = false;
    item->state = STARTED;
}

static bool can_be_stopped(int16_t i)
{
    return is_op(i, PARK) || is_op(i, THROUGH);
}

static void stop(int16_t i, uint32_t reason, bool is_in_interrupt)
{
    struct item *item = &model.items[i];
    if (item->state == ENDING || item->state == ENDED) return;
    if (item->reason == ABI_STATUS_OK) item->reason = reason;
    if (item->state == HELD) {
        take_out(i);
    } else if (item->state == PENDING && can_be_stopped(i)) {
        if (is_in_interrupt && is_op(i, THROUGH)) {
            item->state = ENDING;
            item->status = reason;
            return;
        }
        end(i, reason, 0);
    }
    settle();
}

static bool is_victim(int16_t i, const struct abi_submission *cancel)
{
    const struct abi_submission *other = &model.items[i].submission;
    if (!is_in_flight(i) || (is_cancel(i) && model.items[i].state == PENDING)) return false;
    return cancel->op == CANCEL ? other->user_data == cancel->args[0]
                                : other->capability == cancel->capability;
}

static void run_cancel_model(int16_t i)
{
    struct item *item = &model.items[i];
    bool all = is_op(i, CANCEL_HANDLE) || item->submission.args[1] != 0;
    bool chosen[ITEMS] = {};
    item->began = ++model.begun;
    for (int16_t j = 0; j < i; j++) {
        if (!is_victim(j, &item->submission)) continue;
        chosen[j] = true;
        item->found++;
        if (model.items[j].canceller == NOTHING)
            model.items[j].canceller = i;
        else
            item->is_dependent = true;
        if (!all) break;
    }
    for (int16_t j = 0; j < i && item->found > 1; j++)
        for (int16_t k = chosen[j] ? j : NOTHING; k != NOTHING; k = model.items[k].successor)
            model.items[k].has_two_reasons = true;
    for (int16_t j = 0; j < i; j++)
        if (chosen[j]) stop(j, ABI_STATUS_INTERRUPTED, false);
    if (is_cancel_over(i))
        end_cancel(i);
    else
        item->state = PENDING;
}

/* ---- running ---- */

static void pend(int16_t i)
{
    struct item *item = &model.items[i];
    item->state = PENDING;
    item->limit_ns = can_be_stopped(i) ? item->submission.args[0] : NEVER;
    if ((flags_of(i) & TIMEOUT) == 0) return;
    uint64_t limit_ns = clock_now_ns() + item->submission.timeout_ms * 1'000'000ull;
    if (limit_ns < item->limit_ns) item->limit_ns = limit_ns;
}

static void run_item(int16_t i)
{
    struct item *item = &model.items[i];
    item->limit_ns = NEVER;
    if (item->is_skipped) {
        end(i, ABI_STATUS_INTERRUPTED, 0);
    } else if (item->reason != ABI_STATUS_OK) {
        end(i, item->reason, 0);
    } else if (item->is_invalid) {
        end(i, ABI_STATUS_INVALID_ARGUMENT, 0);
    } else {
        switch (item->submission.op) {
        case NOP:
            end(i, ABI_STATUS_OK, 0);
            break;
        case ECHO:
            end(i, ABI_STATUS_OK, item->submission.args[0]);
            break;
        case LINK_TIMEOUT:
            end(i, item->has_struck ? ABI_STATUS_TIMED_OUT : ABI_STATUS_OK, 0);
            break;
        case CANCEL:
        case CANCEL_HANDLE:
            run_cancel_model(i);
            break;
        default:
            pend(i);
        }
    }
}

static bool is_valid(int16_t i)
{
    uint8_t flags = flags_of(i);
    if (model.items[i].has_wrong_field || (flags & LINKS) == LINKS) return false;
    if ((flags & DRAIN) != 0 && model.chain_is_open) return false;
    if (!is_op(i, LINK_TIMEOUT)) return true;
    return (flags & TIMEOUT) == 0 && model.chain_is_open && !model.chain_ends_with_timeout;
}

static bool would_be_held(uint8_t flags)
{
    if (model.chain_is_open && model.chain_last != NOTHING) return true;
    if (model.draining != NOTHING || first_queued() != NOTHING) return true;
    return !model.chain_is_open && (flags & DRAIN) != 0 && count_in_flight() != 0;
}

static void hold(int16_t i)
{
    struct item *item = &model.items[i];
    item->state = HELD;
    if (model.chain_last != NOTHING) {
        item->predecessor = item->previous = model.chain_last;
        model.items[model.chain_last].successor = i;
        if (is_op(i, LINK_TIMEOUT) && !item->is_invalid) item->limit_ns = item->submission.args[0];
    } else {
        item->is_queued = true;
    }
}

static void accept_item(int16_t i)
{
    struct item *item = &model.items[i];
    item->is_invalid = !is_valid(i);
    if (model.chain_is_open && model.chain_last == NOTHING) {
        item->is_broken = model.chain_is_broken;
        item->is_skipped = passes_over(i, model.chain_is_broken, model.chain_is_skipped);
    }
    if (would_be_held(flags_of(i))) {
        hold(i);
    } else {
        run_item(i);
        if (item->state == PENDING && (flags_of(i) & DRAIN) != 0) {
            model.draining = i;
            item->is_drain = true;
        }
    }
    model.accepted++;
    model.chain_is_open = (flags_of(i) & LINKS) != 0;
    model.chain_last = model.chain_is_open && item->state != ENDED ? i : NOTHING;
    model.chain_ends_with_timeout = is_op(i, LINK_TIMEOUT);
    if (item->state == ENDED) {
        model.chain_is_broken = breaks_chain(i);
        model.chain_is_skipped = item->is_skipped;
    }
    settle();
}

/* What workers would do; true: something. */
static bool run_workers(void)
{
    bool has_run = false;
    for (int16_t i = 0; i < model.accepted; i++) {
        struct item *item = &model.items[i];
        if (item->state == STARTED)
            run_item(i);
        else if (item->state == PENDING && is_op(i, DEFER))
            end(i, item->reason, item->submission.args[0]);
        else if (item->state == ENDING)
            end(i, item->status, (uint64_t)i);
        else
            continue;
        settle();
        has_run = true;
        i = -1; /* from the beginning */
    }
    return has_run;
}

/* ---- time ---- */

static int16_t next_timer(void)
{
    int16_t next = NOTHING;
    for (int16_t i = 0; i < model.accepted; i++) {
        const struct item *item = &model.items[i];
        bool is_armed = item->limit_ns != NEVER &&
                        (item->state == PENDING || (item->state == HELD && is_op(i, LINK_TIMEOUT)));
        if (!is_armed) continue;
        if (next == NOTHING || item->limit_ns < model.items[next].limit_ns) next = i;
    }
    return next;
}

static bool run_timers(void)
{
    bool has_run = false;
    for (int16_t i; (i = next_timer()) != NOTHING; has_run = true) {
        struct item *item = &model.items[i];
        if (item->limit_ns > clock_now_ns()) break;
        item->limit_ns = NEVER;
        if (is_op(i, LINK_TIMEOUT)) {
            item->has_struck = true;
            stop(item->predecessor, ABI_STATUS_TIMED_OUT, true);
        } else {
            stop(i, ABI_STATUS_TIMED_OUT, true);
        }
    }
    return has_run;
}

/* ---- comparing ---- */

static bool was_stopped(uint32_t error)
{
    return error == ABI_STATUS_INTERRUPTED || error == ABI_STATUS_TIMED_OUT;
}

static bool is_match(int16_t i, const struct abi_completion *completion, bool is_exact)
{
    const struct item *item = &model.items[i];
    if (item->state != ENDED || !item->is_told || item->is_seen) return false;
    if (item->submission.user_data != completion->user_data) return false;
    if (completion->tag == ABI_RESULT_OK)
        return item->status == ABI_STATUS_OK && item->value == completion->value;
    if (is_exact) return completion->error == item->status;
    return item->has_two_reasons && was_stopped(item->status) && was_stopped(completion->error);
}

/* Whose completion this is; model.accepted: nobody's. */
static int16_t find_match(const struct abi_completion *completion)
{
    for (int16_t i = 0; i < model.accepted; i++)
        if (is_match(i, completion, true)) return i;
    int16_t i = 0;
    while (i < model.accepted && !is_match(i, completion, false))
        i++;
    return i;
}

static bool was_seen(int16_t i)
{
    const struct item *item = &model.items[i];
    /* One of those with shared user data may be taken for another. */
    return item->submission.user_data < KEYS || !item->is_told || item->is_seen;
}

static void check_order(int16_t i)
{
    const struct item *item = &model.items[i];
    if (item->submission.user_data < KEYS) return;
    /* One that is cancelled may leave its chain before its turn, and so may what is skipped. */
    bool has_waited = item->previous != NOTHING && item->status == ABI_STATUS_OK &&
                      model.items[item->previous].reason == ABI_STATUS_OK;
    if (has_waited) MODEL_CHECK(was_seen(item->previous), i);
    for (int16_t j = 0; j < model.accepted; j++) {
        if (model.items[j].canceller == i) MODEL_CHECK(was_seen(j), i);
        if (j < i && item->is_drain) MODEL_CHECK(was_seen(j), i);
        bool must_follow = j < i && model.items[j].is_drain && item->status == ABI_STATUS_OK;
        if (must_follow) MODEL_CHECK(was_seen(j), i);
    }
}

static void reap_one(void)
{
    struct abi_completion completion = world_reap();
    int64_t about = (int64_t)completion.user_data - (int64_t)USER_DATA_FIRST;
    MODEL_CHECK(completion.flags == 0, about);
    int16_t i = find_match(&completion);
    if (i == model.accepted)
        fprintf(stderr, "  user data %llu tag %u value %llu\n",
                (unsigned long long)completion.user_data, completion.tag,
                (unsigned long long)completion.value);
    MODEL_CHECK(i < model.accepted, about);
    check_order(i);
    model.items[i].is_seen = true;
    model.reaped++;
}

static void compare(void)
{
    const struct abi_ring_header *header = world.header;
    MODEL_CHECK(world_unread() == model.told - model.reaped, world_unread());
    MODEL_CHECK(header->accepted_total == (uint64_t)model.accepted, model.accepted);
    MODEL_CHECK(header->submission_head == (uint32_t)model.accepted, model.accepted);
    MODEL_CHECK(header->completed_total == model.told, model.told);
    MODEL_CHECK(header->suppressed_total == model.suppressed, model.suppressed);
    MODEL_CHECK(ring_in_flight(world.ring) == count_in_flight(), count_in_flight());
    MODEL_CHECK((uint64_t)model.accepted == model.told + model.suppressed + count_in_flight(), 0);
}

/* Until nothing moves any more. */
static void come_to_rest(void)
{
    bool has_run = true;
    while (has_run) {
        has_run = run_timers();
        has_run |= run_workers();
    }
    do
        world_run_timers();
    while (world_run_work() != 0);
    world_run_timers();
    compare();
}

/* ---- steps ---- */

static uint8_t random_op(void)
{
    static const uint8_t ops[] = {NOP,    ECHO,          PARK,        PARK,    PARK,
                                  DEFER,  LATE,          THROUGH,     THROUGH, CANCEL,
                                  CANCEL, CANCEL_HANDLE, LINK_TIMEOUT};
    return ops[below(sizeof(ops))];
}

static uint8_t random_flags(void)
{
    uint8_t flags = 0;
    if (one_in(2)) flags |= one_in(3) ? HARD : LINK;
    if (one_in(40)) flags |= LINKS;
    if (one_in(10)) flags |= DRAIN;
    if (one_in(5)) flags |= SKIP;
    if (one_in(5)) flags |= TIMEOUT;
    return flags;
}

/* Ahead, past or never; no two are the same. */
static uint64_t random_deadline(int16_t i)
{
    if (one_in(8)) return (uint64_t)i; /* long ago */
    if (one_in(2)) return NEVER;
    return (clock_now_ns() / TICK_NS + 1 + below(8)) * TICK_NS + (uint64_t)i;
}

static uint64_t random_victim(int16_t i)
{
    if (one_in(3) || i == 0) return 1 + below(KEYS - 1);
    uint32_t back = 1 + below(8);
    return model.items[back < (uint32_t)i ? i - (int16_t)back : 0].submission.user_data;
}

/*
 * What becomes of a LINK_TIMEOUT, and of what is linked softly to it, depends on the order in which
 * one cancel finds what it guards and what is in front of that.
 */
static void avoid_either_outcome(int16_t i)
{
    struct abi_submission *submission = &model.items[i].submission;
    if (submission->op != LINK_TIMEOUT || i == 0) return;
    const struct abi_submission *guarded = &model.items[i - 1].submission;
    if (guarded->user_data < KEYS || guarded->op == THROUGH) submission->op = ECHO;
    if ((guarded->flags & LINKS) == HARD && (submission->flags & LINK) != 0)
        submission->flags = (uint8_t)((submission->flags & ~LINKS) | HARD);
}

static void offer(void)
{
    int16_t i = model.count++;
    struct item *item = &model.items[i];
    *item = (struct item){.predecessor = NOTHING,
                          .successor = NOTHING,
                          .previous = NOTHING,
                          .canceller = NOTHING,
                          .limit_ns = NEVER};
    struct abi_submission *submission = &item->submission;
    submission->op = random_op();
    submission->flags = random_flags();
    submission->user_data = one_in(4) ? 1 + below(KEYS - 1) : USER_DATA_FIRST + (uint64_t)i;
    if ((submission->flags & TIMEOUT) != 0) submission->timeout_ms = below(50);
    switch (submission->op) {
    case NOP:
        break;
    case CANCEL:
        submission->args[0] = random_victim(i);
        submission->args[1] = below(2);
        break;
    case CANCEL_HANDLE:
        submission->capability = model.handles[below(HANDLES)];
        break;
    case THROUGH:
        submission->capability = model.handles[below(HANDLES)];
        [[fallthrough]];
    case PARK:
    case LATE:
        submission->args[0] = random_deadline(i);
        submission->args[1] = (uint64_t)i;
        break;
    case LINK_TIMEOUT:
        submission->args[0] = random_deadline(i);
        break;
    default:
        submission->args[0] = (uint64_t)i;
    }
    avoid_either_outcome(i);
    item->has_wrong_field = one_in(20);
    if (item->has_wrong_field) submission->length_bytes = 1;
}

/* The outcome of a CANCEL that is held depends on what workers do first. */
static void avoid_held_cancel(int16_t i)
{
    struct abi_submission *submission = &model.items[i].submission;
    if (!is_cancel(i) || !would_be_held(flags_of(i))) return;
    *submission = (struct abi_submission){.op = CANCEL,
                                          .flags = submission->flags,
                                          .timeout_ms = submission->timeout_ms,
                                          .length_bytes = submission->length_bytes,
                                          .user_data = submission->user_data,
                                          .args = {NO_KEY}};
}

static uint32_t room(void)
{
    return 2 * model.entries - ((uint32_t)model.accepted - model.suppressed - model.reaped);
}

static void step_submit(void)
{
    uint32_t offered = (uint32_t)(model.count - model.accepted);
    for (uint32_t more = below(model.entries - offered + 1); more > 0 && model.count < ITEMS;
         more--)
        offer();
    offered = (uint32_t)(model.count - model.accepted);
    uint32_t taken = offered < room() ? offered : room();
    int16_t first = model.accepted;
    for (uint32_t i = 0; i < taken; i++) {
        avoid_held_cancel((int16_t)(first + (int16_t)i));
        accept_item((int16_t)(first + (int16_t)i));
    }
    for (uint32_t i = 0; i < offered; i++)
        *world_submission_at((uint32_t)first + i) = model.items[first + (int16_t)i].submission;
    world.submission_tail = (uint32_t)model.count;
    __atomic_store_n(&world.header->submission_tail, world.submission_tail, __ATOMIC_RELEASE);
    uint64_t answer = ring_enter(world.ring, 0, ABI_DEADLINE_NEVER);
    MODEL_CHECK(ABI_ENTER_ACCEPTED(answer) == taken, taken);
    MODEL_CHECK(ABI_ENTER_STATUS(answer) ==
                    (taken < offered ? ABI_STATUS_QUEUE_FULL : ABI_STATUS_OK),
                taken);
    compare();
}

/* The op of item `i`, taken from those that wait. */
static struct op *take_source(int16_t i)
{
    struct source_wait *wait;
    list_for_each (wait, &source, link)
        if (op_of_use(wait)->submission.args[1] == (uint64_t)i) {
            struct op *op = op_of_use(wait);
            MODEL_CHECK(source_remove(op), i);
            return op;
        }
    model_fail(__LINE__, "it waits", i);
}

static bool is_waiting(int16_t i)
{
    return model.items[i].state == PENDING && (can_be_stopped(i) || is_op(i, LATE));
}

/* Completes one that waits, from outside. */
static void step_fire(void)
{
    uint32_t waiting = 0;
    for (int16_t i = 0; i < model.accepted; i++)
        waiting += is_waiting(i);
    if (waiting == 0) return;
    uint32_t nth = below(waiting);
    int16_t i = 0;
    while (!is_waiting(i) || nth-- > 0)
        i++;
    struct op *op = take_source(i);
    bool is_in_interrupt = one_in(2);
    bool were_on = interrupts_disable();
    if (!is_in_interrupt) interrupts_restore(were_on);
    op_complete(op, op_done((uint64_t)i));
    if (is_in_interrupt) interrupts_restore(were_on);
    if (is_in_interrupt && is_op(i, THROUGH)) {
        model.items[i].state = ENDING;
        model.items[i].status = ABI_STATUS_OK;
        return;
    }
    end(i, ABI_STATUS_OK, (uint64_t)i);
    settle();
}

/* To the next deadline. */
static void step_time(void)
{
    int16_t next = next_timer();
    if (next != NOTHING && model.items[next].limit_ns > clock_now_ns())
        world_set_clock(model.items[next].limit_ns);
}

static void step_reap(void)
{
    for (uint32_t count = below(world_unread() + 1); count > 0; count--)
        reap_one();
}

static void step(void)
{
    switch (below(8)) {
    case 0:
    case 1:
    case 2:
        step_submit();
        if (one_in(3)) step_fire(); /* before any worker has run */
        break;
    case 3:
    case 4:
        step_fire();
        break;
    case 5:
        step_time();
        break;
    default:
        step_reap();
    }
    come_to_rest();
}

/* ---- a life ---- */

static void destroy_nothing(struct object *object)
{
    (void)object;
}
static const struct object_type file_type = {
    .kind = ABI_KIND_FILE, .rights_all = ABI_RIGHTS_ALL, .destroy = destroy_nothing};
static struct object file;
static struct capability *first_capability;

static struct op_descriptor with_all_arguments[RING_OPERATIONS];
static const struct op_descriptor *model_rows[RING_OPERATIONS];

static void allow_second_argument(uint8_t number, const struct op_descriptor *from)
{
    with_all_arguments[number] = *from;
    with_all_arguments[number].forbidden[7] = 0;
    model_rows[number] = &with_all_arguments[number];
}

static void init_rows(void)
{
    for (uint32_t i = 0; i < RING_OPERATIONS; i++)
        model_rows[i] = rows[i];
    allow_second_argument(PARK, &park_row);
    allow_second_argument(LATE, &late_row);
    allow_second_argument(THROUGH, &cancel_handle_row);
    with_all_arguments[THROUGH].handler = run_park;
    with_all_arguments[THROUGH].forbidden[6] = 0;
    world_init(model_rows);
}

static void begin_life(uint64_t sequence)
{
    model = (struct ring_model){.chain_last = NOTHING, .draining = NOTHING, .sequence = sequence};
    model.entries = 4u << below(3);
    begin(model.entries);
    object_init(&file, &file_type);
    capability_result made = capability_create(&file, ABI_RIGHTS_ALL);
    CHECK_STATUS(OK, made.status);
    first_capability = made.value;
    for (uint32_t i = 0; i < HANDLES; i++) {
        derivation how = {.origin = ABI_ORIGIN_DUP};
        capability_result derived = capability_derive(first_capability, ABI_RIGHTS_ALL, how);
        CHECK_STATUS(OK, derived.status);
        handle_result handle = handle_table_insert(&world.handles, derived.value);
        CHECK_STATUS(OK, handle.status);
        model.handles[i] = handle.value;
    }
}

/* Those that cannot be cancelled end when somebody waits for them. */
static void fire_late(void)
{
    struct op *op = source_take();
    if (op != nullptr) op_complete(op, op_done(op->submission.args[1]));
}

static void close_life(void)
{
    world_turn_hook = fire_late;
    ring_close(world.ring);
    for (int16_t i = 0; i < model.accepted; i++) {
        if (!is_in_flight(i)) continue;
        struct item *item = &model.items[i];
        item->successor = NOTHING;
        if (item->state == PENDING && is_op(i, LATE))
            end(i, ABI_STATUS_OK, (uint64_t)i);
        else if (item->state == PENDING && is_cancel(i))
            end_cancel(i);
        else
            end(i, ABI_STATUS_INTERRUPTED, 0);
    }
    compare();
    while (world_unread() > 0)
        reap_one();
    for (int16_t i = 0; i < model.accepted; i++)
        MODEL_CHECK(model.items[i].is_seen == model.items[i].is_told, i);
    handle_table_empty(&world.handles);
    capability_release(first_capability);
    MODEL_CHECK(file.references == 1, file.references);
    object_put(&file);
    world_end();
}

TEST(random_lives_of_rings_are_what_the_model_says)
{
    const char *wanted = getenv("PEAL_MODEL_SEQUENCES");
    uint64_t sequences = wanted != nullptr ? strtoull(wanted, nullptr, 10) : SEQUENCES;
    init_rows();
    for (uint64_t sequence = 1; sequence <= sequences; sequence++) {
        random_state = sequence * 0x9e37'79b9'7f4a'7c15ull | 1;
        begin_life(sequence);
        for (model.step = 0; model.step < STEPS; model.step++)
            step();
        close_life();
    }
}
