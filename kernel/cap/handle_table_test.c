#include "base/container.h"
#include "cap/handle_table.h"
#include "mm/heap.h"
#include "mm/quota.h"
#include "random/random.h"
#include "support/test.h"

/* Tokens that a test can foresee: the module only asks that they are drawn anew. */
uint64_t random_number(void)
{
    static uint64_t state = 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void destroy(struct object *object)
{
    (void)object;
}
static const struct object_type file_type = {
    .kind = ABI_KIND_FILE, .rights_all = ABI_RIGHTS_ALL, .destroy = destroy};

static struct memory_quota quota;
static struct handle_table table;
static struct object file;
static uint32_t detail;

static void prepare(uint32_t live_max)
{
    static bool is_ready;
    if (!is_ready) CHECK_STATUS(OK, capability_init());
    is_ready = true;
    quota = (struct memory_quota){.references = 1, .max_bytes = 64ull << 20};
    object_init(&file, &file_type);
    handle_table_init(&table, &quota, live_max, 7);
    detail = 0;
}

/* Everything was given back. */
static void finish(void)
{
    handle_table_empty(&table);
    CHECK_EQUAL(1, file.references);
    CHECK_EQUAL(0, memory_quota_used(&quota));
    CHECK_EQUAL(0, handle_count_all());
    CHECK_EQUAL(0, capability_count());
    object_put(&file);
}

static uint64_t insert(uint64_t rights)
{
    capability_result capability = capability_create(&file, rights);
    CHECK_STATUS(OK, capability.status);
    handle_result made = handle_table_insert(&table, capability.value);
    CHECK_STATUS(OK, made.status);
    return made.value;
}

static status found(uint64_t handle, uint32_t kinds, uint64_t rights)
{
    capability_result result = handle_table_find(&table, handle, kinds, rights, &detail);
    if (is_ok(result.status)) capability_unuse(result.value);
    return result.status;
}

static status removed(uint64_t handle, uint64_t rights)
{
    capability_result result = handle_table_remove(&table, handle, ABI_KINDS_ANY, rights, &detail);
    if (is_ok(result.status)) capability_unuse(result.value);
    return result.status;
}

static uint64_t derived(uint64_t handle, uint64_t rights)
{
    capability_result from = handle_table_find(&table, handle, ABI_KINDS_ANY, 0, &detail);
    CHECK_STATUS(OK, from.status);
    capability_result made = capability_derive(from.value, rights, (derivation){ABI_ORIGIN_DUP, 7});
    CHECK_STATUS(OK, made.status);
    capability_unuse(from.value);
    handle_result inserted = handle_table_insert(&table, made.value);
    CHECK_STATUS(OK, inserted.status);
    return inserted.value;
}

static void note_nothing(struct revocation *revocation)
{
    (void)revocation;
}

/* Takes back what derives from the handle; nothing is in use. */
static void revoke_below(uint64_t handle)
{
    capability_result target = handle_table_find(&table, handle, ABI_KINDS_ANY, 0, &detail);
    CHECK_STATUS(OK, target.status);
    struct revocation revocation;
    revocation_init(&revocation, target.value, false, note_nothing);
    CHECK_EQUAL(REVOCATION_DONE, revocation_advance(&revocation));
    capability_unuse(target.value);
}

TEST(a_handle_finds_its_capability_and_nothing_else_does)
{
    prepare(8);
    uint64_t handle = insert(ABI_RIGHT_READ);
    CHECK_STATUS(OK, found(handle, ABI_KIND_BIT(FILE), ABI_RIGHT_READ));
    CHECK_STATUS(INVALID_CAPABILITY, found(0, ABI_KINDS_ANY, 0));
    CHECK_STATUS(INVALID_CAPABILITY, found(UINT64_MAX, ABI_KINDS_ANY, 0));
    for (uint32_t bit = 0; bit < 64; bit++) /* every near miss */
        CHECK_STATUS(INVALID_CAPABILITY, found(handle ^ 1ull << bit, ABI_KINDS_ANY, 0));
    finish();
}

TEST(a_removed_handle_never_names_its_successor)
{
    prepare(1); /* one slot is in use at most, so slots are used again */
    uint64_t old = insert(ABI_RIGHT_READ);
    CHECK_STATUS(OK, removed(old, 0));
    for (uint32_t i = 0; i < 3 * HANDLE_CHUNK_SLOTS; i++) {
        uint64_t young = insert(ABI_RIGHT_READ);
        CHECK(young != old);
        CHECK_STATUS(INVALID_CAPABILITY, found(old, ABI_KINDS_ANY, 0));
        CHECK_STATUS(INVALID_CAPABILITY, removed(old, 0));
        CHECK_STATUS(OK, removed(young, 0));
    }
    finish();
}

TEST(freed_slots_are_reused_oldest_first_once_no_fresh_ones_are_left)
{
    prepare(HANDLE_TABLE_SLOTS_MAX);
    uint64_t handles[HANDLE_CHUNK_SLOTS];
    for (uint32_t i = 0; i < HANDLE_CHUNK_SLOTS; i++)
        handles[i] = insert(ABI_RIGHT_READ);
    CHECK_STATUS(OK, removed(handles[7], 0));
    CHECK_STATUS(OK, removed(handles[3], 0));
    CHECK_EQUAL(handles[7] & ABI_HANDLE_SLOT_MASK, insert(0) & ABI_HANDLE_SLOT_MASK);
    CHECK_EQUAL(handles[3] & ABI_HANDLE_SLOT_MASK, insert(0) & ABI_HANDLE_SLOT_MASK);
    CHECK_EQUAL(HANDLE_CHUNK_SLOTS, insert(0) & ABI_HANDLE_SLOT_MASK); /* grew */
    finish();
}

TEST(a_refusal_changes_nothing_and_says_why)
{
    prepare(8);
    uint64_t handle = insert(ABI_RIGHT_READ | ABI_RIGHT_STAT);
    CHECK_STATUS(WRONG_CAPABILITY_TYPE, found(handle, ABI_KIND_BIT(SOCKET), ABI_RIGHT_READ));
    CHECK_EQUAL(0, detail);
    CHECK_STATUS(INSUFFICIENT_RIGHTS,
                 found(handle, ABI_KIND_BIT(FILE), ABI_RIGHT_READ | ABI_RIGHT_WRITE));
    CHECK_EQUAL(ABI_DETAIL_MAKE(1, 0), detail);
    CHECK_STATUS(INSUFFICIENT_RIGHTS, removed(handle, ABI_RIGHT_CLOSE));
    CHECK_EQUAL(ABI_DETAIL_MAKE(6, 0), detail);
    CHECK_EQUAL(1, handle_table_count(&table));
    CHECK_STATUS(OK, found(handle, ABI_KIND_BIT(FILE), ABI_RIGHT_READ));
    finish();
}

TEST(a_revoked_capability_is_told_apart_from_a_closed_one)
{
    prepare(8);
    uint64_t handle = insert(ABI_RIGHT_READ);
    uint64_t below = derived(handle, ABI_RIGHT_READ);
    revoke_below(handle);
    CHECK_STATUS(OK, found(handle, ABI_KINDS_ANY, ABI_RIGHT_READ));
    detail = 0;
    CHECK_STATUS(CAPABILITY_REVOKED, found(below, ABI_KIND_BIT(SOCKET), ABI_RIGHT_WRITE));
    CHECK_EQUAL(ABI_DETAIL_MAKE(ABI_DETAIL_REVOKED, 0), detail);
    CHECK_STATUS(CAPABILITY_REVOKED, removed(below, 0));
    CHECK_STATUS(CAPABILITY_REVOKED,
                 handle_table_take(&table, below, ABI_KINDS_ANY, 0, &detail).status);
    CHECK_EQUAL(2, handle_table_count(&table)); /* it still has its slot, until it is closed */
    capability_result closed = handle_table_close(&table, below, ABI_RIGHT_CLOSE, &detail);
    CHECK_STATUS(OK, closed.status);
    CHECK(closed.value == nullptr);
    CHECK_EQUAL(1, handle_table_count(&table));
    CHECK_STATUS(INVALID_CAPABILITY, found(below, ABI_KINDS_ANY, 0));
    CHECK_STATUS(INVALID_CAPABILITY, handle_table_close(&table, below, 0, &detail).status);
    finish();
}

TEST(a_moved_handle_keeps_its_capability_and_names_its_new_holder)
{
    prepare(8);
    uint64_t handle = insert(ABI_RIGHT_READ);
    CHECK_STATUS(WRONG_CAPABILITY_TYPE,
                 handle_table_take(&table, handle, ABI_KIND_BIT(SOCKET), 0, &detail).status);
    CHECK_STATUS(INSUFFICIENT_RIGHTS,
                 handle_table_take(&table, handle, ABI_KINDS_ANY, ABI_RIGHT_DUP, &detail).status);
    capability_result taken = handle_table_take(&table, handle, ABI_KINDS_ANY, 0, &detail);
    CHECK_STATUS(OK, taken.status);
    CHECK_EQUAL(0, taken.value->holder_process);
    CHECK_EQUAL(0, taken.value->handle);
    CHECK_EQUAL(0, handle_count_all());
    CHECK_STATUS(INVALID_CAPABILITY, found(handle, ABI_KINDS_ANY, 0));

    struct handle_table other;
    handle_table_init(&other, &quota, 8, 8);
    handle_result moved = handle_table_insert(&other, taken.value);
    CHECK_STATUS(OK, moved.status);
    CHECK(moved.value != handle);
    CHECK_EQUAL(8, taken.value->holder_process);
    CHECK_EQUAL(moved.value, taken.value->handle);
    handle_table_empty(&other);
    finish();
}

TEST(a_revoked_handle_is_listed_without_rights)
{
    prepare(8);
    uint64_t handle = insert(ABI_RIGHT_READ);
    uint64_t below = derived(handle, ABI_RIGHT_READ);
    revoke_below(handle);
    uint32_t cursor = 0;
    struct abi_handle_entry entry;
    CHECK(handle_table_next(&table, &cursor, &entry));
    CHECK_EQUAL(handle, entry.handle);
    CHECK(entry.references != 0);
    CHECK(handle_table_next(&table, &cursor, &entry));
    CHECK_EQUAL(below, entry.handle);
    CHECK_EQUAL(0, entry.rights);
    CHECK_EQUAL(0, entry.references);
    CHECK_EQUAL(file.id, entry.object_id);
    CHECK_EQUAL(ABI_KIND_FILE, entry.kind);
    CHECK_EQUAL(1, entry.derivation_step);
    CHECK(!handle_table_next(&table, &cursor, &entry));
    finish();
}

TEST(a_table_holds_as_many_handles_as_its_quota_says)
{
    prepare(3);
    for (uint32_t i = 0; i < 3; i++)
        insert(ABI_RIGHT_READ);
    capability_result capability = capability_create(&file, ABI_RIGHT_READ);
    CHECK_STATUS(OK, capability.status);
    CHECK_STATUS(QUOTA_EXCEEDED, handle_table_insert(&table, capability.value).status);
    CHECK_EQUAL(4, file.references); /* what could not be inserted is gone */
    finish();
}

TEST(a_table_grows_over_many_chunks_and_finds_everything)
{
    prepare(HANDLE_TABLE_SLOTS_MAX);
    static uint64_t handles[20 * HANDLE_CHUNK_SLOTS];
    for (uint32_t i = 0; i < array_count(handles); i++)
        handles[i] = insert(ABI_RIGHT_READ);
    CHECK_EQUAL(array_count(handles), handle_table_count(&table));
    for (uint32_t i = 0; i < array_count(handles); i++)
        CHECK_STATUS(OK, found(handles[i], ABI_KIND_BIT(FILE), ABI_RIGHT_READ));
    finish();
}

TEST(an_emptied_table_refuses_everything)
{
    prepare(8);
    uint64_t handle = insert(ABI_RIGHT_READ);
    handle_table_empty(&table);
    handle_table_empty(&table);
    CHECK_STATUS(INVALID_CAPABILITY, found(handle, ABI_KINDS_ANY, 0));
    capability_result capability = capability_create(&file, ABI_RIGHT_READ);
    CHECK_STATUS(OK, capability.status);
    CHECK_STATUS(INTERRUPTED, handle_table_insert(&table, capability.value).status);
    finish();
}

TEST(listing_shows_each_live_handle_once)
{
    prepare(600);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 600; i++) {
        uint64_t handle = insert(ABI_RIGHT_READ);
        if (i % 3 == 0)
            CHECK_STATUS(OK, removed(handle, 0));
        else
            sum += handle;
    }
    uint32_t cursor = 0, count = 0;
    struct abi_handle_entry entry;
    while (handle_table_next(&table, &cursor, &entry)) {
        CHECK_EQUAL(ABI_KIND_FILE, entry.kind);
        CHECK_EQUAL(ABI_RIGHT_READ, entry.rights);
        CHECK_EQUAL(file.id, entry.object_id);
        sum -= entry.handle;
        count++;
    }
    CHECK_EQUAL(400, count);
    CHECK_EQUAL(0, sum);
    cursor = UINT32_MAX; /* from a program */
    CHECK(!handle_table_next(&table, &cursor, &entry));
    finish();
}

