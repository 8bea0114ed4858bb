/*
 * A handle table against a model.
 *
 * Input: 2-byte steps {what, which}. Every step is also done on `model`, a plain array with no
 * reuse, no growth and no tokens; the two must agree on every answer, and every reference must be
 * accounted for at each step.
 */
#include "base/container.h"
#include "cap/handle_table.h"
#include "mm/heap.h"
#include "mm/quota.h"
#include "random/random.h"

int LLVMFuzzerTestOneInput(const uint8_t *steps, size_t size);

/* Tokens without entropy, to make it easy to find a slip: each is drawn once. */
static uint64_t tokens_drawn;
uint64_t random_number(void)
{
    return ++tokens_drawn << ABI_HANDLE_SLOT_BITS;
}

static void destroy(struct object *object)
{
    (void)object;
}
static const struct object_type file_type = {
    .kind = ABI_KIND_FILE, .rights_all = ABI_RIGHTS_ALL, .destroy = destroy};

static constexpr uint32_t MODEL_SIZE = 256;
static constexpr uint32_t LIVE_MAX = 200;

static struct memory_quota quota = {.references = 1, .max_bytes = 1ull << 30};
static struct object file;
static struct handle_table table;
static struct {
    uint64_t handle;
    uint64_t rights;
    bool is_live;
} model[MODEL_SIZE];
static uint32_t live;

static bool may_allocate = true;
static bool allocation_may_proceed(void)
{
    return may_allocate;
}

static void insert(typeof(&model[0]) entry, uint64_t rights)
{
    capability_result capability = capability_create(&file, rights);
    if (!is_ok(capability.status)) return;
    handle_result made = handle_table_insert(&table, capability.value);
    if (is_ok(made.status)) {
        ASSERT(live < LIVE_MAX);
        for (uint32_t i = 0; i < MODEL_SIZE; i++)
            ASSERT(model[i].handle != made.value); /* no number ever comes back */
        entry->handle = made.value;
        entry->rights = rights;
        entry->is_live = true;
        live++;
    } else if (made.status.code == STATUS_QUOTA_EXCEEDED) {
        ASSERT(live == LIVE_MAX);
    } else {
        ASSERT(made.status.code == STATUS_OUT_OF_MEMORY && !may_allocate);
    }
}

static status expected(typeof(&model[0]) entry, uint32_t kinds, uint64_t rights)
{
    if (!entry->is_live) return FAIL(INVALID_CAPABILITY);
    if ((kinds & ABI_KIND_BIT(FILE)) == 0) return FAIL(WRONG_CAPABILITY_TYPE);
    return (rights & ~entry->rights) == 0 ? OK : FAIL(INSUFFICIENT_RIGHTS);
}

static void find(typeof(&model[0]) entry, uint32_t kinds, uint64_t rights)
{
    uint32_t detail = 0;
    capability_result found = handle_table_find(&table, entry->handle, kinds, rights, &detail);
    ASSERT(found.status.code == expected(entry, kinds, rights).code);
    if (found.status.code == STATUS_INSUFFICIENT_RIGHTS)
        ASSERT(ABI_DETAIL_RIGHT(detail) == (uint32_t)__builtin_ctzll(rights & ~entry->rights));
    if (is_ok(found.status)) capability_unuse(found.value);
}

static void take_out(typeof(&model[0]) entry, uint64_t rights)
{
    uint32_t detail = 0;
    capability_result removed =
        handle_table_remove(&table, entry->handle, ABI_KINDS_ANY, rights, &detail);
    ASSERT(removed.status.code == expected(entry, ABI_KINDS_ANY, rights).code);
    if (!is_ok(removed.status)) return;
    capability_unuse(removed.value);
    entry->is_live = false;
    live--;
}

static void list(void)
{
    uint32_t cursor = 0, seen = 0;
    struct abi_handle_entry entry;
    while (handle_table_next(&table, &cursor, &entry))
        seen++;
    ASSERT(seen == live);
}

/* Handles that come and go: brings the table to where it uses its slots again. */
static void churn(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t detail;
        capability_result capability = capability_create(&file, 0);
        if (!is_ok(capability.status)) return;
        handle_result made = handle_table_insert(&table, capability.value);
        if (!is_ok(made.status)) return;
        capability_result removed =
            handle_table_remove(&table, made.value, ABI_KINDS_ANY, 0, &detail);
        ASSERT(is_ok(removed.status));
        capability_unuse(removed.value);
    }
}

static void step(uint8_t what, typeof(&model[0]) entry)
{
    uint64_t rights = what >> 4; /* some of READ, WRITE, SEEK, MAP */
    switch (what % 8) {
    case 0:
    case 1:
        if (!entry->is_live) insert(entry, rights);
        break;
    case 2:
        find(entry, ABI_KIND_BIT(FILE), rights);
        break;
    case 3:
        find(entry, ABI_KIND_BIT(SOCKET), rights);
        break;
    case 4:
        take_out(entry, rights);
        break;
    case 5:
        take_out(entry, 0);
        break;
    case 6:
        list();
        churn((uint32_t)rights * 16);
        break;
    case 7:
        may_allocate = rights != 0;
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *steps, size_t size)
{
    memory_fault_hook = nullptr;
    static bool is_ready;
    if (!is_ready) is_ready = is_ok(capability_init());
    memory_fault_hook = allocation_may_proceed;
    may_allocate = true;
    object_init(&file, &file_type);
    handle_table_init(&table, &quota, LIVE_MAX, 1);
    for (uint32_t i = 0; i < MODEL_SIZE; i++)
        model[i] = (typeof(model[0])){0};
    live = 0;

    for (; size >= 2; steps += 2, size -= 2) {
        step(steps[0], &model[steps[1]]);
        ASSERT(file.references == live + 1);
        ASSERT(handle_table_count(&table) == live);
    }

    handle_table_empty(&table);
    ASSERT(file.references == 1 && memory_quota_used(&quota) == 0);
    object_put(&file);
    return 0;
}
