/*
 * Slots in chunks, tokens at random.
 *
 * Locking: the table's lock covers every look at a slot, and keeps what is in it: a capability may
 * be looked at, and a use of it begun, under the lock. What a call drops (holds, uses, chunks) it
 * first takes out under the lock and gives up behind it, because that may destroy an object.
 */
#include "cap/handle_table.h"
#include "debug/assert.h"
#include "mm/heap.h"
#include "mm/quota.h"
#include "random/random.h"

static constexpr uint32_t SLOT_NONE = UINT32_MAX;
static constexpr uint32_t DIRECTORY_FIRST = 4;

struct handle_slot {
    struct capability *capability; /* a hold; nullptr: free */
    union {
        uint64_t token;     /* while filled; never zero */
        uint32_t next_free; /* while free */
    };
};

struct handle_chunk {
    struct handle_slot slots[HANDLE_CHUNK_SLOTS];
};
static_assert(sizeof(struct handle_chunk) == 4096, "one page of slots");

/* Relaxed: a statistic. */
static _Atomic uint64_t handles_alive;

uint64_t handle_count_all(void)
{
    return atomic_load_explicit(&handles_alive, memory_order_relaxed);
}

void handle_table_init(struct handle_table *table, struct memory_quota *quota, uint32_t live_max,
                       uint64_t process)
{
    *table = (struct handle_table){
        .quota = quota,
        .process = process,
        .live_max = live_max < HANDLE_TABLE_SLOTS_MAX ? live_max : HANDLE_TABLE_SLOTS_MAX,
        .lock = SPIN_LOCK_INIT(LOCK_RANK_HANDLE_TABLE),
        .free_first = SLOT_NONE,
        .free_last = SLOT_NONE,
    };
}

static struct handle_slot *slot_at_locked(struct handle_table *table, uint32_t index)
    REQUIRES(table->lock)
{
    return &table->chunks[index / HANDLE_CHUNK_SLOTS]->slots[index % HANDLE_CHUNK_SLOTS];
}

static uint64_t directory_bytes(uint32_t capacity)
{
    return capacity * sizeof(struct handle_chunk *);
}

static void *charged_take(struct memory_quota *quota, uint64_t bytes)
{
    if (!is_ok(memory_quota_charge(quota, bytes))) return nullptr;
    void *memory = heap_take(bytes);
    if (memory == nullptr) memory_quota_uncharge(quota, bytes);
    return memory;
}

static void charged_give(struct memory_quota *quota, void *memory, uint64_t bytes)
{
    if (memory == nullptr) return;
    heap_give(memory);
    memory_quota_uncharge(quota, bytes);
}

static status grow_directory_locked(struct handle_table *table) REQUIRES(table->lock)
{
    uint32_t capacity = table->chunk_capacity == 0 ? DIRECTORY_FIRST : 2 * table->chunk_capacity;
    struct handle_chunk **larger = charged_take(table->quota, directory_bytes(capacity));
    if (larger == nullptr) return FAIL(OUT_OF_MEMORY);
    for (uint32_t i = 0; i < table->chunk_count; i++)
        larger[i] = table->chunks[i];
    charged_give(table->quota, table->chunks, directory_bytes(table->chunk_capacity));
    table->chunks = larger;
    table->chunk_capacity = capacity;
    return OK;
}

static status grow_locked(struct handle_table *table) REQUIRES(table->lock)
{
    ASSERT(table->chunk_count < HANDLE_CHUNKS_MAX); /* live_max keeps it so */
    if (table->chunk_count == table->chunk_capacity) TRY(grow_directory_locked(table));
    struct handle_chunk *chunk = charged_take(table->quota, sizeof(struct handle_chunk));
    if (chunk == nullptr) return FAIL(OUT_OF_MEMORY);
    table->chunks[table->chunk_count++] = chunk;
    return OK;
}

RESULT_TYPE(slot_result, uint32_t);

static slot_result take_slot_locked(struct handle_table *table) REQUIRES(table->lock)
{
    if (table->slot_count == table->chunk_count * HANDLE_CHUNK_SLOTS) {
        uint32_t oldest = table->free_first;
        if (oldest != SLOT_NONE) {
            table->free_first = slot_at_locked(table, oldest)->next_free;
            if (table->free_first == SLOT_NONE) table->free_last = SLOT_NONE;
            return (slot_result){.value = oldest};
        }
        TRY_AS(slot_result, grow_locked(table));
    }
    return (slot_result){.value = table->slot_count++};
}

static void give_slot_locked(struct handle_table *table, uint32_t index) REQUIRES(table->lock)
{
    struct handle_slot *slot = slot_at_locked(table, index);
    slot->capability = nullptr;
    slot->next_free = SLOT_NONE;
    if (table->free_last == SLOT_NONE)
        table->free_first = index;
    else
        slot_at_locked(table, table->free_last)->next_free = index;
    table->free_last = index;
}