TEST(an_insert_that_runs_out_of_memory_changes_nothing)
{
    FOR_EACH_FAILING_ALLOCATION {
        prepare(HANDLE_TABLE_SLOTS_MAX);
        uint32_t inserted = 0;
        while (inserted < 5 * HANDLE_CHUNK_SLOTS) { /* the fifth chunk makes the directory grow */
            capability_result capability = capability_create(&file, ABI_RIGHT_READ);
            if (!is_ok(capability.status)) break;
            handle_result made = handle_table_insert(&table, capability.value);
            if (!is_ok(made.status)) {
                CHECK_STATUS(OUT_OF_MEMORY, made.status);
                CHECK_EQUAL(0, made.value);
                break;
            }
            inserted++;
        }
        CHECK_EQUAL(inserted, handle_table_count(&table));
        CHECK_EQUAL(inserted + 1, file.references);
        finish();
    }
}

TEST(what_the_quota_does_not_allow_is_not_taken)
{
    prepare(HANDLE_TABLE_SLOTS_MAX);
    quota.max_bytes = 4096; /* a directory, but no chunk beside it */
    capability_result capability = capability_create(&file, ABI_RIGHT_READ);
    CHECK_STATUS(OK, capability.status);
    CHECK_STATUS(OUT_OF_MEMORY, handle_table_insert(&table, capability.value).status);
    finish();
}

