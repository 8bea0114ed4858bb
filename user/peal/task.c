/*
 * The scheduler of a thread's tasks.
 *
 * A task that has to wait picks the next that can run and switches to it directly; there is no
 * scheduler's own stack. The one that finds nobody hands what was begun to the kernel, waits there
 * for completions, and goes on as soon as one of them has made somebody ready: perhaps itself.
 *
 *     READY      in `ready`                        somebody it waited for has made it so
 *     RUNNING    scheduler->current
 *     WAITING    for an operation (waits_for), for room in the ring (in `room`), for a group,
 *                for another flow of the process (park.c)
 *     ENDED      its stack is in idle_stacks; switched away from for good
 *
 * The thread's own flow is a task, too, with the thread's stack. As long as there is no other and
 * no scope, its calls wait in the kernel for their own completion only (peal_call_finish).
 *
 * A stack that has ended is given to the thread's own list, from which only a spawn on the same
 * thread takes: so its last instructions run on it unharmed.
 */
#include "peal/task.h"
#include "peal/group.h"
#include "peal/program.h"
#include "peal/ring_internal.h"
#include "peal/task_internal.h"
#include "peal/task_stack.h"

/* After so many switches the kernel is entered though somebody can run: deadlines come, and what
 * was begun gets there, among tasks that only yield to each other. */
#define TURNS_MAX 64u
/* Slots of the ring that tasks leave free: for cancellations, and for programs that use the ring
 * themselves beside tasks. */
#define IN_FLIGHT_RESERVE 12u

/* What task_switch leaves on the stack of one that does not run, from its stack pointer up. */
struct switch_frame {
    uint32_t mxcsr;
    uint32_t x87_control;
    uint64_t r15, r14, r13, r12, rbx, rbp;
    uint64_t return_address;
};

#define MXCSR_INITIAL       0x1f80u /* Intel SDM vol. 1, 10.2.3: all exceptions masked */
#define X87_CONTROL_INITIAL 0x37fu  /* Intel SDM vol. 1, 8.1.5 */

/*
 * Saves what a function call keeps, and the stack pointer in *out_suspended; goes on where
 * `resumed` was saved.
 */
__attribute__((naked, noinline)) static void task_switch(void **out_suspended, void *resumed)
{
    __asm__("pushq %rbp\n\t"
            "pushq %rbx\n\t"
            "pushq %r12\n\t"
            "pushq %r13\n\t"
            "pushq %r14\n\t"
            "pushq %r15\n\t"
            "subq $8, %rsp\n\t"
            "stmxcsr (%rsp)\n\t"
            "fnstcw 4(%rsp)\n\t"
            "movq %rsp, (%rdi)\n\t"
            "movq %rsi, %rsp\n\t"
            "ldmxcsr (%rsp)\n\t"
            "fldcw 4(%rsp)\n\t"
            "addq $8, %rsp\n\t"
            "popq %r15\n\t"
            "popq %r14\n\t"
            "popq %r13\n\t"
            "popq %r12\n\t"
            "popq %rbx\n\t"
            "popq %rbp\n\t"
            "ret");
}

[[noreturn, gnu::used]] void task_begin(struct task *self);

/* Where a task's first switch returns to: rbx is the task. */
__attribute__((naked)) static void task_entry(void)
{
    __asm__("movq %rbx, %rdi\n\t"
            "xorl %ebp, %ebp\n\t"
            "call task_begin\n\t"
            "ud2");
}

static void scheduler_init(struct task_scheduler *scheduler, const struct peal_ring *ring)
{
    list_init(&scheduler->ready);
    list_init(&scheduler->room);
    list_init(&scheduler->stops);
    list_init(&scheduler->idle_operations);
    for (uint32_t i = 0; i < TASK_STACK_CLASSES; i++)
        list_init(&scheduler->idle_stacks[i]);
    uint32_t slots = ring->completion_mask + 1;
    scheduler->in_flight_max =
        slots > 4 * IN_FLIGHT_RESERVE ? slots - IN_FLIGHT_RESERVE : slots / 2;
    scheduler->turns_left = TURNS_MAX;
    scope_tree_root(&scheduler->root);
    scheduler->own.scope = &scheduler->root;
    list_add_last(&scheduler->root.tasks, &scheduler->own.scope_link);
    list_init(&scheduler->own.queue_link);
    scheduler->current = &scheduler->own;
}

struct task_scheduler *task_scheduler_self(void)
{
    struct peal_thread *thread = peal_thread_self();
    if (thread->scheduler.current == nullptr) scheduler_init(&thread->scheduler, &thread->ring);
    return &thread->scheduler;
}

static void idle_stacks_give(struct task_scheduler *scheduler)
{
    for (uint32_t i = 0; i < TASK_STACK_CLASSES; i++)
        if (!list_is_empty(&scheduler->idle_stacks[i]))
            task_stack_give_all(i, &scheduler->idle_stacks[i]);
}

void task_scheduler_activate(struct task_scheduler *scheduler)
{
    if (scheduler->active++ == 0) peal_thread_self()->ring.finish = operation_call;
}

