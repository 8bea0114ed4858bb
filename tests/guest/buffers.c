/* Buffers: making, mapping, protecting, registering, and each thing these refuse. */
#include "peal/memory.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PAGE    ABI_PAGE_BYTES
#define READ    ABI_ACCESS_READ
#define WRITE   ABI_ACCESS_WRITE
#define EXECUTE ABI_ACCESS_EXECUTE

static struct raw_scratch scratch;

GUEST_TEST_SETUP
{
    scratch = raw_scratch_make(PAGE);
}

static buffer_handle make(uint64_t bytes)
{
    buffer_result made = peal_buffer_create(bytes, 0);
    EXPECT_STATUS(OK, made.status);
    return made.value;
}

static struct abi_completion call_map(uint64_t buffer, uint64_t offset, uint64_t address,
                                      uint64_t length, uint32_t access)
{
    return raw_call((struct abi_submission){
        .op = ABI_OP_BUFFER_MAP,
        .capability = buffer,
        .offset_bytes = offset,
        .op_flags = access,
        .args = {address, length},
    });
}

static uint32_t call_range(uint8_t op, uint64_t address, uint64_t length, uint32_t access)
{
    return raw_status(
        raw_call((struct abi_submission){.op = op, .op_flags = access, .args = {address, length}}));
}

static uint32_t call_unmap(uint64_t address, uint64_t length)
{
    return call_range(ABI_OP_BUFFER_UNMAP, address, length, 0);
}

static uint32_t call_protect(uint64_t address, uint64_t length, uint32_t access)
{
    return call_range(ABI_OP_BUFFER_PROTECT, address, length, access);
}

GUEST_TEST(sizes_that_are_no_sizes_are_refused)
{
    static const uint64_t sizes[] = {0, 1, PAGE + 1, ABI_BUFFER_BYTES_MAX + PAGE, UINT64_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        EXPECT_STATUS(OUT_OF_RANGE, peal_buffer_create(sizes[i], 0).status);
    EXPECT_STATUS(OUT_OF_RANGE, peal_buffer_create(PAGE, ABI_BUFFER_LARGE_PAGES).status);
    EXPECT_STATUS(INVALID_ARGUMENT, peal_buffer_create(PAGE, 2).status);
}

GUEST_TEST(pages_come_by_touch_zeroed_and_are_counted)
{
    OWNED(buffer_handle) buffer = make(8 * PAGE);
    struct abi_completion mapped = call_map(buffer.raw, 0, 0, 8 * PAGE, READ | WRITE);
    REQUIRE(raw_is_ok(mapped));
    uint8_t *bytes = (uint8_t *)mapped.value;
    struct abi_stat stat;
    EXPECT_STATUS(OK, buffer_stat(buffer_borrow(&buffer), &stat));
    EXPECT_EQUAL(8 * PAGE, stat.size_bytes);
    EXPECT_EQUAL(0, stat.buffer.committed_bytes);
    EXPECT_EQUAL(0, bytes[3 * PAGE + 5]);
    bytes[7 * PAGE] = 1;
    EXPECT_STATUS(OK, buffer_stat(buffer_borrow(&buffer), &stat));
    EXPECT_EQUAL(2 * PAGE, stat.buffer.committed_bytes);
    EXPECT_EQUAL(ABI_STATUS_OK, call_unmap(mapped.value, 8 * PAGE));
}

GUEST_TEST(one_buffer_at_two_addresses_shows_the_same_bytes)
{
    OWNED(buffer_handle) buffer = make(4 * PAGE);
    struct abi_completion one = call_map(buffer.raw, 0, 0, 4 * PAGE, READ | WRITE);
    struct abi_completion other = call_map(buffer.raw, PAGE, 0, 2 * PAGE, READ);
    REQUIRE(raw_is_ok(one) && raw_is_ok(other));
    volatile uint8_t *written = (uint8_t *)one.value, *read = (uint8_t *)other.value;
    for (uint32_t i = 0; i < 4; i++)
        written[i * PAGE] = (uint8_t)(10 + i);
    EXPECT_EQUAL(11, read[0]);
    EXPECT_EQUAL(12, read[PAGE]);

    /* A hole in the middle, filled again with another page. */
    EXPECT_EQUAL(ABI_STATUS_OK, call_unmap(one.value + PAGE, PAGE));
    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, call_unmap(one.value, 4 * PAGE));
    EXPECT_EQUAL(ABI_STATUS_OK,
                 raw_status(call_map(buffer.raw, 3 * PAGE, one.value + PAGE, PAGE, READ)));
    EXPECT_EQUAL(13, written[PAGE]);
    EXPECT_EQUAL(12, written[2 * PAGE]);
    EXPECT_EQUAL(ABI_STATUS_OK, call_unmap(one.value, 4 * PAGE));
    EXPECT_EQUAL(ABI_STATUS_OK, call_unmap(other.value, 2 * PAGE));
}

