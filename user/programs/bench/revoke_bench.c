#include "revoke_bench.h"
#include "peal/call.h"
#include "peal/clock.h"
#include "peal/timer.h"

/* A timer that never expires: its handles cost what any handle's does, and can be waited on. */
static timer_handle timer;
static uint64_t revoked_ns;

static status set_up(void)
{
    if (!timer_is_nil(timer_borrow(&timer))) return OK;
    timer_result made =
        peal_timer_create((struct timer_setting){.deadline_ns = ABI_DEADLINE_NEVER});
    TRY(made.status);
    timer = TAKE(made.value);
    return OK;
}

status round_dup(void)
{
    TRY(set_up());
    timer_result made = timer_dup(timer_borrow(&timer), ABI_RIGHTS_ALL);
    TRY(made.status);
    timer_handle_drop(&made.value);
    return OK;
}

/* On top of round_dup(). */
status round_restrict(void)
{
    TRY(set_up());
    timer_result made = timer_dup(timer_borrow(&timer), ABI_RIGHTS_ALL);
    TRY(made.status);
    timer_result restricted = timer_restrict(TAKE(made.value), ABI_RIGHT_CLOSE | ABI_RIGHT_WAIT);
    TRY(restricted.status);
    timer_handle_drop(&restricted.value);
    return OK;
}

static status revoke_measured(uint64_t expected)
{
    uint64_t start_ns = peal_clock_now_ns();
    size_result taken = timer_revoke(timer_borrow(&timer));
    revoked_ns += peal_clock_now_ns() - start_ns;
    TRY(taken.status);
    return taken.value == expected ? OK : FAIL(IO_ERROR);
}

status round_revoke_1(void)
{
    TRY(set_up());
    timer_result made = timer_dup(timer_borrow(&timer), ABI_RIGHTS_ALL);
    TRY(made.status);
    OWNED(timer_handle) copy = TAKE(made.value);
    return revoke_measured(1);
}

static timer_handle copies[REVOKE_MANY];

static status copy_all(void)
{
    for (uint32_t i = 0; i < REVOKE_MANY; i++) {
        timer_result made = timer_dup(timer_borrow(&timer), ABI_RIGHTS_ALL);
        TRY(made.status);
        copies[i] = TAKE(made.value);
    }
    return OK;
}

static void drop_copies(void)
{
    for (uint32_t i = 0; i < REVOKE_MANY; i++)
        timer_handle_drop(&copies[i]);
}

/* Waits through the first copies; the completions carry 0. */
static status begin_waits(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct abi_submission *slot = peal_ring_slot();
        if (slot == nullptr) {
            TRY(peal_submit(0, 0).status);
            slot = peal_ring_slot();
        }
        if (slot == nullptr) return FAIL(QUEUE_FULL);
        *slot = (struct abi_submission){.op = ABI_OP_TIMER_WAIT, .capability = copies[i].raw};
        peal_ring_push();
    }
    return peal_submit(0, 0).status;
}

/* They have ended before the revocation did. */
static status reap_waits(uint32_t count)
{
    struct abi_completion done;
    for (; count > 0 && peal_reap(&done); count--)
        if (done.error != ABI_STATUS_CAPABILITY_REVOKED) return FAIL(IO_ERROR);
    return count == 0 ? OK : FAIL(IO_ERROR);
}

static status revoke_many(uint32_t waits)
{
    TRY(set_up());
    status done = copy_all();
    if (is_ok(done)) done = begin_waits(waits);
    if (is_ok(done)) done = revoke_measured(REVOKE_MANY);
    if (is_ok(done)) done = reap_waits(waits);
    drop_copies();
    return done;
}

status round_revoke_many(void)
{
    return revoke_many(0);
}

status round_revoke_many_in_use(void)
{
    return revoke_many(REVOKE_WAITS);
}

uint64_t revoke_take_ns(void)
{
    uint64_t taken = revoked_ns;
    revoked_ns = 0;
    return taken;
}
