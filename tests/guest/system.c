/*
 * The machine as an object: describing every kind, listing and opening processes, and the power.
 */
#include "peal/system.h"
#include "peal/bytes.h"
#include "peal/clock.h"
#include "support/child.h"
#include "support/guest_test.h"
#include "support/objects.h"
#include "support/raw.h"

#define PROGRAM       TEXT("boot/test/system")
#define PAGE          ABI_PAGE_BYTES
#define SCRATCH_BYTES (16 * PAGE)

static uint64_t machine;
static struct raw_scratch scratch;

static struct abi_completion call_open(uint64_t handle, uint64_t id, uint64_t rights)
{
    return raw_call((struct abi_submission){
        .op = ABI_OP_PROCESS_OPEN, .capability = handle, .args = {id, rights}});
}

static struct abi_completion call_list(uint64_t handle, uint64_t cookie, uint32_t length)
{
    return raw_call((struct abi_submission){
        .op = ABI_OP_ENUMERATE,
        .capability = handle,
        .buffer_index = scratch.index,
        .length_bytes = length,
        .args = {cookie},
    });
}

/* ---- describing ---- */

static bool is_zero(const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (((const uint8_t *)bytes)[i] != 0) return false;
    return true;
}

/* Bytes of the part that the kind adds; what is behind it has to be zero. */
static uint32_t part_bytes(uint32_t kind)
{
    switch (kind) {
    case ABI_KIND_FILE:
    case ABI_KIND_DIRECTORY:
        return sizeof(struct abi_stat_file);
    case ABI_KIND_BUFFER:
        return sizeof(struct abi_stat_buffer);
    case ABI_KIND_PROCESS:
        return sizeof(struct abi_stat_process);
    case ABI_KIND_SYSTEM:
        return sizeof(struct abi_stat_system);
    }
    return 0;
}

/* A field of text is one, and then zeros. */
static bool is_padded_text(const uint8_t *field, size_t field_bytes)
{
    text name = peal_text_from_field(field, field_bytes);
    return is_zero(field + name.length, field_bytes - name.length);
}

GUEST_TEST(a_stat_of_any_kind_has_no_byte_that_means_nothing)
{
    for (uint32_t kind = 1; kind < ABI_KIND_COUNT; kind++) {
        uint64_t handle = object_of_kind((enum abi_kind)kind);
        if (handle == 0) continue;
        memset(scratch.bytes, 0xa5, PAGE);
        struct abi_completion done = raw_call((struct abi_submission){
            .op = ABI_OP_STAT,
            .capability = handle,
            .buffer_index = scratch.index,
            .length_bytes = sizeof(struct abi_stat),
        });
        const struct abi_stat *stat = (const void *)scratch.bytes;
        EXPECT_EQUAL(sizeof(*stat), done.value);
        EXPECT_EQUAL(kind, stat->kind);
        EXPECT_EQUAL(0, stat->reserved);
        EXPECT(stat->object_id != 0 && (stat->rights & ABI_RIGHT_STAT) != 0);
        EXPECT_EQUAL(0, stat->rights & ~ABI_RIGHTS_ALL);
        const uint8_t *part = (const uint8_t *)&stat->words;
        EXPECT_MESSAGE(is_zero(part + part_bytes(kind), sizeof(stat->words) - part_bytes(kind)),
                       "kind %u: something behind its part", kind);
        if (kind == ABI_KIND_FILE || kind == ABI_KIND_DIRECTORY)
            EXPECT_EQUAL(0, stat->file.reserved);
        if (kind == ABI_KIND_PROCESS)
            EXPECT(is_padded_text(stat->process.name, sizeof(stat->process.name)));
        if (kind == ABI_KIND_SYSTEM) {
            EXPECT_EQUAL(0, stat->system.reserved);
            EXPECT(is_padded_text(stat->system.version, sizeof(stat->system.version)));
        }
    }
}

