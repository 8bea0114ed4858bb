#include "arch/host/host.h"
#include "support/test.h"
#include "vm/buffer_table.h"
#include <abi/ops.h>

static struct buffer *one_page(void)
{
    host_memory_init();
    buffer_result made = buffer_create(&(struct buffer_options){.size_bytes = PAGE_BYTES});
    CHECK_STATUS(OK, made.status);
    return made.value;
}

TEST(a_claim_becomes_a_pin_only_when_all_of_it_is_true)
{
    struct buffer *buffer = one_page();
    struct buffer_table table;
    buffer_table_init(&table, nullptr);
    index_result index = buffer_table_register(&table, buffer, ABI_ACCESS_READ);
    CHECK_STATUS(OK, index.status);
    uint32_t i = index.value;

    buffer_pin pin;
    CHECK_STATUS(OK, buffer_table_pin(&table, i, 0, PAGE_BYTES, ABI_ACCESS_READ, &pin));
    CHECK(pin.buffer == buffer && pin.offset == 0 && pin.length == PAGE_BYTES);
    buffer_pin_drop(&pin);
    CHECK_STATUS(OK, buffer_table_pin(&table, i, PAGE_BYTES, 0, ABI_ACCESS_READ, &pin));
    buffer_pin_drop(&pin);

    CHECK_STATUS(OUT_OF_RANGE, buffer_table_pin(&table, i, 1, PAGE_BYTES, ABI_ACCESS_READ, &pin));
    CHECK_STATUS(OUT_OF_RANGE, buffer_table_pin(&table, i, UINT64_MAX, 2, ABI_ACCESS_READ, &pin));
    CHECK_STATUS(PERMISSION_DENIED, buffer_table_pin(&table, i, 0, 1, ABI_ACCESS_WRITE, &pin));
    CHECK_STATUS(BUFFER_NOT_REGISTERED,
                 buffer_table_pin(&table, i + 1, 0, 1, ABI_ACCESS_READ, &pin));
    CHECK_STATUS(BUFFER_NOT_REGISTERED,
                 buffer_table_pin(&table, BUFFER_TABLE_MAX - 1, 0, 1, ABI_ACCESS_READ, &pin));
    CHECK_STATUS(INVALID_BUFFER_INDEX,
                 buffer_table_pin(&table, BUFFER_TABLE_MAX, 0, 1, ABI_ACCESS_READ, &pin));
    buffer_table_empty(&table);
    buffer_put(buffer);
}

static void no_progress(struct revocation *unused)
{
    (void)unused;
}

static bool take_back(struct capability *capability)
{
    struct revocation revocation;
    CHECK(capability_use_try(capability));
    revocation_init(&revocation, capability, false, no_progress);
    enum revocation_progress progress;
    while ((progress = revocation_advance(&revocation)) == REVOCATION_AGAIN) {
    }
    capability_unuse(capability);
    return progress == REVOCATION_DONE;
}

TEST(a_registration_ends_with_its_capability_and_does_not_hold_that_up)
{
    static bool is_ready;
    struct buffer *buffer = one_page();
    if (!is_ready) CHECK_STATUS(OK, capability_init());
    is_ready = true;
    struct capability *root = capability_create(buffer_object(buffer), ABI_RIGHTS_ALL).value;
    struct capability *child = capability_derive(root, ABI_RIGHTS_ALL, (derivation){0}).value;
    struct buffer_table table;
    buffer_table_init(&table, nullptr);
    struct buffer_window whole = buffer_window_whole(buffer, ABI_ACCESS_READ);
    uint32_t own = buffer_table_register_window(&table, &whole, root).value;
    uint32_t lent = buffer_table_register_window(&table, &whole, child).value;
    buffer_put(buffer);
    capability_release(child); /* the registration is enough */

    buffer_pin pin;
    CHECK_STATUS(OK, buffer_table_pin(&table, lent, 8, 8, ABI_ACCESS_READ, &pin));
    CHECK(pin.buffer == buffer && pin.capability == child);
    buffer_pin_drop(&pin);
    CHECK(take_back(root));
    CHECK(child->object == nullptr);
    CHECK_STATUS(CAPABILITY_REVOKED, buffer_table_pin(&table, lent, 8, 8, ABI_ACCESS_READ, &pin));
    CHECK_STATUS(OK, buffer_table_pin(&table, own, 8, 8, ABI_ACCESS_READ, &pin));
    buffer_pin_drop(&pin);
    CHECK_STATUS(OK, buffer_table_unregister(&table, lent));
    uint64_t objects = object_count();
    capability_release(root);
    CHECK_EQUAL(objects, object_count()); /* registered still */
    buffer_table_empty(&table);
    CHECK_EQUAL(objects - 1, object_count());
}