static uint64_t fresh_token(void)
{
    uint64_t token;
    do
        token = random_number() >> ABI_HANDLE_SLOT_BITS;
    while (token == 0); /* no handle is zero */
    return token;
}

/* Relaxed: for people. */
static void note_holder(struct capability *capability, uint64_t process, uint64_t handle)
{
    atomic_store_explicit(&capability->holder_process, process, memory_order_relaxed);
    atomic_store_explicit(&capability->handle, handle, memory_order_relaxed);
}

static handle_result insert_locked(struct handle_table *table, struct capability *capability,
                                   uint64_t token) REQUIRES(table->lock)
{
    if (table->is_closed) return (handle_result){.status = FAIL(INTERRUPTED)};
    if (table->live >= table->live_max) return (handle_result){.status = FAIL(QUOTA_EXCEEDED)};
    TRY_AS(handle_result, memory_quota_charge(table->quota, CAPABILITY_BYTES));
    slot_result taken = take_slot_locked(table);
    if (unlikely(!is_ok(taken.status))) memory_quota_uncharge(table->quota, CAPABILITY_BYTES);
    TRY_AS(handle_result, taken.status);
    *slot_at_locked(table, taken.value) =
        (struct handle_slot){.capability = capability, .token = token};
    table->live++;
    uint64_t handle = token << ABI_HANDLE_SLOT_BITS | taken.value;
    note_holder(capability, table->process, handle);
    return (handle_result){.value = handle};
}

handle_result handle_table_insert(struct handle_table *table,
                                  CONSUMED struct capability *capability)
{
    uint64_t token = fresh_token();
    spin_acquire(&table->lock);
    handle_result made = insert_locked(table, capability, token);
    spin_release(&table->lock);
    if (is_ok(made.status))
        atomic_fetch_add_explicit(&handles_alive, 1, memory_order_relaxed);
    else
        capability_release(capability);
    return made;
}

/* The slot a handle names, or nullptr for a number that names none. */
static struct handle_slot *look_up_locked(struct handle_table *table, uint64_t handle)
    REQUIRES(table->lock)
{
    uint32_t index = (uint32_t)(handle & ABI_HANDLE_SLOT_MASK);
    if (index >= table->slot_count) return nullptr;
    struct handle_slot *slot = slot_at_locked(table, index);
    if (slot->capability == nullptr || slot->token != handle >> ABI_HANDLE_SLOT_BITS)
        return nullptr;
    return slot;
}

static status check(const struct capability *capability, uint32_t kinds, uint64_t rights,
                    uint32_t *out_detail)
{
    if (unlikely(capability_is_revoked(capability))) {
        *out_detail = capability_explain_revoked(capability);
        return FAIL(CAPABILITY_REVOKED);
    }
    if (unlikely((kinds >> capability->kind & 1) == 0)) return FAIL(WRONG_CAPABILITY_TYPE);
    if (likely((rights & ~capability->rights) == 0)) return OK;
    *out_detail = capability_explain(capability, rights);
    return FAIL(INSUFFICIENT_RIGHTS);
}

/* The handle's slot, if it passes the checks; nullptr, and why, if not. */
static struct handle_slot *find_slot_locked(struct handle_table *table, uint64_t handle,
                                            uint32_t kinds, uint64_t rights, status *out_status,
                                            uint32_t *out_detail) REQUIRES(table->lock)
{
    struct handle_slot *slot = look_up_locked(table, handle);
    *out_status = FAIL(INVALID_CAPABILITY);
    if (slot != nullptr) *out_status = check(slot->capability, kinds, rights, out_detail);
    return is_ok(*out_status) ? slot : nullptr;
}

/* It was revoked between the check and the use. */
[[gnu::noinline]] static status revoked_meanwhile(const struct capability *capability,
                                                  uint32_t *out_detail)
{
    *out_detail = capability_explain_revoked(capability);
    return FAIL(CAPABILITY_REVOKED);
}

static void empty_slot_locked(struct handle_table *table, uint64_t handle,
                              struct capability *capability) REQUIRES(table->lock)
{
    note_holder(capability, 0, 0);
    give_slot_locked(table, (uint32_t)(handle & ABI_HANDLE_SLOT_MASK));
    table->live--;
    memory_quota_uncharge(table->quota, CAPABILITY_BYTES);
    atomic_fetch_sub_explicit(&handles_alive, 1, memory_order_relaxed);
}