GUEST_TEST(the_counts_of_the_machine_make_sense)
{
    struct abi_stat first, second;
    EXPECT_STATUS(OK, peal_raw_stat(machine, &first));
    EXPECT_STATUS(OK, peal_sleep_until(peal_deadline_in_ms(2)));
    EXPECT_STATUS(OK, peal_raw_stat(machine, &second));
    const struct abi_stat_system *now = &second.system;
    EXPECT(now->memory_free_bytes + now->memory_cache_bytes <= now->memory_total_bytes);
    EXPECT(now->memory_kernel_bytes < now->memory_total_bytes);
    EXPECT(now->uptime_ns > first.system.uptime_ns);
    EXPECT(now->idle_ns >= first.system.idle_ns);
    EXPECT(now->idle_ns <= now->uptime_ns * now->cpu_count);
    EXPECT(now->submissions_total > first.system.submissions_total);
    EXPECT(now->syscalls_total > first.system.syscalls_total);
    EXPECT(now->cpu_count >= 1 && now->process_count >= 2 && now->thread_count >= 2);
    EXPECT(now->handle_count >= now->process_count && now->object_count >= now->process_count);

    struct abi_stat self;
    EXPECT_STATUS(OK, peal_raw_stat(object_of_kind(ABI_KIND_PROCESS), &self));
    EXPECT_EQUAL(peal_startup()->process_id, self.process.id);
    EXPECT_EQUAL(ABI_PROCESS_RUNNING, self.process.state);
    EXPECT(self.process.memory_bytes > 0 &&
           self.process.memory_bytes <= self.process.memory_max_bytes);
    EXPECT(self.process.handle_count <= self.process.handle_max);
    EXPECT(self.process.started_ns <= now->uptime_ns && self.process.thread_count >= 1);
}

/* ---- processes ---- */

GUEST_TEST(numbers_of_no_process_open_nothing)
{
    static const uint64_t far[] = {0, 1ull << 31, 1ull << 32, 1ull << 63, UINT64_MAX};
    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++)
        EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, raw_status(call_open(machine, far[i], ABI_RIGHTS_ALL)));
    uint64_t self = peal_startup()->process_id;
    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, raw_status(call_open(machine, self + 1000, 0)));
    struct abi_completion opened = call_open(machine, self, UINT64_MAX);
    REQUIRE(raw_is_ok(opened));
    struct abi_stat stat;
    EXPECT_STATUS(OK, peal_raw_stat(opened.value, &stat));
    EXPECT(raw_close(opened.value));
    EXPECT_EQUAL(0, stat.rights & (ABI_RIGHT_CONTROL | ABI_RIGHT_LOOK_UP));
}

GUEST_TEST(what_is_opened_has_the_rights_asked_for_that_the_machine_has)
{
    uint64_t self = peal_startup()->process_id;
    uint64_t meek = raw_dup(machine, ABI_RIGHT_LOOK_UP | ABI_RIGHT_STAT | ABI_RIGHT_CLOSE);
    struct abi_completion opened = call_open(meek, self, ABI_RIGHTS_ALL);
    REQUIRE(raw_is_ok(opened));
    struct abi_stat stat;
    EXPECT_STATUS(OK, peal_raw_stat(opened.value, &stat));
    EXPECT_EQUAL(ABI_RIGHT_STAT | ABI_RIGHT_CLOSE, stat.rights);
    struct abi_completion kill =
        raw_call((struct abi_submission){.op = ABI_OP_PROCESS_KILL, .capability = opened.value});
    EXPECT_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, raw_status(kill));
    EXPECT_EQUAL(14, ABI_DETAIL_RIGHT(kill.detail));
    EXPECT(raw_close(opened.value) && raw_close(meek));
}

GUEST_TEST(a_process_that_ended_can_be_opened_as_long_as_somebody_holds_it_or_not_at_all)
{
    process_result started = child_start(PROGRAM, TEXT("nothing"), &(struct peal_spawn){0});
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) process = TAKE(started.value);
    struct abi_exit how = {0};
    struct abi_stat stat;
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(&process), ABI_DEADLINE_NEVER, &how));
    EXPECT_EQUAL(ABI_EXIT_REASON_CODE, how.reason);
    EXPECT_STATUS(OK, process_stat(process_borrow(&process), &stat));
    struct abi_completion opened = call_open(machine, stat.process.id, ABI_RIGHTS_ALL);
    if (raw_is_ok(opened)) {
        EXPECT(raw_close(opened.value));
    } else {
        EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, raw_status(opened));
    }
}

/* ---- listing ---- */

