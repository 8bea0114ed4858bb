/*
 * Operations: what a submission of each kind does. The only code that knows rings and everything
 * else.
 *
 * dispatch.c makes the table from abi/ops.def; every operation there has a handler `op_NAME`
 * declared here. Operations on several kinds of object are switched by kind in stream.c (read,
 * write), enumerate.c and stat.c, and end in one of the functions below. A handler finds its
 * arguments in op->submission, checked as ops.def says.
 *
 * Context: task, on the ring's thread; see op_handler in ring/op.h.
 */
#pragma once
#include "ring/ring.h"

#define OP(number, NAME, name, ...) op_handler op_##name;
#include <abi/ops.def>
#undef OP

/* Boot, after worker_init and process_init: rings, the table, the system calls. OUT_OF_MEMORY */
status ops_init(void);

/* For panics: words about a thread, and the last operations of its ring. Nothing is locked. */
struct text_writer;
struct thread;
void trace_describe_thread(struct text_writer *writer, const struct thread *thread);
void trace_describe_ring(struct text_writer *writer, const struct thread *thread);

/* The system object: the machine, for handles of kind SYSTEM. Borrowed; lives as long as the
 * kernel. */
struct object *system_object(void);

/* ---- parts of operations, by kind ---- */

/* file_names.c: what OPEN, CREATE, DELETE and RENAME refuse before they look at any name, of the
 * kernel's own directories and of those a server minted. */
op_outcome op_check_names(const struct op *op);

/* file_io.c */
op_handler op_read_file;
op_handler op_write_file;
/* CLOSE of a handle that could write. */
op_handler op_close_file;

/* file.c */
op_handler op_enumerate_directory;
/* The part after the common one; the common part is filled, size_bytes is theirs too. Never sleeps.
 */
void stat_file(struct object *file, struct abi_stat *stat);
void stat_directory(struct object *directory, struct abi_stat *stat);

/* direct.c: block devices, and files with ABI_IO_DIRECT */
op_handler op_read_device;
op_handler op_write_device;
op_handler op_sync_device;
op_handler op_read_file_direct;
op_handler op_write_file_direct;
void stat_device(struct object *device, struct abi_stat *stat);

/* console.c */
op_handler op_read_console;
op_handler op_write_console;

/* process.c */
op_handler op_enumerate_process; /* its handles: struct abi_handle_entry */
op_handler op_enumerate_system;  /* its processes: struct abi_process_entry */
void stat_process(struct object *process, struct abi_stat *stat);

/* system.c */
void stat_system(struct object *system, struct abi_stat *stat);

/* service.c */
op_handler op_read_request;
op_handler op_write_request;
void stat_request(struct object *request, struct abi_stat *stat);
/* What runs in place of the handler of an operation that goes to a server. */
op_handler service_forward;

/* memory.c */
void stat_buffer(struct object *buffer, struct abi_stat *stat);

/* channel.c */
void stat_channel(struct object *end, struct abi_stat *stat); /* size_bytes: messages waiting */

/* ---- helpers ---- */

/* Who derives: the process that submitted the op. */
derivation op_derivation(const struct op *op, enum abi_origin origin);
/* A handle to an object found through the op's capability, with those of `rights` that this has.
 * CAPABILITY_REVOKED, OUT_OF_MEMORY, QUOTA_EXCEEDED */
op_outcome op_yield_found(struct op *op, struct object *found, uint64_t rights);

/*
 * Operations that fill a chunk of a provided-buffer pool (ABI_OP_FLAG_POOL) instead of a span of
 * their own. When such an op starts it calls op_pool_check(). When there is something to put, and
 * before that is taken from where it waits, op_pool_take() makes a chunk the op's pin; any context,
 * and locks before LOCK_RANK_BUFFER_POOL may be held. Then it completes with
 *
 *     op_done_with(value, ABI_COMPLETION_CHUNK, chunk)
 *
 * and the chunk is the program's. A multishot op drops the pin after each op_post(); where that is
 * not possible (interrupts off) it goes on in a worker. What was taken and not filled after all is
 * given back with op_pool_give_back(), the pin being the op's still.
 */
static inline bool op_uses_pool(const struct op *op)
{
    return (op->submission.op_flags & ABI_OP_FLAG_POOL) != 0;
}
/* INVALID_ARGUMENT (an offset or a length), INVALID_BUFFER_INDEX, BUFFER_NOT_REGISTERED */
status op_pool_check(const struct op *op);
/* WOULD_BLOCK: the pool is empty, or gone. CAPABILITY_REVOKED */
status op_pool_take(struct op *op, uint32_t *out_chunk);
void op_pool_give_back(struct op *op, uint32_t chunk);

/*
 * Copies a result struct to the start of the op's span, cut to it. Answers the bytes written, or
 * OUT_OF_MEMORY. OUT_OF_RANGE when the span is shorter than minimum_bytes.
 */
op_outcome op_answer_bytes(struct op *op, const void *bytes, uint64_t length,
                           uint64_t minimum_bytes);

/*
 * Copies between pinned spans, however long, letting others run now and then.
 *   OUT_OF_MEMORY    for a page of the target
 *   INTERRUPTED      the calling thread was asked to end
 *   others           why `watched` is being cancelled
 * On failure a prefix has been copied.
 */
status op_copy_span(const buffer_pin *to, const buffer_pin *from, const struct op *watched);
