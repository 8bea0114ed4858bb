/*
 * One process's handles: from 64-bit numbers to capabilities. Each entry is a hold of a capability
 * of its own.
 *
 * A handle is a slot and a token drawn at random for each insertion, so a guessed, stale or foreign
 * number is refused. Slots are found through two levels, a directory of chunks; both grow with use
 * and are freed with the table. Slots that were never used are preferred while a chunk has some;
 * then free ones are reused oldest first.
 *
 * A handle whose capability was revoked stays in its slot, so that its number goes on naming it and
 * nothing else, until it is closed. It can be closed whatever rights it had; everything else is
 * refused with CAPABILITY_REVOKED.
 *
 * The quota pays for the chunks, and CAPABILITY_BYTES for each handle from when it is inserted or
 * reserved until it is taken out.
 *
 * Context:  any; task where a hold may end. Never sleeps.
 * Locking:  LOCK_RANK_HANDLE_TABLE inside each call. Objects are put after it is released.
 * Cost:     constant; emptying and listing walk the table.
 */
#pragma once
#include "cap/capability.h"
#include "sync/spin_lock.h"
#include <abi/ops.h>

#define HANDLE_TABLE_SLOTS_MAX (1u << ABI_HANDLE_SLOT_BITS)
#define HANDLE_CHUNK_SLOTS     256u
#define HANDLE_CHUNKS_MAX      (HANDLE_TABLE_SLOTS_MAX / HANDLE_CHUNK_SLOTS)

struct memory_quota;
struct handle_chunk;

struct handle_table {
    struct memory_quota *quota;                    /* borrowed: chunks and handles are charged */
    uint64_t process;                              /* number, for people */
    uint32_t live_max;                             /* the process's handle quota */
    spin_lock lock;                                /* LOCK_RANK_HANDLE_TABLE */
    struct handle_chunk **chunks GUARDED_BY(lock); /* the directory: grows by doubling */
    uint32_t chunk_capacity GUARDED_BY(lock);      /* pointers in the directory */
    uint32_t chunk_count GUARDED_BY(lock);         /* chunks that exist */
    uint32_t slot_count GUARDED_BY(lock);          /* slots that were ever filled */
    uint32_t live GUARDED_BY(lock);                /* filled or reserved, each charged */
    uint32_t free_first GUARDED_BY(lock);          /* queue of free slots; UINT32_MAX: empty */
    uint32_t free_last GUARDED_BY(lock);
    bool is_closed GUARDED_BY(lock); /* emptied for good: inserts give INTERRUPTED */
};

void handle_table_init(struct handle_table *table, struct memory_quota *quota, uint32_t live_max,
                       uint64_t process);
/* Drops every handle and refuses further ones. Task context. Idempotent. */
void handle_table_empty(struct handle_table *table);

RESULT_TYPE(handle_result, uint64_t);
/*
 * A new handle for the capability, whose hold is consumed, also on failure.
 *   OUT_OF_MEMORY (also: the memory quota's), QUOTA_EXCEEDED (too many handles), INTERRUPTED (the
 *   table was emptied)
 */
handle_result handle_table_insert(struct handle_table *table,
                                  CONSUMED struct capability *capability);

/*
 * Finds a capability of one of `kinds` (ABI_KIND_BIT set) with all of `rights`. The caller owns a
 * use of it: capability_unuse().
 *   INVALID_CAPABILITY      no such handle here
 *   CAPABILITY_REVOKED      it was taken back; *out_detail says by whom
 *   WRONG_CAPABILITY_TYPE   another kind
 *   INSUFFICIENT_RIGHTS     *out_detail says which and why
 */
capability_result handle_table_find(struct handle_table *table, uint64_t handle, uint32_t kinds,
                                    uint64_t rights, uint32_t *out_detail);

/* Takes the handle out, after the same checks as find, and makes its hold a use for the caller, in
 * one step. */
capability_result handle_table_remove(struct handle_table *table, uint64_t handle, uint32_t kinds,
                                      uint64_t rights, uint32_t *out_detail);

/*
 * To close a handle: the same as remove with any kind; but a revoked one is taken out, too,
 * whatever rights it had, and its hold is ended. That answers OK and nullptr, for there is nothing
 * to use.
 */
capability_result handle_table_close(struct handle_table *table, uint64_t handle, uint64_t rights,
                                     uint32_t *out_detail);

/*
 * To move a handle: takes it out, after the same checks as find, and the caller owns its hold:
 * handle_table_insert(), here or elsewhere, or capability_release(). It may be revoked at any
 * moment, and then stays empty wherever it goes.
 */
capability_result handle_table_take(struct handle_table *table, uint64_t handle, uint32_t kinds,
                                    uint64_t rights, uint32_t *out_detail);

/*
 * To move several handles at once: takes them all out, if each still names the capability given,
 * and the caller owns their holds. False: one does not, and nothing has changed. Any context.
 */
bool handle_table_take_all(struct handle_table *table, uint32_t count, const uint64_t *handles,
                           struct capability *const *capabilities);

/*
 * To insert several at once: makes handles that name nothing yet, all or none; each is filled, with
 * a hold that is consumed, or given back. A table that is emptied meanwhile ends what is filled in.
 *   OUT_OF_MEMORY, QUOTA_EXCEEDED, INTERRUPTED (the table was emptied)
 */
status handle_table_reserve(struct handle_table *table, uint32_t count, uint64_t *out_handles);
void handle_table_fill(struct handle_table *table, uint64_t handle,
                       CONSUMED struct capability *capability);
void handle_table_unreserve(struct handle_table *table, uint32_t count, const uint64_t *handles);

uint32_t handle_table_count(struct handle_table *table);
/* Live handles of all tables. */
uint64_t handle_count_all(void);
/*
 * Looks at the first live slot at or after *cursor: fills *out_entry (not record_bytes and
 * next_cookie), moves *cursor behind it. False when there is none. A revoked handle is listed
 * without rights and with 0 references. Task context.
 */
bool handle_table_next(struct handle_table *table, uint32_t *cursor,
                       struct abi_handle_entry *out_entry);