GUEST_TEST(large_pages_are_there_at_once_and_can_be_cut)
{
    const uint64_t large = 2 << 20;
    buffer_result made = peal_buffer_create(large, ABI_BUFFER_LARGE_PAGES);
    REQUIRE(is_ok(made.status));
    OWNED(buffer_handle) buffer = TAKE(made.value);
    struct abi_completion mapped = call_map(buffer.raw, 0, 0, large, READ | WRITE);
    REQUIRE(raw_is_ok(mapped));
    volatile uint8_t *bytes = (uint8_t *)mapped.value;
    EXPECT_EQUAL(0, mapped.value % large);
    for (uint64_t at = 0; at < large; at += PAGE)
        bytes[at] = (uint8_t)(at / PAGE);
    EXPECT_EQUAL(ABI_STATUS_OK, call_unmap(mapped.value + 100 * PAGE, PAGE));
    EXPECT_EQUAL(ABI_STATUS_OK, call_protect(mapped.value + 200 * PAGE, PAGE, READ));
    EXPECT_EQUAL(99, bytes[99 * PAGE]);
    EXPECT_EQUAL(101, bytes[101 * PAGE]);
    EXPECT_EQUAL(200, bytes[200 * PAGE]);
    bytes[201 * PAGE] = 1;
    EXPECT_EQUAL(ABI_STATUS_OK, call_unmap(mapped.value, 100 * PAGE));
    EXPECT_EQUAL(ABI_STATUS_OK, call_unmap(mapped.value + 101 * PAGE, large - 101 * PAGE));
}

GUEST_TEST(mappings_that_make_no_sense_are_refused)
{
    OWNED(buffer_handle) buffer = make(2 * PAGE);
#define EXPECT_MAP(name, offset, address, length, access) \
    EXPECT_EQUAL(ABI_STATUS_##name,                       \
                 raw_status(call_map(buffer.raw, (offset), (address), (length), (access))))
    EXPECT_MAP(INVALID_ARGUMENT, 1, 0, PAGE, READ);
    EXPECT_MAP(INVALID_ARGUMENT, 0, 0, PAGE + 1, READ);
    EXPECT_MAP(INVALID_ARGUMENT, 0, 0, 0, READ);
    EXPECT_MAP(INVALID_ARGUMENT, 0, ABI_USER_ADDRESS_MIN + 1, PAGE, READ);
    EXPECT_MAP(INVALID_ARGUMENT, 0, 0, PAGE, WRITE | EXECUTE);
    EXPECT_MAP(INVALID_ARGUMENT, 0, 0, PAGE, 8);
    EXPECT_MAP(OUT_OF_RANGE, 0, 0, 3 * PAGE, READ);
    EXPECT_MAP(OUT_OF_RANGE, PAGE, 0, 2 * PAGE, READ);
    EXPECT_MAP(OUT_OF_RANGE, 0 - (uint64_t)PAGE, 0, 2 * PAGE, READ);
    EXPECT_MAP(OUT_OF_RANGE, 0, PAGE, PAGE, READ);
    EXPECT_MAP(OUT_OF_RANGE, 0, ABI_USER_ADDRESS_END, PAGE, READ);
    EXPECT_MAP(OUT_OF_RANGE, 0, ABI_USER_ADDRESS_END - PAGE, 2 * PAGE, READ);
    EXPECT_MAP(OUT_OF_RANGE, 0, 0 - (uint64_t)PAGE, PAGE, READ);
    EXPECT_MAP(ALREADY_EXISTS, 0, (uint64_t)scratch.bytes, PAGE, READ);

    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, call_unmap(ABI_USER_ADDRESS_MIN, PAGE));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, call_unmap(ABI_USER_ADDRESS_MIN, 0));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, call_unmap(ABI_USER_ADDRESS_MIN + 8, PAGE));
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, call_unmap(0, PAGE));
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, call_unmap(ABI_USER_ADDRESS_MIN, 0 - (uint64_t)PAGE));
    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, call_protect(ABI_USER_ADDRESS_MIN, PAGE, READ));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT,
                 call_protect((uint64_t)scratch.bytes, PAGE, WRITE | EXECUTE));
}

