/*
 * The life of a process. The picture is in process.h; the table below is the same as code.
 *
 * Whoever moves RUNNING to ENDING writes the exit record and asks every thread to end. Threads
 * leave one by one, each on its own, and the one that finds itself the last takes everything apart:
 * it alone moves ENDING to ENDED, so each part is given back exactly once.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "mm/heap.h"
#include "task/process_internal.h"

static const bool process_may_move[PROCESS_STATE_COUNT][PROCESS_STATE_COUNT] = {
    [PROCESS_NEW] = {[PROCESS_RUNNING] = true, [PROCESS_ENDED] = true},
    [PROCESS_RUNNING] = {[PROCESS_ENDING] = true},
    [PROCESS_ENDING] = {[PROCESS_ENDED] = true},
};

static void process_move_locked(struct process *process, enum process_state next)
    REQUIRES(process->lock)
{
    ASSERT(process_may_move[process->state][next]);
    process->state = next;
    ASSERT((next != PROCESS_RUNNING && next != PROCESS_ENDING) || process->threads_count > 0);
    ASSERT(next != PROCESS_ENDED || list_is_empty(&process->threads));
}

/* ---- creation ---- */

static void process_destroy(struct object *object);

static const struct object_type process_type = {
    .kind = ABI_KIND_PROCESS,
    .rights_all = ABI_RIGHT_WAIT | ABI_RIGHT_KILL | ABI_RIGHT_ENUMERATE | ABI_RIGHT_STAT |
                  ABI_RIGHT_DUP | ABI_RIGHT_TRANSFER | ABI_RIGHT_CLOSE,
    .destroy = process_destroy,
};

/* Memory for the parts; nothing refers to them yet. */
static status take_parts(struct process *process, const struct process_options *options)
{
    process->quota = memory_quota_create(options->memory_max_bytes);
    if (process->quota == nullptr) return FAIL(OUT_OF_MEMORY);
    process->launch = heap_take_zeroed(sizeof(*process->launch));
    if (process->launch == nullptr) return FAIL(OUT_OF_MEMORY);
    address_space_result space = address_space_create(process->quota);
    TRY(space.status);
    process->addresses = space.value;
    return OK;
}

static void give_memory(struct process *process)
{
    heap_give(process->launch);
    if (process->quota != nullptr) memory_quota_put(process->quota);
    heap_give(process);
}

process_result process_create(const struct process_options *options)
{
    struct process *process = heap_take_zeroed(sizeof(*process));
    if (process == nullptr) return (process_result){.status = FAIL(OUT_OF_MEMORY)};
    status taken = take_parts(process, options);
    if (!is_ok(taken)) {
        give_memory(process);
        return (process_result){.status = taken};
    }
    process->id = process_table_next_id();
    process->parent_id = options->parent != nullptr ? options->parent->id : 0;
    process->started_ns = clock_now_ns();
    process->threads_max = options->threads_max;
    process->priority = options->priority;
    process->name_bytes = (uint8_t)min_of(options->name.length, (size_t)PROCESS_NAME_BYTES_MAX);
    bytes_copy(process->name, options->name.bytes, process->name_bytes);
    handle_table_init(&process->handles, process->quota, options->handles_max, process->id);
    buffer_table_init(&process->buffers, process->quota);
    list_init(&process->table_link);
    list_init(&process->recorders);
    spin_lock_init(&process->lock, LOCK_RANK_PROCESS_STATE);
    list_init(&process->threads);
    list_init(&process->watches);
    object_init(&process->object, &process_type);
    return (process_result){.value = process};
}

static void process_destroy(struct object *object)
{
    struct process *process = process_of(object);
    ASSERT(process->addresses == nullptr);
    user_thread_forget_rings(process);
    give_memory(process);
}

/* ---- the end ---- */

/* Gives back what the process holds. Nothing of it runs any more. */
static void take_apart(struct process *process)
{
    handle_table_empty(&process->handles);
    user_thread_tell_gone();
    buffer_table_empty(&process->buffers);
    spin_acquire(&process->lock);
    struct address_space *addresses = TAKE(process->addresses);
    spin_release(&process->lock);
    address_space_destroy(addresses);
    if (process->image != nullptr) image_put(TAKE(process->image));
}

