/*
 * The registered buffers of one process: what `buffer_index` in a submission means.
 *
 * Context: any. Locking: LOCK_RANK_BUFFER_TABLE inside. Cost: constant.
 */
#pragma once
#include "sync/spin_lock.h"
#include "vm/buffer.h"

#define BUFFER_TABLE_MAX 4096u

struct buffer_registration {
    struct buffer *buffer; /* counted; nullptr: free */
    uint32_t access;       /* ABI_ACCESS_READ, _WRITE */
    uint32_t next_free;
};

struct buffer_table {
    struct memory_quota *quota; /* borrowed */
    spin_lock lock;
    struct buffer_registration *entries GUARDED_BY(lock); /* grows by doubling */
    uint32_t capacity GUARDED_BY(lock);
    uint32_t free_first GUARDED_BY(lock);
    uint32_t live GUARDED_BY(lock);
};

void buffer_table_init(struct buffer_table *table, struct memory_quota *quota);
/* Drops every registration. */
void buffer_table_empty(struct buffer_table *table);

RESULT_TYPE(index_result, uint32_t);
/* Takes its own reference. OUT_OF_MEMORY, QUOTA_EXCEEDED (BUFFER_TABLE_MAX) */
index_result buffer_table_register(struct buffer_table *table, struct buffer *buffer,
                                   uint32_t access);
/* INVALID_BUFFER_INDEX, BUFFER_NOT_REGISTERED */
status buffer_table_unregister(struct buffer_table *table, uint32_t index);

/*
 * Turns a claim into a pin.
 *   INVALID_BUFFER_INDEX    >= BUFFER_TABLE_MAX
 *   BUFFER_NOT_REGISTERED
 *   OUT_OF_RANGE            the span is not inside the buffer
 *   PERMISSION_DENIED       not registered for `access`
 */
status buffer_table_pin(struct buffer_table *table, uint32_t index, uint64_t offset,
                        uint64_t length, uint32_t access, buffer_pin *out_pin);