GUEST_TEST(access_never_exceeds_what_the_handle_that_mapped_allowed)
{
    OWNED(buffer_handle) buffer = make(PAGE);
    uint64_t read_only = raw_dup(buffer.raw, ABI_RIGHT_READ | ABI_RIGHT_MAP | ABI_RIGHT_CLOSE);
    struct abi_completion refused = call_map(read_only, 0, 0, PAGE, READ | WRITE);
    EXPECT_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, raw_status(refused));
    EXPECT_EQUAL(1, ABI_DETAIL_RIGHT(refused.detail)); /* write */
    refused = call_map(read_only, 0, 0, PAGE, EXECUTE);
    EXPECT_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, raw_status(refused));
    struct abi_completion mapped = call_map(read_only, 0, 0, PAGE, READ);
    REQUIRE(raw_is_ok(mapped));
    EXPECT_EQUAL(ABI_STATUS_PERMISSION_DENIED, call_protect(mapped.value, PAGE, WRITE));
    EXPECT_EQUAL(ABI_STATUS_PERMISSION_DENIED, call_protect(mapped.value, PAGE, EXECUTE));
    EXPECT_EQUAL(ABI_STATUS_OK, call_protect(mapped.value, PAGE, 0));
    EXPECT_EQUAL(ABI_STATUS_OK, call_protect(mapped.value, PAGE, READ));
    EXPECT_EQUAL(ABI_STATUS_OK, call_unmap(mapped.value, PAGE));

    struct abi_completion registered = raw_call((struct abi_submission){
        .op = ABI_OP_BUFFER_REGISTER, .capability = read_only, .op_flags = READ | WRITE});
    EXPECT_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, raw_status(registered));
    raw_close(read_only);
}

GUEST_TEST(code_can_be_made_but_never_written_where_it_runs)
{
    static const uint8_t return_seven[] = {0xb8, 7, 0, 0, 0, 0xc3};
    OWNED(buffer_handle) buffer = make(PAGE);
    struct abi_completion mapped = call_map(buffer.raw, 0, 0, PAGE, READ | WRITE);
    REQUIRE(raw_is_ok(mapped));
    __builtin_memcpy((void *)mapped.value, return_seven, sizeof(return_seven));
    EXPECT_EQUAL(ABI_STATUS_OK, call_protect(mapped.value, PAGE, READ | EXECUTE));
    EXPECT_EQUAL(7, ((int (*)(void))mapped.value)());
    EXPECT_EQUAL(ABI_STATUS_OK, call_unmap(mapped.value, PAGE));
}

GUEST_TEST(registrations_are_numbers_that_end)
{
    OWNED(buffer_handle) buffer = make(PAGE);
    struct abi_submission request = {.op = ABI_OP_BUFFER_REGISTER, .capability = buffer.raw};
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(raw_call(request)));
    request.op_flags = EXECUTE;
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(raw_call(request)));
    size_result index = peal_buffer_register(buffer_borrow(&buffer), READ);
    REQUIRE(is_ok(index.status));
    EXPECT_STATUS(OK, peal_buffer_unregister((uint32_t)index.value));
    EXPECT_STATUS(BUFFER_NOT_REGISTERED, peal_buffer_unregister((uint32_t)index.value));
    EXPECT_STATUS(INVALID_BUFFER_INDEX, peal_buffer_unregister(UINT32_MAX));
}