void process_abandon(struct process *process)
{
    take_apart(process);
    spin_acquire(&process->lock);
    process_move_locked(process, PROCESS_ENDED);
    spin_release(&process->lock);
    /* Its creator's other threads may have found its handle already. */
    end_watches_tell(&process->lock, &process->watches);
}

/* From RUNNING only: otherwise it has ended in another way already. */
static void end_locked(struct process *process, const struct abi_exit *record)
    REQUIRES(process->lock)
{
    if (process->state != PROCESS_RUNNING) return;
    process->record = *record;
    process->record.memory_bytes = memory_quota_used(process->quota);
    process_move_locked(process, PROCESS_ENDING);
    struct user_thread *thread;
    list_for_each (thread, &process->threads, link)
        thread_request_end(thread->thread);
}

void process_end(struct process *process, const struct abi_exit *record)
{
    spin_acquire(&process->lock);
    end_locked(process, record);
    spin_release(&process->lock);
}

uint32_t process_exit_code(struct process *process)
{
    spin_acquire(&process->lock);
    uint32_t code = process->record.code;
    spin_release(&process->lock);
    return code;
}

static void finish(struct process *process)
{
    take_apart(process);
    process_table_leave(process);
    spin_acquire(&process->lock);
    process_move_locked(process, PROCESS_ENDED);
    spin_release(&process->lock);
    end_watches_tell(&process->lock, &process->watches);
    object_put(&process->object); /* its own */
}

/* ---- threads ---- */

status process_reserve_thread(struct process *process)
{
    status reserved = OK;
    spin_acquire(&process->lock);
    if (process->state > PROCESS_RUNNING)
        reserved = FAIL(INTERRUPTED);
    else if (process->threads_count >= process->threads_max)
        reserved = FAIL(QUOTA_EXCEEDED);
    else
        process->threads_count++;
    spin_release(&process->lock);
    return reserved;
}

void process_cancel_thread(struct process *process)
{
    spin_acquire(&process->lock);
    process->threads_count--;
    spin_release(&process->lock);
}

status process_enter_thread(struct process *process, struct user_thread *thread)
{
    status entered = OK;
    spin_acquire(&process->lock);
    if (process->state == PROCESS_NEW) process_move_locked(process, PROCESS_RUNNING);
    if (process->state == PROCESS_RUNNING)
        list_push_back(&process->threads, &thread->link);
    else
        entered = FAIL(INTERRUPTED);
    spin_release(&process->lock);
    return entered;
}

void process_leave_thread(struct process *process, struct user_thread *thread, uint32_t code)
{
    struct abi_exit record = {.reason = ABI_EXIT_REASON_CODE, .code = code};
    spin_acquire(&process->lock);
    process->ended_runtime_ns +=
        atomic_load_explicit(&thread->thread->runtime_ns, memory_order_relaxed);
    list_remove(&thread->link);
    bool is_last = process->threads_count == 1;
    if (is_last) end_locked(process, &record);
    process->threads_count--;
    spin_release(&process->lock);
    if (is_last) finish(process);
}

void process_exit_current(uint32_t code, bool whole_process)
{
    struct abi_exit record = {.reason = ABI_EXIT_REASON_CODE, .code = code};
    if (whole_process) process_end(process_current(), &record);
    user_thread_end_current(code);
}

/* ---- watching ---- */

void end_watches_tell(spin_lock *lock, struct list *watches) NO_LOCK_CHECK
{
    for (;;) {
        spin_acquire(lock);
        struct list *first = list_take_front(watches);
        spin_release(lock);
        if (first == nullptr) return;
        struct end_watch *watch = list_entry(first, struct end_watch, link);
        watch->ended(watch);
    }
}

bool process_watch_end(struct process *process, struct end_watch *watch)
{
    list_init(&watch->link);
    spin_acquire(&process->lock);
    bool is_alive = process->state != PROCESS_ENDED;
    if (is_alive) list_push_back(&process->watches, &watch->link);
    spin_release(&process->lock);
    return is_alive;
}

bool process_unwatch(struct process *process, struct end_watch *watch)
{
    spin_acquire(&process->lock);
    bool was_there = !list_is_empty(&watch->link);
    list_remove(&watch->link);
    spin_release(&process->lock);
    return was_there;
}

