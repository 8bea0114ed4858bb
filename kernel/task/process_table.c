/* The processes that run, in the order of their numbers. */
#include "sched/wait_queue.h"
#include "task/process_internal.h"

static struct process_table {
    spin_lock lock;                         /* LOCK_RANK_PROCESS_TABLE */
    struct list processes GUARDED_BY(lock); /* by id; each holds a reference to itself */
    uint32_t count GUARDED_BY(lock);
    bool is_closed GUARDED_BY(lock);               /* no more may start */
    struct wait_queue departures GUARDED_BY(lock); /* somebody left */

    _Atomic uint64_t id_last; /* relaxed: only uniqueness matters */
} table;

void process_table_init(void)
{
    spin_lock_init(&table.lock, LOCK_RANK_PROCESS_TABLE);
    list_init(&table.processes);
    wait_queue_init(&table.departures);
}

uint64_t process_table_next_id(void)
{
    return atomic_fetch_add_explicit(&table.id_last, 1, memory_order_relaxed) + 1;
}

static struct process *previous_of(struct list *link) REQUIRES(table.lock)
{
    return link->previous != &table.processes
               ? list_entry(link->previous, struct process, table_link)
               : nullptr;
}

static void insert_locked(struct process *process) REQUIRES(table.lock)
{
    /* From the end: nearly always it belongs there. */
    struct list *behind = &table.processes;
    struct process *before = previous_of(behind);
    while (before != nullptr && before->id > process->id) {
        behind = &before->table_link;
        before = previous_of(behind);
    }
    list_insert_after(behind->previous, &process->table_link);
    table.count++;
}

status process_table_enter(struct process *process, struct user_thread *first)
{
    status entered = FAIL(INTERRUPTED);
    spin_acquire(&table.lock);
    if (!table.is_closed) entered = process_enter_thread(process, first);
    if (is_ok(entered)) insert_locked(process);
    spin_release(&table.lock);
    return entered;
}

void process_table_leave(struct process *process)
{
    spin_acquire(&table.lock);
    list_remove(&process->table_link);
    table.count--;
    wait_queue_wake_all(&table.departures);
    spin_release(&table.lock);
}

struct process *process_find_from(uint64_t id)
{
    struct process *found = nullptr, *process;
    spin_acquire(&table.lock);
    list_for_each (process, &table.processes, table_link) {
        if (process->id < id) continue;
        object_get(&process->object);
        found = process;
        break;
    }
    spin_release(&table.lock);
    return found;
}

uint32_t process_count(void)
{
    spin_acquire(&table.lock);
    uint32_t count = table.count;
    spin_release(&table.lock);
    return count;
}

static void kill_all_but(const struct process *except)
{
    static const struct abi_exit killed = {
        .reason = ABI_EXIT_REASON_KILLED,
        .code = 128 + ABI_EXIT_REASON_KILLED,
    };
    uint64_t id = 0;
    struct process *process;
    while ((process = process_find_from(id)) != nullptr) {
        id = process->id + 1;
        if (process != except) process_end(process, &killed);
        object_put(&process->object);
    }
}

status process_end_all(struct process *except, deadline limit)
{
    spin_acquire(&table.lock);
    table.is_closed = true;
    spin_release(&table.lock);
    kill_all_but(except);

    uint32_t remaining = except != nullptr ? 1 : 0;
    status waited = OK;
    spin_acquire(&table.lock);
    while (is_ok(waited) && table.count > remaining)
        waited = wait_queue_sleep(&table.departures, &table.lock, limit, false);
    spin_release(&table.lock);
    return waited;
}
