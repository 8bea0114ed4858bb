/* What there is to tell of processes: what they are, hold and use. */
#include "base/checked.h"
#include "base/container.h"
#include "fs/procfs/procfs_internal.h"
#include "mm/heap.h"
#include "ring/recorder.h"
#include "sched/scheduler.h"

static constexpr uint32_t THREADS_MAX = 256; /* told of one process */

/* Between entries: others run. */
static status pause(void)
{
    return scheduler_pause() ? OK : FAIL(INTERRUPTED);
}

/* Calls for every process, counted meanwhile, in the order of their numbers. */
typedef status process_visitor(void *context, struct process *process);
static status for_each_process(process_visitor *visit, void *context)
{
    uint64_t next = 0;
    for (struct process *process; (process = process_find_from(next)) != nullptr;) {
        OWNED(object_owner) counted = process_object(process);
        next = process_id(process) + 1;
        TRY(visit(context, process));
        TRY(pause());
    }
    return OK;
}

/* ---- tasks, status ---- */

static void put_process(struct json_writer *json, struct process *process)
{
    struct abi_stat_process stat;
    process_fill_stat(process, &stat);
    json_put_number(json, TEXT("id"), stat.id);
    json_put_number(json, TEXT("parent_id"), stat.parent_id);
    json_put_string(json, TEXT("name"), process_name(process));
    json_put_string(json, TEXT("state"), proc_process_state_word(stat.state));
    json_put_number(json, TEXT("memory_bytes"), stat.memory_bytes);
    json_put_number(json, TEXT("memory_max_bytes"), stat.memory_max_bytes);
    json_put_number(json, TEXT("thread_count"), stat.thread_count);
    json_put_number(json, TEXT("handle_count"), stat.handle_count);
    json_put_number(json, TEXT("handle_max_count"), stat.handle_max);
    json_put_number(json, TEXT("processor_ns"), stat.processor_ns);
    json_put_number(json, TEXT("started_ns"), stat.started_ns);
}

static status add_task(void *context, struct process *process)
{
    struct proc_list *list = context;
    if (!proc_list_has_room(list)) return OK;
    json_open_object(list->json);
    put_process(list->json, process);
    json_close_object(list->json);
    return OK;
}

status proc_make_tasks(struct json_writer *json, const struct proc_subject *subject)
{
    (void)subject;
    struct proc_list list = proc_list_open(json, TEXT("tasks"));
    TRY(for_each_process(add_task, &list));
    proc_list_close(&list);
    return OK;
}

static void put_thread(struct json_writer *json, const struct thread_description *thread)
{
    json_open_object(json);
    json_put_number(json, TEXT("id"), thread->id);
    json_put_string(json, TEXT("state"), proc_thread_state_word(thread->state));
    json_put_number(json, TEXT("priority"), thread->priority);
    json_put_number(json, TEXT("processor"), thread->cpu);
    json_put_number(json, TEXT("processor_ns"), thread->runtime_ns);
    json_close_object(json);
}

typedef struct thread_description *threads_owner;
static void threads_owner_drop(threads_owner *threads)
{
    heap_give(*threads);
}

static status make_status(struct json_writer *json, const struct proc_subject *subject)
{
    struct process *process = subject->process;
    OWNED(threads_owner) threads = heap_take(THREADS_MAX * sizeof(*threads));
    if (threads == nullptr) return FAIL(OUT_OF_MEMORY);
    put_process(json, process);
    uint32_t count = process_describe_threads(process, threads, THREADS_MAX);
    json_put_array(json, TEXT("threads"));
    for (uint32_t i = 0; i < count; i++)
        put_thread(json, &threads[i]);
    json_close_array(json);
    return OK;
}

/* ---- maps ---- */

/* Where the memory of a program is, at random, is its own business: somebody else finds null. */
static void put_own_address(struct json_writer *json, text key, uint64_t address, bool is_own)
{
    json_key(json, key);
    if (is_own)
        json_address(json, address);
    else
        json_null(json);
}

static void put_region(struct json_writer *json, const struct region_description *region,
                       bool is_own)
{
    json_open_object(json);
    put_own_address(json, TEXT("start_address"), region->start, is_own);
    put_own_address(json, TEXT("end_address"), region->end, is_own);
    json_put_number(json, TEXT("length_bytes"), region->end - region->start);
    proc_put_access(json, TEXT("access"), region->access);
    proc_put_access(json, TEXT("access_max"), region->access_max);
    json_put_number(json, TEXT("buffer_object_id"), region->buffer_id);
    json_put_number(json, TEXT("buffer_offset_bytes"), region->buffer_offset);
    json_put_number(json, TEXT("buffer_bytes"), region->buffer_bytes);
    json_put_number(json, TEXT("buffer_committed_bytes"), region->buffer_committed_bytes);
    json_put_number(json, TEXT("derivation_id"), region->derivation_id);
    json_close_object(json);
}

typedef struct address_space *space_owner;
static void space_owner_drop(space_owner *space)
{
    if (*space != nullptr) address_space_put(*space);
}

static status make_maps(struct json_writer *json, const struct proc_subject *subject)
{
    OWNED(space_owner) space = process_get_addresses(subject->process);
    if (space == nullptr) return FAIL(NOT_FOUND);
    bool is_own = subject->reader == process_id(subject->process);
    struct proc_list list = proc_list_open(json, TEXT("regions"));
    struct region_description region = {0};
    while (address_space_describe_region(space, user_at(region.end), &region)) {
        if (proc_list_has_room(&list)) put_region(json, &region, is_own);
        TRY(pause());
    }
    proc_list_close(&list);
    return OK;
}

/* ---- handles ---- */