capability_result handle_table_find(struct handle_table *table, uint64_t handle, uint32_t kinds,
                                    uint64_t rights, uint32_t *out_detail)
{
    capability_result found = {0};
    spin_acquire(&table->lock);
    struct handle_slot *slot =
        find_slot_locked(table, handle, kinds, rights, &found.status, out_detail);
    if (slot != nullptr) {
        if (likely(capability_use_try(slot->capability)))
            found.value = slot->capability;
        else
            found.status = revoked_meanwhile(slot->capability, out_detail);
    }
    spin_release(&table->lock);
    return found;
}

capability_result handle_table_remove(struct handle_table *table, uint64_t handle, uint32_t kinds,
                                      uint64_t rights, uint32_t *out_detail)
{
    capability_result removed = {0};
    spin_acquire(&table->lock);
    struct handle_slot *slot =
        find_slot_locked(table, handle, kinds, rights, &removed.status, out_detail);
    if (slot != nullptr) {
        struct capability *capability = slot->capability;
        if (likely(capability_use_hold(capability))) {
            empty_slot_locked(table, handle, capability);
            removed.value = capability;
        } else {
            removed.status = revoked_meanwhile(capability, out_detail);
        }
    }
    spin_release(&table->lock);
    return removed;
}

/* Takes out what was found to be revoked, if it is still there. */
static capability_result close_revoked(struct handle_table *table, uint64_t handle)
{
    struct capability *capability = nullptr;
    spin_acquire(&table->lock);
    struct handle_slot *slot = look_up_locked(table, handle);
    if (slot != nullptr) {
        capability = slot->capability;
        empty_slot_locked(table, handle, capability);
    }
    spin_release(&table->lock);
    if (capability == nullptr) return (capability_result){.status = FAIL(INVALID_CAPABILITY)};
    capability_release(capability);
    return (capability_result){0};
}

capability_result handle_table_close(struct handle_table *table, uint64_t handle, uint64_t rights,
                                     uint32_t *out_detail)
{
    capability_result removed =
        handle_table_remove(table, handle, ABI_KINDS_ANY, rights, out_detail);
    if (unlikely(removed.status.code == STATUS_CAPABILITY_REVOKED))
        return close_revoked(table, handle);
    return removed;
}

capability_result handle_table_take(struct handle_table *table, uint64_t handle, uint32_t kinds,
                                    uint64_t rights, uint32_t *out_detail)
{
    capability_result taken = {0};
    spin_acquire(&table->lock);
    struct handle_slot *slot =
        find_slot_locked(table, handle, kinds, rights, &taken.status, out_detail);
    if (slot != nullptr) {
        taken.value = slot->capability;
        empty_slot_locked(table, handle, taken.value);
    }
    spin_release(&table->lock);
    return taken;
}

bool handle_table_take_all(struct handle_table *table, uint32_t count, const uint64_t *handles,
                           struct capability *const *capabilities)
{
    uint32_t found = 0;
    spin_acquire(&table->lock);
    for (; found < count; found++) {
        const struct handle_slot *slot = look_up_locked(table, handles[found]);
        if (slot == nullptr || slot->capability != capabilities[found]) break;
    }
    bool are_all = found == count;
    for (uint32_t i = 0; are_all && i < count; i++)
        empty_slot_locked(table, handles[i], capabilities[i]);
    spin_release(&table->lock);
    return are_all;
}

/* ---- several at once ---- */

/* A reserved slot has its token, and nothing that it names: look_up_locked() does not find it. */
static struct handle_slot *reserved_slot_locked(struct handle_table *table, uint64_t handle)
    REQUIRES(table->lock)
{
    struct handle_slot *slot = slot_at_locked(table, (uint32_t)(handle & ABI_HANDLE_SLOT_MASK));
    ASSERT(slot->capability == nullptr && slot->token == handle >> ABI_HANDLE_SLOT_BITS);
    return slot;
}

static void unreserve_locked(struct handle_table *table, uint32_t count, const uint64_t *handles)
    REQUIRES(table->lock)
{
    for (uint32_t i = 0; i < count && !table->is_closed; i++) {
        reserved_slot_locked(table, handles[i]);
        give_slot_locked(table, (uint32_t)(handles[i] & ABI_HANDLE_SLOT_MASK));
        table->live--;
        memory_quota_uncharge(table->quota, CAPABILITY_BYTES);
    }
}

static status reserve_one_locked(struct handle_table *table, uint64_t *handle) REQUIRES(table->lock)
{
    TRY(memory_quota_charge(table->quota, CAPABILITY_BYTES));
    slot_result taken = take_slot_locked(table);
    if (!is_ok(taken.status)) {
        memory_quota_uncharge(table->quota, CAPABILITY_BYTES);
        return taken.status;
    }
    *slot_at_locked(table, taken.value) =
        (struct handle_slot){.token = *handle >> ABI_HANDLE_SLOT_BITS};
    *handle |= taken.value;
    table->live++;
    return OK;
}

