#include "peal/trace.h"
#include "support/test.h"
#include <string.h>

static void check(const struct writer *writer, const char *wanted)
{
    text said = writer_text(writer);
    if (said.length != strlen(wanted) || memcmp(said.bytes, wanted, said.length) != 0)
        test_fail(__FILE__, __LINE__, "'%.*s', not '%s'", TEXT_ARGUMENTS(said), wanted);
}

static void check_submission(struct abi_submission submission, const char *wanted)
{
    char bytes[300];
    struct writer writer = WRITER(bytes);
    peal_format_submission(&writer, &submission);
    check(&writer, wanted);
}

static void check_success(uint8_t number, uint64_t value, const char *wanted)
{
    char bytes[300];
    struct writer writer = WRITER(bytes);
    peal_format_success(&writer, number, value);
    check(&writer, wanted);
}

static void check_failure(uint32_t status, uint32_t detail, const char *wanted)
{
    char bytes[300];
    struct writer writer = WRITER(bytes);
    peal_format_failure(&writer, status, detail);
    check(&writer, wanted);
}

TEST(what_is_asked_for_in_words)
{
    check_submission((struct abi_submission){.op = ABI_OP_NOP}, "nop");
    check_submission((struct abi_submission){.op = ABI_OP_READ,
                                             .length_bytes = 4096,
                                             .offset_bytes = ABI_OFFSET_CURRENT},
                     "read, 4096 bytes at its position");
    check_submission((struct abi_submission){.op = ABI_OP_READ, .op_flags = 1},
                     "read at 0, flags 0x1");
    check_submission((struct abi_submission){.op = ABI_OP_TIMER_WAIT, .capability = 0xabc00005},
                     "timer_wait timer in slot 5");
    check_submission(
        (struct abi_submission){.op = ABI_OP_CLOSE, .capability = 7, .flags = 1, .priority = 3},
        "close handle in slot 7, linked, priority 3");
    check_submission((struct abi_submission){.op = ABI_OP_SLEEP,
                                             .args = {ABI_DEADLINE_NEVER},
                                             .flags = ABI_SUBMISSION_TIMEOUT | 128,
                                             .timeout_ms = 9},
                     "sleep (never), timeout, unknown flags 0x80 9 ms");
    check_submission((struct abi_submission){.op = 250, .args = {1, 0xdeadbeef}},
                     "operation 250 at 0 (1, 0xdeadbeef)");
}

TEST(what_came_of_it_in_words)
{
    check_success(ABI_OP_CLOSE, 0, "ok");
    check_success(ABI_OP_READ, 12, "12 bytes read");
    check_success(ABI_OP_OPEN, 0x12300007, "a handle to the file or directory in slot 7");
    check_success(250, 3, "3");
    check_failure(ABI_STATUS_NOT_FOUND, 0, "NOT_FOUND");
    check_failure(ABI_STATUS_INSUFFICIENT_RIGHTS, ABI_DETAIL_MAKE(1, 2),
                  "INSUFFICIENT_RIGHTS: lacks write since step 2");
    check_failure(ABI_STATUS_CAPABILITY_REVOKED, ABI_DETAIL_MAKE(ABI_DETAIL_REVOKED, 4),
                  "CAPABILITY_REVOKED: taken back by who held step 4");
    check_failure(ABI_STATUS_OUT_OF_RANGE, 16, "OUT_OF_RANGE, detail 0x10");
}

TEST(every_operation_is_found_by_its_number)
{
    uint32_t count = 0;
    for (; peal_operation_at(count) != nullptr; count++) {
        const struct peal_operation *operation = peal_operation_at(count);
        CHECK(peal_operation_find(operation->number) == operation);
        CHECK(operation->name.length > 0 && operation->summary.length > 0);
    }
    CHECK(count > 30);
    CHECK(peal_operation_find(250) == nullptr);
}
