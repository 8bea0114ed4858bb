#include "poller_bench.h"
#include "peal/ring.h"
#include "peal/thread.h"

static void push_nop(struct abi_submission *slot)
{
    peal_prepare_nop(slot, (struct abi_submission){0});
    peal_ring_push();
}

/* Publishes what was pushed; a system call only if the poller sleeps. */
static status publish(void)
{
    return peal_submit(0, ABI_DEADLINE_NEVER).status;
}

status poller_bench_alone(void)
{
    struct abi_submission *slot = peal_ring_slot();
    if (slot == nullptr) return FAIL(QUEUE_FULL);
    push_nop(slot);
    TRY(publish());
    struct abi_completion done;
    while (!peal_reap(&done)) {
    }
    return done.tag == ABI_RESULT_OK ? OK : status_of_raw(done.error);
}

status poller_bench_stream(void)
{
    for (uint32_t pushed = 0, done = 0; done < POLLER_BENCH_OPERATIONS;) {
        uint32_t before = pushed;
        while (pushed < POLLER_BENCH_OPERATIONS && pushed - done < POLLER_BENCH_IN_FLIGHT) {
            struct abi_submission *slot = peal_ring_slot();
            if (slot == nullptr) break;
            push_nop(slot);
            pushed++;
        }
        if (pushed != before) TRY(publish());
        for (struct abi_completion completion; peal_reap(&completion); done++)
            if (completion.tag != ABI_RESULT_OK) return status_of_raw(completion.error);
    }
    return OK;
}

struct job {
    status (*work)(void *context);
    void *context;
};

static int run_job(uint64_t argument)
{
    const struct job *job = (const struct job *)(uintptr_t)argument;
    return (int)job->work(job->context).code;
}

status poller_bench_run(status (*work)(void *context), void *context)
{
    struct job job = {work, context};
    running_thread_result started =
        peal_thread_create_with(run_job, (uint64_t)(uintptr_t)&job,
                                &(struct peal_thread_options){.ring_flags = ABI_RING_POLLER});
    TRY(started.status);
    running_thread thread = TAKE(started.value);
    size_result joined = peal_thread_join(&thread);
    TRY(joined.status);
    return status_of_raw((peal_raw_status)joined.value);
}