/* Lists all with one size of span; answers the number of records, each of `record_bytes`. */
static uint32_t count_records(uint64_t handle, uint32_t record_bytes, uint32_t span_bytes)
{
    uint32_t count = 0;
    uint64_t cookie = 0;
    for (;;) {
        memset(scratch.bytes, 0xa5, PAGE);
        struct abi_completion done = call_list(handle, cookie, span_bytes);
        EXPECT_EQUAL(ABI_STATUS_OK, raw_status(done));
        if (!raw_is_ok(done) || done.value == 0) return count;
        EXPECT(done.value % record_bytes == 0 && done.value <= span_bytes);
        EXPECT(done.value >= PAGE || scratch.bytes[done.value] == 0xa5);
        for (uint64_t at = 0; at < done.value; at += record_bytes) {
            const struct abi_handle_entry *head = (const void *)(scratch.bytes + at);
            EXPECT_EQUAL(record_bytes, head->record_bytes); /* both kinds start alike */
            EXPECT(head->next_cookie > cookie);
            if (guest_test_has_failed()) return 0;
            cookie = head->next_cookie;
            count++;
        }
    }
}

static void check_lists(uint64_t handle, uint32_t record_bytes)
{
    uint32_t count = count_records(handle, record_bytes, SCRATCH_BYTES);
    EXPECT(count > 0);
    EXPECT_EQUAL(count, count_records(handle, record_bytes, record_bytes));
    EXPECT_EQUAL(count, count_records(handle, record_bytes, 2 * record_bytes + 1));
    for (uint32_t length = 0; length < record_bytes; length += 7)
        EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, raw_status(call_list(handle, 0, length)));
    static const uint64_t nowhere[] = {1ull << 20, 1ull << 32, 1ull << 63, UINT64_MAX};
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        struct abi_completion done = call_list(handle, nowhere[i], SCRATCH_BYTES);
        EXPECT(raw_is_ok(done) && done.value == 0);
    }
}

GUEST_TEST(processes_and_handles_are_the_same_in_spans_of_any_size)
{
    check_lists(machine, sizeof(struct abi_process_entry));
    check_lists(object_of_kind(ABI_KIND_PROCESS), sizeof(struct abi_handle_entry));
}

GUEST_TEST(a_handle_is_listed_with_its_rights_and_steps)
{
    uint64_t first = raw_dup(scratch.handle, ABI_RIGHT_DUP | ABI_RIGHT_CLOSE);
    uint64_t second = raw_dup(first, ABI_RIGHT_CLOSE);
    struct abi_completion done = call_list(object_of_kind(ABI_KIND_PROCESS), 0, SCRATCH_BYTES);
    REQUIRE(raw_is_ok(done));
    uint32_t found = 0;
    for (uint64_t at = 0; at < done.value; at += sizeof(struct abi_handle_entry)) {
        const struct abi_handle_entry *entry = (const void *)(scratch.bytes + at);
        EXPECT(entry->references >= 1);
        if (entry->handle != first && entry->handle != second) continue;
        found++;
        EXPECT_EQUAL(ABI_KIND_BUFFER, entry->kind);
        EXPECT_EQUAL(entry->handle == first ? 1 : 2, entry->derivation_step);
        EXPECT_EQUAL(ABI_RIGHT_CLOSE | (entry->handle == first ? ABI_RIGHT_DUP : 0), entry->rights);
    }
    EXPECT_EQUAL(2, found);
    EXPECT(raw_close(second) && raw_close(first));
}

/* ---- the power ---- */

GUEST_TEST(the_power_needs_its_right_and_a_word_it_knows)
{
    static const uint64_t words[] = {2, 3, 255, 1ull << 32, UINT64_MAX};
    struct abi_submission request = {.op = ABI_OP_SYSTEM_POWER, .capability = machine};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        request.args[0] = words[i];
        EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(raw_call(request)));
    }
    uint64_t without = raw_dup(machine, ABI_RIGHTS_ALL & ~(uint64_t)ABI_RIGHT_CONTROL);
    request.capability = without;
    for (uint64_t word = 0; word < 3; word++) {
        request.args[0] = word;
        struct abi_completion done = raw_call(request);
        EXPECT_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, raw_status(done));
        EXPECT_EQUAL(15, ABI_DETAIL_RIGHT(done.detail));
    }
    EXPECT(raw_close(without));
}

GUEST_TEST_SETUP
{
    machine = peal_granted_raw(TEXT("system"));
    scratch = raw_scratch_make(SCRATCH_BYTES);
    if (child_plays(TEXT("nothing"))) peal_exit(0);
    for (uint32_t kind = 1; kind < ABI_KIND_COUNT; kind++)
        (void)object_of_kind((enum abi_kind)kind);
    guest_test_need_grants();
}