TEST(a_window_shows_its_part_of_a_buffer_and_no_more)
{
    struct buffer *buffer = one_page();
    struct buffer_table table;
    buffer_table_init(&table, nullptr);
    struct buffer_window window = {
        .buffer = buffer, .offset = 100, .length = 50, .access = ABI_ACCESS_READ};
    uint32_t index = buffer_table_register_window(&table, &window, nullptr).value;
    buffer_pin pin;
    CHECK_STATUS(OK, buffer_table_pin(&table, index, 20, 30, ABI_ACCESS_READ, &pin));
    CHECK(pin.offset == 120 && pin.length == 30);
    buffer_pin_drop(&pin);
    CHECK_STATUS(OUT_OF_RANGE, buffer_table_pin(&table, index, 20, 31, ABI_ACCESS_READ, &pin));
    CHECK_STATUS(OUT_OF_RANGE, buffer_table_pin(&table, index, 51, 0, ABI_ACCESS_READ, &pin));
    CHECK_STATUS(PERMISSION_DENIED, buffer_table_pin(&table, index, 0, 1, ABI_ACCESS_WRITE, &pin));
    buffer_table_empty(&table);
    CHECK_EQUAL(1, atomic_load(&buffer_object(buffer)->references));
    buffer_put(buffer);
}

TEST(a_pin_outlives_the_registration_and_the_index_is_used_again)
{
    struct buffer *buffer = one_page();
    struct buffer_table table;
    buffer_table_init(&table, nullptr);
    index_result index = buffer_table_register(&table, buffer, ABI_ACCESS_READ);
    CHECK_STATUS(OK, index.status);
    buffer_pin pin;
    CHECK_STATUS(OK, buffer_table_pin(&table, index.value, 0, 1, ABI_ACCESS_READ, &pin));
    CHECK_STATUS(OK, buffer_table_unregister(&table, index.value));
    CHECK_STATUS(BUFFER_NOT_REGISTERED, buffer_table_unregister(&table, index.value));
    CHECK_STATUS(INVALID_BUFFER_INDEX, buffer_table_unregister(&table, UINT32_MAX));
    buffer_put(buffer);
    CHECK_EQUAL(PAGE_BYTES, buffer_size(pin.buffer));
    struct buffer *other = one_page();
    index_result again = buffer_table_register(&table, other, ABI_ACCESS_READ);
    CHECK_EQUAL(index.value, again.value);
    buffer_put(other);
    buffer_pin_drop(&pin);
    buffer_table_empty(&table);
}

TEST(a_full_table_refuses_and_every_failure_leaves_it_usable)
{
    struct buffer *buffer = one_page();
    FOR_EACH_FAILING_ALLOCATION {
        struct memory_quota *quota = memory_quota_create(1 << 20);
        if (quota == nullptr) continue;
        struct buffer_table table;
        buffer_table_init(&table, quota);
        uint32_t made = 0;
        for (;;) {
            index_result index = buffer_table_register(&table, buffer, ABI_ACCESS_READ);
            if (!is_ok(index.status)) {
                if (made < BUFFER_TABLE_MAX)
                    CHECK_STATUS(OUT_OF_MEMORY, index.status);
                else
                    CHECK_STATUS(QUOTA_EXCEEDED, index.status);
                break;
            }
            CHECK_EQUAL(made, index.value);
            made++;
        }
        for (uint32_t i = 0; i < made; i += 3)
            CHECK_STATUS(OK, buffer_table_unregister(&table, i));
        buffer_table_empty(&table);
        CHECK_EQUAL(0, memory_quota_used(quota));
        memory_quota_put(quota);
    }
    CHECK_EQUAL(1, atomic_load(&buffer_object(buffer)->references));
    buffer_put(buffer);
}
