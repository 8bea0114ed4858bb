/*
 * Every refusal that the operation table promises, for every operation in it.
 *
 * Each case starts from a submission that passes the table's checks and breaks one thing. What an
 * operation itself refuses is tested beside its family; here it never gets so far. Nothing is asked
 * of an operation that passes.
 */
#include "support/guest_test.h"
#include "support/objects.h"
#include "support/op_table.h"
#include "support/raw.h"

static struct raw_scratch scratch;
static uint32_t index_read_only;
static uint64_t
    handle_without_close; /* nobody can close it, so it is made before handles are counted */

/* A handle of its own for one case: consumed or closed afterwards. */
static uint64_t handle_for(const struct op_row *row, uint64_t rights)
{
    if (row->kinds == 0) return 0;
    if (row->kinds == ABI_KIND_BIT(REQUEST)) return object_fresh_request(rights);
    return raw_dup(object_of_kinds(row->kinds), rights);
}

static struct abi_submission valid_base(const struct op_row *row)
{
    struct abi_submission submission = {.op = row->number};
    submission.capability = handle_for(row, ABI_RIGHTS_ALL);
    if (row->buffer != ROW_NONE) {
        submission.buffer_index = scratch.index;
        submission.length_bytes = row->buffer == ROW_WORD ? 4 : 64;
    }
    return submission;
}

static void expect_refusal(const struct op_row *row, struct abi_submission submission,
                           uint32_t status, const char *what)
{
    uint64_t handle = submission.capability;
    struct abi_completion completion = raw_call(submission);
    EXPECT_MESSAGE(raw_status(completion) == status, "%s with %s: status %u, not %u", row->name,
                   what, raw_status(completion), status);
    if (handle != 0) raw_close(handle);
}

static void check_capability(const struct op_row *row)
{
    if (row->kinds == 0) {
        struct abi_submission submission = valid_base(row);
        submission.capability = raw_dup(scratch.handle, ABI_RIGHTS_ALL);
        expect_refusal(row, submission, ABI_STATUS_INVALID_ARGUMENT, "a handle it does not take");
        return;
    }
    struct abi_submission submission = valid_base(row);
    uint64_t good = submission.capability;

    submission.capability = 0;
    expect_refusal(row, submission, ABI_STATUS_INVALID_CAPABILITY, "no handle");
    for (uint32_t bit = 0; bit < 64; bit++) { /* every near miss: another slot, another token */
        submission.capability = good ^ (1ull << bit);
        struct abi_completion completion = raw_call(submission);
        EXPECT_MESSAGE(raw_status(completion) == ABI_STATUS_INVALID_CAPABILITY,
                       "%s with bit %u of its handle flipped: status %u", row->name, bit,
                       raw_status(completion));
    }
    raw_close(good);
    submission.capability = good;
    expect_refusal(row, submission, ABI_STATUS_INVALID_CAPABILITY, "a closed handle");

    uint64_t foreign = object_outside_kinds(row->kinds);
    if (foreign == 0) return; /* it takes every kind */
    submission.capability = raw_dup(foreign, ABI_RIGHTS_ALL);
    expect_refusal(row, submission, ABI_STATUS_WRONG_CAPABILITY_TYPE, "a handle of another kind");
}

static void check_rights(const struct op_row *row)
{
    for (uint32_t right = 0; right < ABI_RIGHT_COUNT; right++) {
        uint64_t bit = 1ull << right;
        if ((row->rights & bit) == 0) continue;
        struct abi_submission submission = valid_base(row);
        raw_close(submission.capability);
        submission.capability =
            bit == ABI_RIGHT_CLOSE ? handle_without_close : handle_for(row, ABI_RIGHTS_ALL & ~bit);
        struct abi_completion completion = raw_call(submission);
        EXPECT_MESSAGE(raw_status(completion) == ABI_STATUS_INSUFFICIENT_RIGHTS,
                       "%s without right %u: status %u", row->name, right, raw_status(completion));
        EXPECT_MESSAGE(ABI_DETAIL_RIGHT(completion.detail) == right &&
                           ABI_DETAIL_STEP(completion.detail) >= 1,
                       "%s without right %u: detail %x", row->name, right, completion.detail);
        raw_close(submission.capability);
    }
}

static void check_fields(const struct op_row *row)
{
    struct abi_submission submission;
    for (uint32_t bit = 0; bit < 8; bit++) {
        if ((ABI_SUBMISSION_FLAGS_KNOWN & (1u << bit)) != 0) continue;
        submission = valid_base(row);
        submission.flags = (uint8_t)(1u << bit);
        expect_refusal(row, submission, ABI_STATUS_INVALID_ARGUMENT, "an unknown submission flag");
    }
    for (uint32_t bit = 0; bit < 32; bit++) {
        if ((row->flags & (1u << bit)) != 0) continue;
        submission = valid_base(row);
        submission.op_flags = 1u << bit;
        expect_refusal(row, submission, ABI_STATUS_INVALID_ARGUMENT, "an unknown operation flag");
    }
    if ((row->fields & ROW_FIELD_SECOND) == 0) {
        submission = valid_base(row);
        submission.second_buffer_index = 1;
        expect_refusal(row, submission, ABI_STATUS_INVALID_ARGUMENT, "a second buffer");
    }
    if ((row->fields & ROW_FIELD_OFFSET) == 0) {
        submission = valid_base(row);
        submission.offset_bytes = 1;
        expect_refusal(row, submission, ABI_STATUS_INVALID_ARGUMENT, "an offset");
    }
    if ((row->fields & ROW_FIELD_ARG0) == 0) {
        submission = valid_base(row);
        submission.args[0] = 1ull << 63;
        expect_refusal(row, submission, ABI_STATUS_INVALID_ARGUMENT, "a first argument");
    }
    if ((row->fields & ROW_FIELD_ARG1) == 0) {
        submission = valid_base(row);
        submission.args[1] = 1;
        expect_refusal(row, submission, ABI_STATUS_INVALID_ARGUMENT, "a second argument");
    }
}

