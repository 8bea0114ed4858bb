/*
 * Threads and their stacks.
 *
 * Stacks come from reservations of 64, each one sparse buffer. The lowest page of a stack's range
 * is unmapped when it is first used. The thread's block lies at the top of its stack, so making a
 * thread touches one page that it would touch anyway.
 *
 * Locking: `stacks_mutex` guards the pool.
 */
#include "peal/thread.h"
#include "peal/call.h"
#include "peal/memory.h"
#include "peal/mutex.h"
#include "peal/task_internal.h"
#include "peal/thread_internal.h"

#define STACKS_PER_RESERVATION 64u

/* At the top of a stack that nobody uses: links it into the pool. */
struct idle_stack {
    struct idle_stack *next;
};

static struct mutex stacks_mutex;
static struct idle_stack *idle_stacks __attribute__((guarded_by(&stacks_mutex)));
static uint64_t fresh_stack __attribute__((guarded_by(&stacks_mutex)));
static uint32_t fresh_stacks_left __attribute__((guarded_by(&stacks_mutex)));

static struct idle_stack *idle_of(uint64_t stack)
{
    return (struct idle_stack *)(stack + THREAD_STACK_BYTES - sizeof(struct idle_stack));
}

__attribute__((requires_capability(&stacks_mutex))) static status
stack_take_fresh(uint64_t *out_stack)
{
    if (fresh_stacks_left == 0) {
        pointer_result made = peal_memory_map(STACKS_PER_RESERVATION * (size_t)THREAD_STACK_BYTES);
        TRY(made.status);
        fresh_stack = (uint64_t)made.value;
        fresh_stacks_left = STACKS_PER_RESERVATION;
    }
    TRY(peal_buffer_unmap((void *)fresh_stack, ABI_PAGE_BYTES)); /* the guard */
    *out_stack = fresh_stack;
    fresh_stack += THREAD_STACK_BYTES;
    fresh_stacks_left--;
    return OK;
}

static status stack_take(uint64_t *out_stack)
{
    status taken = OK;
    mutex_lock(&stacks_mutex);
    if (idle_stacks != nullptr) {
        struct idle_stack *idle = idle_stacks;
        idle_stacks = idle->next;
        *out_stack = (uint64_t)(idle + 1) - THREAD_STACK_BYTES;
    } else {
        taken = stack_take_fresh(out_stack);
    }
    mutex_unlock(&stacks_mutex);
    return taken;
}

static void stack_give(uint64_t stack)
{
    mutex_lock(&stacks_mutex);
    struct idle_stack *idle = idle_of(stack);
    idle->next = idle_stacks;
    idle_stacks = idle;
    mutex_unlock(&stacks_mutex);
}

__attribute__((naked)) void peal_thread_entry(void)
{
    __asm__("xorl %ebp, %ebp\n\t"
            "call peal_thread_begin\n\t"
            "ud2");
}

void peal_thread_begin(struct peal_thread *self, struct abi_ring_header *ring, uint64_t thread_id)
{
    self->id = thread_id;
    peal_ring_init(&self->ring, ring);
    peal_thread_exit(self->entry(self->argument));
}

void peal_thread_exit(int code)
{
    task_scheduler_end();
    peal_system_call(ABI_SYSCALL_EXIT, (uint32_t)code, ABI_EXIT_THREAD);
    __builtin_trap();
}

uint64_t peal_thread_id(void)
{
    return peal_thread_self()->id;
}

static peal_raw_status thread_start(const struct abi_thread_start *start,
                                    peal_raw_handle *out_thread)
{
    struct location where;
    status located = peal_locate_whole(start, sizeof(*start), ABI_ACCESS_READ, &where);
    if (!is_ok(located)) return located.code;
    return peal_call_yielding(&(struct abi_submission){.op = ABI_OP_THREAD_CREATE,
                                                       .buffer_index = where.buffer_index,
                                                       .buffer_offset_bytes = where.offset_bytes,
                                                       .length_bytes = sizeof(*start)},
                              out_thread);
}

peal_raw_status peal_raw_thread_create(int (*entry)(uint64_t argument), uint64_t argument,
                                       const struct peal_thread_options *options,
                                       uint64_t *out_stack, peal_raw_handle *out_thread)
{
    uint64_t stack;
    status taken = stack_take(&stack);
    if (!is_ok(taken)) return taken.code;
    uint64_t top = (stack + THREAD_STACK_BYTES - sizeof(struct peal_thread)) & ~63ull;
    struct peal_thread *block = (struct peal_thread *)top;
    *block = (struct peal_thread){.self = block, .argument = argument, .entry = entry};
    struct abi_thread_start start = {
        .entry_address = (uint64_t)peal_thread_entry,
        .stack_address = top,
        .argument = (uint64_t)block,
        .thread_pointer = (uint64_t)block,
        .ring_entries = options->ring_entries,
        .ring_flags = options->ring_flags,
        .priority = options->priority,
    };
    peal_raw_status started = thread_start(&start, out_thread);
    if (started == ABI_STATUS_OK)
        *out_stack = stack;
    else
        stack_give(stack);
    return started;
}

size_result peal_thread_join(running_thread *thread)
{
    size_result code = peal_call(&(struct abi_submission){
        .op = ABI_OP_THREAD_JOIN, .capability = thread->raw, .args = {ABI_DEADLINE_NEVER}});
    TRY_AS(size_result, code.status); /* still running, or never was: its stack stays as it is */
    peal_raw_close(thread->raw);
    stack_give(thread->stack);
    *thread = (running_thread){0};
    return code;
}

void running_thread_drop(running_thread *thread)
{
    if (thread->raw != ABI_HANDLE_NONE) ignore_status(peal_thread_join(thread).status);
}
