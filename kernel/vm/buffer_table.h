/*
 * The registered buffers of one process: what `buffer_index` in a submission means. With them its
 * pools of provided buffers, whose indices are others (vm/buffer_pool.h).
 *
 * Context: any; what drops a registration: task. Locking: LOCK_RANK_BUFFER_TABLE inside.
 * Cost: constant.
 */
#pragma once
#include "sync/spin_lock.h"
#include "vm/buffer_pool.h"
#include "vm/buffer_share.h"

#define BUFFER_TABLE_MAX 4096u

struct buffer_registration {
    struct buffer_share share; /* empty: free */
    uint32_t next_free;
};

struct buffer_table {
    struct memory_quota *quota; /* borrowed */
    spin_lock lock;
    struct buffer_registration *entries GUARDED_BY(lock); /* grows by doubling */
    uint32_t capacity GUARDED_BY(lock);
    uint32_t free_first GUARDED_BY(lock);
    uint32_t live GUARDED_BY(lock);
    struct buffer_pool_table pools; /* has a lock of its own */
};

void buffer_table_init(struct buffer_table *table, struct memory_quota *quota);
/* Drops every registration and every pool. */
void buffer_table_empty(struct buffer_table *table);

RESULT_TYPE(index_result, uint32_t);
/*
 * Registers a window, for reading, writing or both. Through `capability`, which the caller uses:
 * when it is revoked the index is good for nothing any more, but to be unregistered. nullptr: the
 * kernel's own. OUT_OF_MEMORY, QUOTA_EXCEEDED (BUFFER_TABLE_MAX)
 */
index_result buffer_table_register_window(struct buffer_table *table,
                                          const struct buffer_window *window,
                                          struct capability *capability);
/* A whole buffer, for the kernel itself. */
static inline index_result buffer_table_register(struct buffer_table *table, struct buffer *buffer,
                                                 uint32_t access)
{
    struct buffer_window whole = buffer_window_whole(buffer, access);
    return buffer_table_register_window(table, &whole, nullptr);
}
/* INVALID_BUFFER_INDEX, BUFFER_NOT_REGISTERED */
status buffer_table_unregister(struct buffer_table *table, uint32_t index);

/*
 * Turns a claim into a pin.
 *   INVALID_BUFFER_INDEX    >= BUFFER_TABLE_MAX
 *   BUFFER_NOT_REGISTERED
 *   OUT_OF_RANGE            the span is not inside the window
 *   PERMISSION_DENIED       not registered for `access`
 *   CAPABILITY_REVOKED      what it was registered through is
 */
status buffer_table_pin(struct buffer_table *table, uint32_t index, uint64_t offset,
                        uint64_t length, uint32_t access, buffer_pin *out_pin);