TEST(each_handle_is_charged_from_when_it_is_made_until_it_is_taken_out)
{
    prepare(HANDLE_TABLE_SLOTS_MAX);
    uint64_t handles[4], reserved[2];
    handles[0] = insert(ABI_RIGHT_READ);
    uint64_t charged = memory_quota_used(&quota) - CAPABILITY_BYTES; /* for the slots */
    for (uint32_t i = 1; i < array_count(handles); i++)
        handles[i] = insert(ABI_RIGHT_READ);
    CHECK_STATUS(OK, handle_table_reserve(&table, 2, reserved));
    CHECK_EQUAL(charged + 6 * CAPABILITY_BYTES, memory_quota_used(&quota));
    capability_result capability = capability_create(&file, ABI_RIGHT_READ);
    CHECK_STATUS(OK, capability.status);
    handle_table_fill(&table, reserved[0], capability.value);
    CHECK_EQUAL(charged + 6 * CAPABILITY_BYTES, memory_quota_used(&quota));

    CHECK_STATUS(OK, removed(handles[0], 0));
    capability_result taken = handle_table_take(&table, handles[1], ABI_KINDS_ANY, 0, &detail);
    CHECK_STATUS(OK, taken.status);
    CHECK_EQUAL(charged + 4 * CAPABILITY_BYTES, memory_quota_used(&quota));
    CHECK(handle_table_take_all(&table, 0, nullptr, nullptr));
    capability_release(taken.value);
    derived(handles[2], ABI_RIGHT_READ);
    revoke_below(handles[2]);
    CHECK_EQUAL(charged + 5 * CAPABILITY_BYTES, memory_quota_used(&quota)); /* until it is closed */
    handle_table_unreserve(&table, 1, &reserved[1]);
    CHECK_EQUAL(charged + 4 * CAPABILITY_BYTES, memory_quota_used(&quota));
    CHECK_STATUS(OK, handle_table_reserve(&table, 2, reserved)); /* and the table goes first */
    finish();
    prepare(8);
    CHECK_STATUS(OK, handle_table_reserve(&table, 2, reserved));
    handle_table_empty(&table);
    CHECK_EQUAL(0, memory_quota_used(&quota));
    handle_table_unreserve(&table, 2, reserved);
    finish();
}

TEST(a_handle_for_which_the_quota_cannot_pay_is_refused)
{
    prepare(HANDLE_TABLE_SLOTS_MAX);
    uint64_t handle = insert(ABI_RIGHT_READ), reserved[3];
    quota.max_bytes = memory_quota_used(&quota) + 2 * CAPABILITY_BYTES;
    CHECK_STATUS(OUT_OF_MEMORY, handle_table_reserve(&table, 3, reserved));
    CHECK_EQUAL(1, handle_table_count(&table));
    insert(ABI_RIGHT_READ);
    insert(ABI_RIGHT_READ);
    capability_result capability = capability_create(&file, ABI_RIGHT_READ);
    CHECK_STATUS(OK, capability.status);
    CHECK_STATUS(OUT_OF_MEMORY, handle_table_insert(&table, capability.value).status);
    CHECK_EQUAL(3, handle_table_count(&table));
    CHECK_STATUS(OK, removed(handle, 0));
    insert(ABI_RIGHT_READ);
    finish();
}
