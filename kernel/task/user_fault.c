/*
 * What programs do that the processor refuses.
 *
 * A page fault is first a question to the address space: most are the first touch of a page.
 * Whatever has no good answer ends the process, with a record for whoever waits for it and one line
 * in the log for people.
 */
#include "arch/arch/trap.h"
#include "base/format.h"
#include "debug/log.h"
#include "mm/frame_pool.h"
#include "task/process_internal.h"

static constexpr uint64_t VECTOR_PAGE_FAULT = 14;

/* Of a page fault's error code; Intel SDM vol. 3A, 4.7. */
static constexpr uint64_t ERROR_PRESENT = 1u << 0;
static constexpr uint64_t ERROR_WRITE = 1u << 1;
static constexpr uint64_t ERROR_USER = 1u << 2;
static constexpr uint64_t ERROR_FETCH = 1u << 4;

/* Intel SDM vol. 3A, 6.3.1, in words that say what the program did. */
static const char *const fault_names[] = {
    [0] = "division by zero",
    [1] = "debug exception",
    [3] = "breakpoint instruction",
    [4] = "overflow trap",
    [5] = "bound range exceeded",
    [6] = "invalid instruction",
    [7] = "no vector unit",
    [10] = "invalid task state",
    [11] = "segment not present",
    [12] = "stack segment fault",
    [13] = "privileged or malformed access",
    [14] = "page fault",
    [16] = "x87 arithmetic error",
    [17] = "unaligned access",
    [18] = "machine check",
    [19] = "vector arithmetic error",
};

static const char *fault_name(uint64_t vector)
{
    const char *name = vector < array_count(fault_names) ? fault_names[vector] : nullptr;
    return name != nullptr ? name : "unknown exception";
}

static uint8_t access_of(const struct user_fault *fault)
{
    if ((fault->error_code & ERROR_FETCH) != 0) return ABI_ACCESS_EXECUTE;
    return (fault->error_code & ERROR_WRITE) != 0 ? ABI_ACCESS_WRITE : ABI_ACCESS_READ;
}

static const char *access_name(const struct user_fault *fault)
{
    switch (access_of(fault)) {
    case ABI_ACCESS_EXECUTE:
        return "execute";
    case ABI_ACCESS_WRITE:
        return "write to";
    default:
        return "read from";
    }
}

/* As the processor pushed it, except that it must not tell where the kernel has pages. */
static uint64_t error_code_for_programs(const struct user_fault *fault)
{
    bool is_kernels = fault->vector == VECTOR_PAGE_FAULT && fault->address >= ABI_USER_ADDRESS_END;
    return is_kernels ? fault->error_code | ERROR_PRESENT : fault->error_code;
}

static void end_with(struct process *process, const struct user_fault *fault,
                     enum abi_exit_reason reason)
{
    user_thread_tell_end(process);
    process_end(process, &(struct abi_exit){
                             .reason = reason,
                             .code = 128 + reason,
                             .fault_vector = fault->vector,
                             .fault_error_code = error_code_for_programs(fault),
                             .fault_address = fault->address,
                             .instruction_address = fault->frame->rip,
                         });
}

static void end_out_of_memory(struct process *process, const struct user_fault *fault)
{
    struct memory_quota *quota = process->quota;
    log_line("task",
             "%.*s (process %llu) is out of memory: it wanted %llu bytes at %#llx, instruction "
             "%#llx, has %llu of its %llu bytes, and the machine has %llu left",
             TEXT_ARGUMENTS(process_name(process)), (unsigned long long)process->id, PAGE_BYTES,
             (unsigned long long)fault->address, (unsigned long long)fault->frame->rip,
             (unsigned long long)memory_quota_used(quota), (unsigned long long)quota->max_bytes,
             frame_pool_count().free_frames * PAGE_BYTES);
    end_with(process, fault, ABI_EXIT_REASON_OUT_OF_MEMORY);
}

static void end_page_fault(struct process *process, const struct user_fault *fault, status why)
{
    const char *reason = why.code == STATUS_NOT_FOUND ? "nothing is mapped" : "it may not";
    log_line("task", "%.*s (process %llu) ended: tried to %s %#llx, where %s; instruction %#llx",
             TEXT_ARGUMENTS(process_name(process)), (unsigned long long)process->id,
             access_name(fault), (unsigned long long)fault->address, reason,
             (unsigned long long)fault->frame->rip);
    end_with(process, fault, ABI_EXIT_REASON_FAULT);
}

static void end_other_fault(struct process *process, const struct user_fault *fault)
{
    log_line("task",
             "%.*s (process %llu) ended: %s (exception %llu, error %#llx); instruction %#llx",
             TEXT_ARGUMENTS(process_name(process)), (unsigned long long)process->id,
             fault_name(fault->vector), (unsigned long long)fault->vector,
             (unsigned long long)fault->error_code, (unsigned long long)fault->frame->rip);
    end_with(process, fault, ABI_EXIT_REASON_FAULT);
}

/*
 * What the processor itself touches for a program, with the rights of the kernel (a segment's
 * descriptor, say), is never a page of the program: it would fault for ever.
 */
static status resolve(struct process *process, const struct user_fault *fault)
{
    if ((fault->error_code & ERROR_USER) == 0) return FAIL(PERMISSION_DENIED);
    return address_space_fault(process->addresses, user_at(fault->address), access_of(fault));
}

/* Returning retries the instruction; after process_end() the thread ends on its way there instead.
 */
static void on_fault(const struct user_fault *fault)
{
    struct process *process = process_current();
    if (fault->vector != VECTOR_PAGE_FAULT) {
        end_other_fault(process, fault);
        return;
    }
    status resolved = resolve(process, fault);
    if (likely(is_ok(resolved))) return;
    if (resolved.code == STATUS_OUT_OF_MEMORY)
        end_out_of_memory(process, fault);
    else
        end_page_fault(process, fault, resolved);
}

void user_fault_init(void)
{
    trap_set_user_fault(on_fault);
}