struct abi_exit process_exit_record(struct process *process)
{
    spin_acquire(&process->lock);
    struct abi_exit record = process->record;
    spin_release(&process->lock);
    return record;
}

/* ---- what it is ---- */

static uint32_t state_for_programs(enum process_state state)
{
    switch (state) {
    case PROCESS_NEW:
    case PROCESS_RUNNING:
        return ABI_PROCESS_RUNNING;
    case PROCESS_ENDING:
        return ABI_PROCESS_ENDING;
    case PROCESS_ENDED:
    case PROCESS_STATE_COUNT:
        return ABI_PROCESS_ENDED;
    }
    return 0;
}

void process_fill_stat(struct process *process, struct abi_stat_process *out_stat)
{
    struct abi_stat_process stat = {
        .id = process->id,
        .parent_id = process->parent_id,
        .memory_bytes = memory_quota_used(process->quota),
        .memory_max_bytes = process->quota->max_bytes,
        .started_ns = process->started_ns,
        .handle_count = handle_table_count(&process->handles),
        .handle_max = process->handles.live_max,
    };
    bytes_copy(stat.name, process->name, process->name_bytes);
    spin_acquire(&process->lock);
    stat.state = state_for_programs(process->state);
    stat.thread_count = process->threads_count;
    stat.processor_ns =
        process->ended_runtime_ns + atomic_load_explicit(&process->served_ns, memory_order_relaxed);
    struct user_thread *thread;
    list_for_each (thread, &process->threads, link)
        stat.processor_ns +=
            atomic_load_explicit(&thread->thread->runtime_ns, memory_order_relaxed);
    spin_release(&process->lock);
    *out_stat = stat;
}

struct address_space *process_get_addresses(struct process *process)
{
    spin_acquire(&process->lock);
    struct address_space *addresses = process->addresses;
    if (addresses != nullptr) address_space_get(addresses);
    spin_release(&process->lock);
    return addresses;
}

static struct thread_description describe_thread(const struct thread *thread)
{
    /* Relaxed: each is what it was a moment ago. */
    uint8_t priority = atomic_load_explicit(&thread->priority, memory_order_relaxed);
    return (struct thread_description){
        .id = thread->id,
        .runtime_ns = atomic_load_explicit(&thread->runtime_ns, memory_order_relaxed),
        .cpu = atomic_load_explicit(&thread->cpu, memory_order_relaxed),
        .state = thread_state(thread),
        .priority = (uint8_t)(priority - THREAD_PRIORITY_USER),
    };
}

uint32_t process_describe_threads(struct process *process, struct thread_description *out_threads,
                                  uint32_t capacity)
{
    uint32_t count = 0;
    spin_acquire(&process->lock);
    struct user_thread *thread;
    list_for_each (thread, &process->threads, link) {
        if (count == capacity) break;
        out_threads[count++] = describe_thread(thread->thread);
    }
    spin_release(&process->lock);
    return count;
}

_Atomic uint64_t *process_served_ns(struct process *process)
{
    return &process->served_ns;
}

struct object *process_object(struct process *process)
{
    return &process->object;
}

struct process *process_of(struct object *object)
{
    return container_of(object, struct process, object);
}

uint64_t process_id(const struct process *process)
{
    return process->id;
}

struct handle_table *process_handles(struct process *process)
{
    return &process->handles;
}

struct buffer_table *process_buffers(struct process *process)
{
    return &process->buffers;
}

struct address_space *process_addresses(struct process *process)
{
    return process->addresses;
}

struct memory_quota *process_quota(struct process *process)
{
    return process->quota;
}

text process_name(const struct process *process)
{
    return (text){process->name, process->name_bytes};
}

struct list *process_recorders(struct process *process)
{
    return &process->recorders;
}

uint8_t process_priority(const struct process *process)
{
    return process->priority;
}

void process_limits(const struct process *process, struct process_options *out_limits)
{
    *out_limits = (struct process_options){
        .name = process_name(process),
        .memory_max_bytes = process->quota->max_bytes,
        .handles_max = process->handles.live_max,
        .threads_max = process->threads_max,
        .priority = process->priority,
    };
}

status process_init(void)
{
    image_init();
    process_table_init();
    user_thread_init();
    user_fault_init();
    return launch_init();
}