static void check_no_span(const struct op_row *row)
{
    struct abi_submission submission = valid_base(row);
    submission.buffer_index = 1;
    expect_refusal(row, submission, ABI_STATUS_INVALID_ARGUMENT, "a buffer it does not use");
    submission = valid_base(row);
    submission.buffer_offset_bytes = 8;
    expect_refusal(row, submission, ABI_STATUS_INVALID_ARGUMENT, "a buffer offset it does not use");
    submission = valid_base(row);
    submission.length_bytes = 8;
    expect_refusal(row, submission, ABI_STATUS_INVALID_ARGUMENT, "a length it does not use");
}

static void check_span(const struct op_row *row)
{
    struct abi_submission submission = valid_base(row);
    submission.buffer_index = UINT32_MAX;
    expect_refusal(row, submission, ABI_STATUS_INVALID_BUFFER_INDEX, "a buffer index beyond all");
    submission = valid_base(row);
    submission.buffer_index = 4000;
    expect_refusal(row, submission, ABI_STATUS_BUFFER_NOT_REGISTERED, "an index nobody registered");

    const uint32_t size = (uint32_t)scratch.size_bytes;
    const struct {
        uint32_t offset, length;
    } outside[] = {
        {size - 3, 4},
        {size, 4},
        {size + 4, 4},
        {UINT32_MAX - 3, 4},
        {0, size + 4},
        {4, UINT32_MAX},
        {UINT32_MAX, UINT32_MAX},
        {size - 60, 64},
    };
    for (uint32_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        if (row->buffer == ROW_WORD && (outside[i].length != 4 || outside[i].offset % 4 != 0))
            continue;
        submission = valid_base(row);
        submission.buffer_offset_bytes = outside[i].offset;
        submission.length_bytes = outside[i].length;
        expect_refusal(row, submission, ABI_STATUS_OUT_OF_RANGE, "a span past the buffer");
    }
    if (row->buffer == ROW_OUT || row->buffer == ROW_OUT_MAYBE) {
        submission = valid_base(row);
        submission.buffer_index = index_read_only;
        expect_refusal(row, submission, ABI_STATUS_PERMISSION_DENIED,
                       "a buffer registered for reading");
    }
    if (row->buffer == ROW_WORD) {
        submission = valid_base(row);
        submission.length_bytes = 8;
        expect_refusal(row, submission, ABI_STATUS_INVALID_ARGUMENT, "a word of eight bytes");
        submission = valid_base(row);
        submission.buffer_offset_bytes = 2;
        expect_refusal(row, submission, ABI_STATUS_INVALID_ARGUMENT, "a word at an odd place");
    }
}

GUEST_TEST(every_operation_refuses_what_the_table_does_not_allow)
{
    for (uint32_t i = 0; i < op_rows_count; i++) {
        const struct op_row *row = &op_rows[i];
        check_capability(row);
        check_rights(row);
        check_fields(row);
        if (row->buffer == ROW_NONE)
            check_no_span(row);
        else
            check_span(row);
    }
}

GUEST_TEST(numbers_without_an_operation_are_not_implemented)
{
    for (uint32_t number = 0; number < 256; number++) {
        bool is_known = false;
        for (uint32_t i = 0; i < op_rows_count; i++)
            is_known |= op_rows[i].number == number;
        if (is_known) continue;
        struct abi_completion completion = raw_call((struct abi_submission){.op = (uint8_t)number});
        EXPECT_MESSAGE(raw_status(completion) == ABI_STATUS_NOT_IMPLEMENTED,
                       "operation %u: status %u", number, raw_status(completion));
    }
}

GUEST_TEST(query_describes_every_operation_as_the_table_does)
{
    for (uint32_t i = 0; i < op_rows_count; i++) {
        struct abi_completion completion = raw_call((struct abi_submission){
            .op = ABI_OP_QUERY,
            .buffer_index = scratch.index,
            .length_bytes = sizeof(struct abi_op_info),
            .args = {op_rows[i].number},
        });
        const struct abi_op_info *info = (const struct abi_op_info *)scratch.bytes;
        EXPECT(raw_is_ok(completion) && completion.value == ABI_VERSION);
        EXPECT_MESSAGE(info->number == op_rows[i].number && info->kinds == op_rows[i].kinds &&
                           info->rights == op_rows[i].rights && info->op_flags == op_rows[i].flags,
                       "query of %s differs from the table", op_rows[i].name);
    }
}

GUEST_TEST_SETUP
{
    scratch = raw_scratch_make(8192);
    for (uint32_t kind = 1; kind < ABI_KIND_COUNT; kind++)
        (void)object_of_kind((enum abi_kind)kind);
    handle_without_close = raw_dup(scratch.handle, ABI_RIGHTS_ALL & ~(uint64_t)ABI_RIGHT_CLOSE);
    index_read_only = raw_register(scratch.handle, ABI_ACCESS_READ);
    guest_test_need_grants();
}
