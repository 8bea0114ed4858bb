/*
 * The first process: the only one that nobody spawned. What it is given here is all that programs
 * will ever have.
 *
 * Context: task, may sleep; boot, after everything its handles name.
 */
#pragma once
#include "base/text.h"
#include "cap/object.h"
#include "fs/vfs/vnode.h"

struct first_handle {
    text name;             /* at most ABI_HANDLE_NAME_BYTES_MAX bytes */
    struct object *object; /* borrowed */
    uint64_t rights;
};

struct first_process {
    text name;
    struct vnode *file; /* borrowed: the program */
    const text *arguments;
    uint32_t arguments_count;
    const text *environment;
    uint32_t environment_count;
    const struct first_handle *handles;
    uint32_t handles_count;
};

/*
 * Starts it, with quotas made for this machine, which its children inherit. When `out_process` is
 * not nullptr it receives the process, one reference. NOT_EXECUTABLE (why is in the log), IO_ERROR,
 * OUT_OF_MEMORY, OUT_OF_RANGE
 */
struct process;
status start_first_process(const struct first_process *first, struct process **out_process);
