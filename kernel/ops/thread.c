/* Threads of the calling process. */
#include "ops/ops.h"
#include "task/process.h"

/* A thread that was not started. */
typedef struct user_thread *unborn_owner;
static void unborn_owner_drop(unborn_owner *owner)
{
    if (*owner != nullptr) user_thread_abandon(*owner);
}

static void remove_handle(struct op *op, uint64_t handle)
{
    uint32_t detail;
    capability_result removed =
        handle_table_remove(op_handles(op), handle, ABI_KIND_BIT(THREAD), 0, &detail);
    if (is_ok(removed.status)) capability_unuse(removed.value);
}

/* The handle comes first: a thread that runs cannot be taken back. */
op_outcome op_thread_create(struct op *op)
{
    struct abi_thread_start start;
    if (op->pin.length != sizeof(start)) return op_failed(FAIL(INVALID_ARGUMENT));
    buffer_read(op->pin.buffer, op->pin.offset, &start, sizeof(start));
    user_thread_result made = user_thread_create(op_process(op), &start);
    if (!is_ok(made.status)) return op_failed(made.status);
    OWNED(unborn_owner) thread = TAKE(made.value);

    capability_result capability = capability_create(user_thread_object(thread), ABI_RIGHTS_ALL);
    if (!is_ok(capability.status)) return op_failed(capability.status);
    op_outcome outcome = op_yield_handle(op, capability.value);
    if (outcome.code != STATUS_OK) return outcome;
    status started = user_thread_start(thread);
    if (!is_ok(started)) {
        remove_handle(op, outcome.value);
        return op_failed(started);
    }
    object_put(user_thread_object(TAKE(thread)));
    return outcome;
}

static void thread_ended(struct end_watch *watch)
{
    struct op *op = op_of_use(watch);
    op_complete(op, op_done(user_thread_exit_code(user_thread_of(op_object(op)))));
}

static void cancel_join(struct op *op, status why)
{
    if (user_thread_unwatch(user_thread_of(op_object(op)), op_use(op, struct end_watch)))
        op_complete(op, op_failed(why));
}

op_outcome op_thread_join(struct op *op)
{
    struct user_thread *thread = user_thread_of(op_object(op));
    struct end_watch *watch = op_use(op, struct end_watch);
    watch->ended = thread_ended;
    if (!user_thread_watch_end(thread, watch)) return op_done(user_thread_exit_code(thread));
    return op_park(op, cancel_join, (deadline){op->submission.args[0]});
}
