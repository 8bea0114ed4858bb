/*
 * Locking: `pool_mutex` guards the pool of the process. Threads keep the stacks of tasks that have
 * ended until they have no more tasks, and only then give them here.
 */
#include "peal/task_stack.h"
#include "peal/call.h"
#include "peal/group.h"
#include "peal/memory.h"
#include "peal/mutex.h"

#define STACKS_PER_RESERVATION 64u
#define RESERVATION_BYTES_MAX  (16u << 20)

/* What is left of the last reservation. */
struct fresh_stacks {
    uint64_t next;
    uint32_t count;
};

static struct mutex pool_mutex;
static struct fresh_stacks fresh[TASK_STACK_CLASSES] __attribute__((guarded_by(&pool_mutex)));
/* Linked through queue_link.next; the last one's is nullptr. */
static struct list *idle[TASK_STACK_CLASSES] __attribute__((guarded_by(&pool_mutex)));

uint32_t task_stack_class(uint32_t bytes)
{
    uint32_t class = 0;
    if (bytes < TASK_STACK_BYTES_MIN) return TASK_STACK_CLASSES;
    while (class < TASK_STACK_CLASSES && (TASK_STACK_BYTES_MIN << class) < bytes)
        class ++;
    return class;
}

static uint64_t range_bytes(uint32_t class)
{
    return (TASK_STACK_BYTES_MIN << class) + ABI_PAGE_BYTES;
}

static uint32_t reservation_count(uint32_t class)
{
    uint64_t fitting = RESERVATION_BYTES_MAX / range_bytes(class);
    return fitting < STACKS_PER_RESERVATION ? (uint32_t)fitting : STACKS_PER_RESERVATION;
}

/* Has the kernel write to the page first: it can say that there is no memory, a touch cannot. */
static status page_make_present(uint64_t page)
{
    struct location where;
    TRY(peal_locate_whole((void *)page, sizeof(struct abi_op_info), ABI_ACCESS_WRITE, &where));
    return peal_call(&(struct abi_submission){.op = ABI_OP_QUERY,
                                              .buffer_index = where.buffer_index,
                                              .buffer_offset_bytes = where.offset_bytes,
                                              .length_bytes = where.length_bytes,
                                              .args = {ABI_OP_QUERY}})
        .status;
}

__attribute__((requires_capability(&pool_mutex))) static status take_fresh(uint32_t class,
                                                                           struct task **out_task)
{
    struct fresh_stacks *left = &fresh[class];
    uint64_t bytes = range_bytes(class);
    if (left->count == 0) {
        pointer_result made = peal_memory_map(reservation_count(class) * bytes);
        TRY(made.status);
        *left = (struct fresh_stacks){(uint64_t)made.value, reservation_count(class)};
    }
    uint64_t top = left->next + bytes;
    TRY(page_make_present(top - ABI_PAGE_BYTES));
    TRY(peal_buffer_unmap((void *)left->next, ABI_PAGE_BYTES)); /* the guard */
    left->next += bytes;
    left->count--;
    *out_task = (struct task *)((top - sizeof(struct task)) & ~(uint64_t)63);
    return OK;
}

task_result task_stack_take(uint32_t class)
{
    task_result taken = {0};
    mutex_lock(&pool_mutex);
    struct list *first = idle[class];
    if (first != nullptr) {
        idle[class] = first->next;
        taken.value = LIST_ELEMENT(first, struct task, queue_link);
    } else {
        taken.status = take_fresh(class, &taken.value);
    }
    mutex_unlock(&pool_mutex);
    return taken;
}

void task_stack_give_all(uint32_t class, struct list *tasks)
{
    struct list *link;
    mutex_lock(&pool_mutex);
    while ((link = list_take_first(tasks)) != nullptr) {
        link->next = idle[class];
        idle[class] = link;
    }
    mutex_unlock(&pool_mutex);
}
