#include "ops/boot.h"
#include "base/address.h"
#include "base/bytes.h"
#include "debug/assert.h"
#include "mm/frame_pool.h"
#include "mm/heap.h"
#include "ops/program.h"
#include "sched/thread.h"
#include "task/process.h"

/* One program may have half of the machine's memory: the other half is the rest of the system's. */
static constexpr uint64_t MEMORY_SHARE = 2;
static constexpr uint32_t HANDLES_MAX = 16384;
static constexpr uint32_t THREADS_MAX = 256;

static status grant(struct process *process, const struct first_handle *handle,
                    struct abi_startup_handle *out_given)
{
    ASSERT(handle->name.length <= ABI_HANDLE_NAME_BYTES_MAX);
    capability_result made = capability_create(handle->object, handle->rights);
    TRY(made.status);
    *out_given = (struct abi_startup_handle){
        .rights = made.value->rights,
        .kind = object_kind(handle->object),
    };
    bytes_copy(out_given->name, handle->name.bytes, handle->name.length);
    handle_result inserted = handle_table_insert(process_handles(process), made.value);
    out_given->handle = inserted.value;
    return inserted.status;
}

static status grant_and_start(struct process *process, const struct first_process *first,
                              struct abi_startup_handle *given)
{
    for (uint32_t i = 0; i < first->handles_count; i++)
        TRY(grant(process, &first->handles[i], &given[i]));
    return process_start(process, &(struct startup_contents){
                                      .arguments = first->arguments,
                                      .arguments_count = first->arguments_count,
                                      .environment = first->environment,
                                      .environment_count = first->environment_count,
                                      .handles = given,
                                      .handles_count = first->handles_count,
                                  });
}

static status load_and_start(struct process *process, const struct first_process *first)
{
    enum abi_not_executable reason = ABI_NOT_EXECUTABLE_NONE;
    image_result loaded = program_load(first->file, first->name, &reason);
    TRY(loaded.status);
    status outcome = process_load(process, loaded.value);
    image_put(loaded.value);
    TRY(outcome);
    struct abi_startup_handle *given = heap_take((first->handles_count + 1) * sizeof(*given));
    if (given == nullptr) return FAIL(OUT_OF_MEMORY);
    outcome = grant_and_start(process, first, given);
    heap_give(given);
    return outcome;
}

status start_first_process(const struct first_process *first, struct process **out_process)
{
    process_result made = process_create(&(struct process_options){
        .name = first->name,
        .memory_max_bytes = frame_pool_count().total_frames * PAGE_BYTES / MEMORY_SHARE,
        .handles_max = HANDLES_MAX,
        .threads_max = THREADS_MAX,
        .priority = THREAD_PRIORITY_USER + PROCESS_PRIORITY_COUNT - 1,
    });
    TRY(made.status);
    status started = load_and_start(made.value, first);
    if (!is_ok(started)) process_abandon(made.value);
    if (is_ok(started) && out_process != nullptr)
        *out_process = made.value;
    else
        object_put(process_object(made.value));
    return started;
}
