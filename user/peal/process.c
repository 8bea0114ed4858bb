#include "peal/process.h"
#include "peal/call.h"
#include "peal/format.h"
#include "peal/heap.h"
#include "peal/memory.h"
#include "peal/program.h"

static peal_raw_status spawn_from_block(file_ref file, const struct peal_spawn *spawn, void *block,
                                        size_t bytes, peal_raw_handle *out_process)
{
    struct location where;
    if (!spawn_block_fill(spawn, block)) return ABI_STATUS_INVALID_ARGUMENT;
    status located = peal_locate_whole(block, bytes, ABI_ACCESS_READ, &where);
    if (!is_ok(located)) return located.code;
    return peal_call_yielding(&(struct abi_submission){.op = ABI_OP_PROCESS_SPAWN,
                                                       .capability = file.raw,
                                                       .buffer_index = where.buffer_index,
                                                       .buffer_offset_bytes = where.offset_bytes,
                                                       .length_bytes = where.length_bytes},
                              out_process);
}

peal_raw_status peal_raw_spawn(file_ref file, const struct peal_spawn *spawn,
                               peal_raw_handle *out_process)
{
    size_t bytes = spawn_block_bytes(spawn);
    if (bytes == 0) return ABI_STATUS_OUT_OF_RANGE;
    alignas(8) uint8_t small[2048];
    if (bytes <= sizeof(small)) return spawn_from_block(file, spawn, small, bytes, out_process);
    OWNED(heap_block) large = {peal_allocate(bytes)};
    if (large.bytes == nullptr) return ABI_STATUS_OUT_OF_MEMORY;
    return spawn_from_block(file, spawn, large.bytes, bytes, out_process);
}

#define HEIR_ENVIRONMENT_MAX 64u

peal_raw_status peal_raw_spawn_heir(file_ref file, text name, peal_raw_handle *out_process)
{
    console_ref console = peal_granted_console(TEXT("console"));
    directory_ref root = peal_granted_directory(TEXT("root"));
    struct peal_grant grants[] = {
        PEAL_GRANT("stdin", console, ABI_RIGHTS_ALL),
        PEAL_GRANT("stdout", console, ABI_RIGHTS_ALL),
        PEAL_GRANT("stderr", console, ABI_RIGHTS_ALL),
        PEAL_GRANT("console", console, ABI_RIGHTS_ALL),
        PEAL_GRANT("root", root, ABI_RIGHTS_ALL),
        PEAL_GRANT("cwd", root, ABI_RIGHTS_ALL),
        PEAL_GRANT("system", peal_granted_system(TEXT("system")), ABI_RIGHTS_ALL),
    };
    text environment[HEIR_ENVIRONMENT_MAX];
    uint32_t count = 0;
    for (; count < HEIR_ENVIRONMENT_MAX && count < peal_environment_count(); count++)
        environment[count] = peal_environment_at(count);
    return peal_raw_spawn(file,
                          &(struct peal_spawn){.name = name,
                                               .arguments = &name,
                                               .arguments_count = 1,
                                               .environment = environment,
                                               .environment_count = count,
                                               .grants = grants,
                                               .grants_count = sizeof(grants) / sizeof(*grants)},
                          out_process);
}

status peal_process_wait(process_ref process, uint64_t deadline_ns, struct abi_exit *out_exit)
{
    struct location where;
    TRY(peal_locate_whole(out_exit, sizeof(*out_exit), ABI_ACCESS_WRITE, &where));
    return peal_call(&(struct abi_submission){.op = ABI_OP_PROCESS_WAIT,
                                              .capability = process.raw,
                                              .buffer_index = where.buffer_index,
                                              .buffer_offset_bytes = where.offset_bytes,
                                              .length_bytes = where.length_bytes,
                                              .args = {deadline_ns}})
        .status;
}

status peal_process_kill(process_ref process, uint32_t code)
{
    return peal_call(&(struct abi_submission){
                         .op = ABI_OP_PROCESS_KILL, .capability = process.raw, .args = {code}})
        .status;
}

/* Intel SDM vol. 3A, table 6-1. */
static const char *fault_name(uint64_t vector)
{
    switch (vector) {
    case 0:
        return "divided by zero";
    case 1:
        return "debug trap";
    case 3:
        return "breakpoint";
    case 4:
        return "overflow trap";
    case 6:
        return "invalid instruction";
    case 7:
        return "no vector unit";
    case 12:
        return "stack fault";
    case 13:
        return "general protection fault";
    case 14:
        return "page fault";
    case 16:
        return "floating-point error";
    case 17:
        return "unaligned access";
    case 19:
        return "vector arithmetic error";
    default:
        return "processor exception";
    }
}

/* Error code of a page fault: Intel SDM vol. 3A, figure 4-12. */
static const char *page_fault_action(uint64_t error_code)
{
    if (error_code & 16) return "executing";
    return error_code & 2 ? "writing" : "reading";
}

void peal_format_exit(struct writer *writer, const struct abi_exit *how)
{
    switch (how->reason) {
    case ABI_EXIT_REASON_KILLED:
        writer_format(writer, "was ended from outside (code %u)", how->code);
        break;
    case ABI_EXIT_REASON_FAULT:
        writer_format(writer, "%s", fault_name(how->fault_vector));
        if (how->fault_vector == 14)
            writer_format(writer, " %s address 0x%lx", page_fault_action(how->fault_error_code),
                          how->fault_address);
        writer_format(writer, " at instruction 0x%lx", how->instruction_address);
        break;
    case ABI_EXIT_REASON_OUT_OF_MEMORY:
        writer_format(writer, "out of memory: it used %lu KiB and touched address 0x%lx",
                      how->memory_bytes / 1024, how->fault_address);
        break;
    case ABI_EXIT_REASON_PROTOCOL:
        writer_write(writer, TEXT("broke the ring protocol"));
        break;
    default:
        break;
    }
}