/* The token, and so the number a program would need, is nobody else's business. */
static void put_handle(struct json_writer *json, const struct abi_handle_entry *entry)
{
    json_open_object(json);
    json_put_number(json, TEXT("slot"), entry->handle & ABI_HANDLE_SLOT_MASK);
    json_put_string(json, TEXT("kind"), proc_kind_word(entry->kind));
    proc_put_rights(json, TEXT("rights"), entry->rights);
    json_put_number(json, TEXT("object_id"), entry->object_id);
    json_put_number(json, TEXT("derivation_step"), entry->derivation_step);
    json_put_boolean(json, TEXT("is_revoked"), entry->references == 0);
    json_close_object(json);
}

static status make_handles(struct json_writer *json, const struct proc_subject *subject)
{
    struct handle_table *handles = process_handles(subject->process);
    struct proc_list list = proc_list_open(json, TEXT("handles"));
    struct abi_handle_entry entry;
    for (uint32_t cursor = 0; handle_table_next(handles, &cursor, &entry);) {
        if (proc_list_has_room(&list)) put_handle(json, &entry);
        TRY(pause());
    }
    proc_list_close(&list);
    return OK;
}

/* ---- rings ---- */

static void put_ring(struct json_writer *json, const struct recorder *recorder,
                     const struct ring_description *ring, uint64_t process)
{
    json_open_object(json);
    json_put_number(json, TEXT("id"), recorder_number(recorder));
    json_put_number(json, TEXT("process_id"), process);
    json_put_number(json, TEXT("thread_id"), recorder_thread(recorder));
    json_put_number(json, TEXT("submission_entries_count"), ring->submission_entries);
    json_put_number(json, TEXT("completion_entries_count"), ring->completion_entries);
    json_put_boolean(json, TEXT("has_poller"), (ring->flags & ABI_RING_POLLER) != 0);
    json_put_number(json, TEXT("accepted_count"), ring->accepted);
    json_put_number(json, TEXT("completed_count"), ring->completed);
    json_put_number(json, TEXT("in_flight_count"), ring->in_flight);
    json_put_number(json, TEXT("unread_count"), ring->unread);
    json_put_number(json, TEXT("system_call_count"), ring->entered);
    json_close_object(json);
}

/* Those that have not ended. */
static status add_rings(void *context, struct process *process)
{
    struct proc_list *list = context;
    uint32_t next = 0;
    for (struct recorder *recorder;
         (recorder = recorder_find(process_recorders(process), next)) != nullptr;) {
        next = recorder_number(recorder) + 1;
        struct ring_description ring;
        if (recorder_describe_ring(recorder, &ring) && proc_list_has_room(list))
            put_ring(list->json, recorder, &ring, process_id(process));
        recorder_put(recorder);
        TRY(pause());
    }
    return OK;
}

static status make_rings(struct json_writer *json, const struct proc_subject *subject)
{
    struct proc_list list = proc_list_open(json, TEXT("rings"));
    TRY(add_rings(&list, subject->process));
    proc_list_close(&list);
    return OK;
}

status proc_make_all_rings(struct json_writer *json, const struct proc_subject *subject)
{
    (void)subject;
    struct proc_list list = proc_list_open(json, TEXT("rings"));
    TRY(for_each_process(add_rings, &list));
    proc_list_close(&list);
    return OK;
}

/* ---- reach ---- */

static void put_derivation(struct json_writer *json, const struct abi_derivation *derivation)
{
    json_open_object(json);
    json_put_number(json, TEXT("id"), derivation->id);
    json_put_number(json, TEXT("parent_id"), derivation->parent_id);
    json_put_number(json, TEXT("object_id"), derivation->object_id);
    json_put_string(json, TEXT("kind"), proc_kind_word(derivation->kind));
    proc_put_rights(json, TEXT("rights"), derivation->rights);
    json_put_number(json, TEXT("holder_process_id"), derivation->holder_process);
    json_put_string(json, TEXT("origin"), proc_origin_word(derivation->origin));
    json_put_number(json, TEXT("origin_process_id"), derivation->origin_process);
    json_put_number(json, TEXT("step"), derivation->step);
    json_put_number(json, TEXT("child_count"), derivation->children);
    json_put_number(json, TEXT("use_count"), derivation->in_use);
    json_close_object(json);
}

static status put_reach(struct json_writer *json, struct capability_reach *reach, uint64_t holder)
{
    struct proc_list list = proc_list_open(json, TEXT("derivations"));
    struct abi_derivation derivation;
    while (capability_reach_next(reach, &derivation)) {
        bool is_wanted = holder == 0 || derivation.holder_process == holder;
        if (derivation.id != 0 && is_wanted && proc_list_has_room(&list))
            put_derivation(json, &derivation);
        TRY(pause());
    }
    proc_list_close(&list);
    return OK;
}

static status make_reach(struct json_writer *json, uint64_t holder)
{
    struct capability_reach reach;
    capability_reach_begin(&reach, 0, 0);
    status made = put_reach(json, &reach, holder);
    capability_reach_end(&reach);
    return made;
}

status proc_make_reach(struct json_writer *json, const struct proc_subject *subject)
{
    (void)subject;
    return make_reach(json, 0);
}

static status make_process_reach(struct json_writer *json, const struct proc_subject *subject)
{
    return make_reach(json, process_id(subject->process));
}

const struct proc_file proc_process_files[PROC_PROCESS_FILES] = {
    {TEXT("status"), make_status},       {TEXT("maps"), make_maps},
    {TEXT("handles"), make_handles},     {TEXT("rings"), make_rings},
    {TEXT("reach"), make_process_reach},
};