status handle_table_reserve(struct handle_table *table, uint32_t count, uint64_t *out_handles)
{
    for (uint32_t i = 0; i < count; i++)
        out_handles[i] = fresh_token() << ABI_HANDLE_SLOT_BITS;
    status outcome = OK;
    spin_acquire(&table->lock);
    if (table->is_closed)
        outcome = FAIL(INTERRUPTED);
    else if (count > table->live_max - table->live)
        outcome = FAIL(QUOTA_EXCEEDED);
    for (uint32_t i = 0; i < count && is_ok(outcome); i++) {
        outcome = reserve_one_locked(table, &out_handles[i]);
        if (!is_ok(outcome)) unreserve_locked(table, i, out_handles);
    }
    spin_release(&table->lock);
    return outcome;
}

void handle_table_fill(struct handle_table *table, uint64_t handle,
                       CONSUMED struct capability *capability)
{
    spin_acquire(&table->lock);
    bool is_closed = table->is_closed;
    if (!is_closed) {
        reserved_slot_locked(table, handle)->capability = capability;
        note_holder(capability, table->process, handle);
        atomic_fetch_add_explicit(&handles_alive, 1, memory_order_relaxed);
    }
    spin_release(&table->lock);
    if (is_closed) capability_release(capability);
}

void handle_table_unreserve(struct handle_table *table, uint32_t count, const uint64_t *handles)
{
    spin_acquire(&table->lock);
    unreserve_locked(table, count, handles);
    spin_release(&table->lock);
}

uint32_t handle_table_count(struct handle_table *table)
{
    spin_acquire(&table->lock);
    uint32_t live = table->live;
    spin_release(&table->lock);
    return live;
}

/* The first live slot at or after *cursor, which is moved behind it; nullptr: none. */
static const struct handle_slot *next_slot_locked(struct handle_table *table, uint32_t *cursor)
    REQUIRES(table->lock)
{
    for (uint32_t index = *cursor; index < table->slot_count; index++) {
        const struct handle_slot *slot = slot_at_locked(table, index);
        if (slot->capability == nullptr) continue;
        *cursor = index + 1;
        return slot;
    }
    return nullptr;
}

bool handle_table_next(struct handle_table *table, uint32_t *cursor,
                       struct abi_handle_entry *out_entry)
{
    struct capability *used = nullptr;
    spin_acquire(&table->lock);
    const struct handle_slot *slot = next_slot_locked(table, cursor);
    if (slot != nullptr) {
        struct capability *capability = slot->capability;
        *out_entry = (struct abi_handle_entry){
            .kind = capability->kind,
            .handle = slot->token << ABI_HANDLE_SLOT_BITS | (*cursor - 1),
            .object_id = capability->object_id,
            .derivation_step = capability->step,
        };
        if (capability_use_try(capability)) used = capability;
    }
    spin_release(&table->lock);
    if (used == nullptr) return slot != nullptr;
    out_entry->rights = used->rights;
    out_entry->references = atomic_load_explicit(&used->object->references, memory_order_relaxed);
    capability_unuse(used);
    return true;
}

/* Ends the holds in the slots of the chunks, then gives the chunks. */
static void drop_chunks(struct handle_table *table, struct handle_chunk **chunks,
                        uint32_t chunk_count, uint32_t slot_count)
{
    for (uint32_t index = 0; index < slot_count; index++) {
        struct handle_slot *slot =
            &chunks[index / HANDLE_CHUNK_SLOTS]->slots[index % HANDLE_CHUNK_SLOTS];
        if (slot->capability == nullptr) continue;
        note_holder(slot->capability, 0, 0);
        capability_release(slot->capability);
        atomic_fetch_sub_explicit(&handles_alive, 1, memory_order_relaxed);
    }
    for (uint32_t i = 0; i < chunk_count; i++)
        charged_give(table->quota, chunks[i], sizeof(struct handle_chunk));
}

void handle_table_empty(struct handle_table *table)
{
    spin_acquire(&table->lock);
    struct handle_chunk **chunks = table->chunks;
    uint32_t capacity = table->chunk_capacity;
    uint32_t chunk_count = table->chunk_count;
    uint32_t slot_count = table->slot_count;
    uint32_t live = table->live; /* with those reserved, which nobody gives back any more */
    table->chunks = nullptr;
    table->chunk_capacity = 0;
    table->chunk_count = 0;
    table->slot_count = 0;
    table->live = 0;
    table->free_first = SLOT_NONE;
    table->free_last = SLOT_NONE;
    table->is_closed = true;
    spin_release(&table->lock);

    drop_chunks(table, chunks, chunk_count, slot_count);
    charged_give(table->quota, chunks, directory_bytes(capacity));
    memory_quota_uncharge(table->quota, live * CAPABILITY_BYTES);
}