void task_scheduler_deactivate(struct task_scheduler *scheduler)
{
    if (--scheduler->active == 0) peal_ring_block_calls(&peal_thread_self()->ring);
}

/* Hands over what was begun and takes what has completed, without waiting. */
static void scheduler_look(struct task_scheduler *scheduler, struct peal_ring *ring)
{
    if (scheduler->in_flight != 0) peal_ring_enter(ring, 0, 0);
    peal_ring_settle(ring);
    scope_expire(scheduler);
    park_inbox_take(scheduler);
}

/* Waits in the kernel; false when nothing came and nothing can. */
static bool scheduler_enter(struct task_scheduler *scheduler, struct peal_ring *ring)
{
    const struct deadline_node *first = scheduler->deadlines.first;
    uint64_t deadline_ns = first == nullptr ? ABI_DEADLINE_NEVER : first->deadline_ns;
    uint32_t unread = peal_ring_unread(ring);
    uint64_t answer = peal_ring_enter(ring, unread + 1, deadline_ns);
    if (peal_ring_unread(ring) != unread) return true;
    if (ABI_ENTER_STATUS(answer) == ABI_STATUS_TIMED_OUT) return true;
    if (ABI_ENTER_STATUS(answer) != ABI_STATUS_QUEUE_FULL) return false;
    operation_take_back(scheduler);
    return true;
}

/* Nobody can run: waits for completions until somebody can. */
static struct task *scheduler_wait(struct task_scheduler *scheduler)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    for (;;) {
        peal_ring_settle(ring);
        scope_expire(scheduler);
        operation_stops_send(scheduler);
        park_inbox_take(scheduler);
        struct list *first = list_take_first(&scheduler->ready);
        if (first != nullptr) return LIST_ELEMENT(first, struct task, queue_link);
        if (!park_prepare_to_sleep(scheduler)) continue;
        if (!scheduler_enter(scheduler, ring)) peal_abort(); /* all wait for each other */
    }
}

[[gnu::noinline]] static struct task *scheduler_turn(struct task_scheduler *scheduler)
{
    if (scheduler->turns_left == 0) {
        scheduler->turns_left = TURNS_MAX;
        scheduler_look(scheduler, &peal_thread_self()->ring);
    } else {
        scheduler->turns_left++; /* nobody had a turn */
    }
    return scheduler_wait(scheduler);
}

static struct task *next_ready(struct task_scheduler *scheduler)
{
    struct list *first = nullptr;
    if (--scheduler->turns_left != 0) first = list_take_first(&scheduler->ready);
    if (__builtin_expect(first == nullptr, false)) return scheduler_turn(scheduler);
    return LIST_ELEMENT(first, struct task, queue_link);
}

void task_suspend(struct task_scheduler *scheduler)
{
    struct task *self = scheduler->current;
    struct task *next = next_ready(scheduler);
    if (next == self) return;
    struct peal_ring *ring = &peal_thread_self()->ring;
    scheduler->current = next;
    self->refusal_detail = ring->refusal_detail;
    task_switch(&self->stack_pointer, next->stack_pointer);
    ring->refusal_detail = self->refusal_detail;
}

void task_yield(void)
{
    struct task_scheduler *scheduler = task_scheduler_self();
    task_make_ready(scheduler, scheduler->current);
    task_suspend(scheduler);
}

status task_check(void)
{
    return task_scheduler_self()->current->scope->reason;
}

void task_start(struct task_scheduler *scheduler, struct task *task)
{
    struct switch_frame *frame =
        (struct switch_frame *)(((uint64_t)task - sizeof(*frame)) & ~(uint64_t)15);
    *frame = (struct switch_frame){.mxcsr = MXCSR_INITIAL,
                                   .x87_control = X87_CONTROL_INITIAL,
                                   .rbx = (uint64_t)task,
                                   .return_address = (uint64_t)task_entry};
    task->stack_pointer = frame;
    list_add_last(&task->scope->tasks, &task->scope_link);
    scheduler->task_count++;
    task_scheduler_activate(scheduler);
    task_make_ready(scheduler, task);
}

/* On its own stack to the end: see above. */
[[noreturn]] static void task_end(struct task_scheduler *scheduler, struct task *self)
{
    list_remove(&self->scope_link);
    list_add_last(&scheduler->idle_stacks[self->stack_class], &self->queue_link);
    scheduler->task_count--;
    task_scheduler_deactivate(scheduler);
    struct task *next = next_ready(scheduler);
    scheduler->current = next;
    task_switch(&self->stack_pointer, next->stack_pointer);
    __builtin_unreachable();
}

void task_begin(struct task *self)
{
    struct task_scheduler *scheduler = &peal_thread_self()->scheduler;
    status outcome = self->function(self->argument);
    if (self->scope != &self->group->scope) peal_abort(); /* a scope that it began is still open */
    group_member_ended(scheduler, self, outcome);
    task_end(scheduler, self);
}

void task_scheduler_settle_down(struct task_scheduler *scheduler)
{
    if (scheduler->task_count == 0) idle_stacks_give(scheduler);
}
