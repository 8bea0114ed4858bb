/*
 * Processes: what starting, waiting for, ending, opening and listing them promises, and how they
 * end when they do what they may not.
 */
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/memory.h"
#include "peal/process.h"
#include "peal/system.h"
#include "support/guest_test.h"
#include "support/raw.h"
#include <abi/ring.h>

static directory_ref root;
static system_ref machine;
static struct raw_scratch scratch;

/* Starts boot/bin/NAME. */
static process_result start(text path, const struct peal_spawn *spawn)
{
    file_result opened = peal_file_open(root, path, RIGHTS_EXECUTE);
    if (!is_ok(opened.status)) return (process_result){.status = opened.status};
    OWNED(file_handle) file = TAKE(opened.value);
    return peal_process_spawn(file_borrow(&file), spawn);
}

static process_result start_with(text path, text argument)
{
    text arguments[] = {path, argument};
    return start(path, &(struct peal_spawn){
                           .name = path,
                           .arguments = arguments,
                           .arguments_count = argument.length > 0 ? 2 : 1,
                       });
}

static struct abi_exit run(text path, text argument)
{
    struct abi_exit how = {0};
    process_result started = start_with(path, argument);
    EXPECT_STATUS(OK, started.status);
    OWNED(process_handle) process = TAKE(started.value);
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(&process), ABI_DEADLINE_NEVER, &how));
    return how;
}

#define TRUE_PATH  TEXT("boot/bin/true")
#define FALSE_PATH TEXT("boot/bin/false")
#define SLEEP_PATH TEXT("boot/bin/sleep")
#define CRASH_PATH TEXT("boot/bin/crash")

/* boot/bin/true with so many arguments. */
#define ARGUMENTS_MANY 4096u
static process_result start_with_many(uint32_t count)
{
    static text arguments[ARGUMENTS_MANY];
    for (size_t i = 0; i < ARGUMENTS_MANY; i++)
        arguments[i] = TEXT("argument");
    return start(TRUE_PATH, &(struct peal_spawn){
                                .name = TEXT("true"),
                                .arguments = arguments,
                                .arguments_count = count,
                            });
}

GUEST_TEST_SETUP
{
    root = peal_granted_directory(TEXT("root"));
    machine = peal_granted_system(TEXT("system"));
    scratch = raw_scratch_make(ABI_SPAWN_BLOCK_BYTES_MAX + ABI_PAGE_BYTES);
    /* The library's heap keeps what the largest block needs. */
    process_result started = start_with_many(ARGUMENTS_MANY);
    if (!is_ok(started.status)) return;
    OWNED(process_handle) process = TAKE(started.value);
    struct abi_exit how;
    ignore_status(peal_process_wait(process_borrow(&process), ABI_DEADLINE_NEVER, &how));
    guest_test_need_grants();
}

GUEST_TEST(a_program_ends_with_its_own_code)
{
    struct abi_exit how = run(TRUE_PATH, (text){0});
    EXPECT_EQUAL(ABI_EXIT_REASON_CODE, how.reason);
    EXPECT_EQUAL(0, how.code);
    how = run(FALSE_PATH, (text){0});
    EXPECT_EQUAL(ABI_EXIT_REASON_CODE, how.reason);
    EXPECT_EQUAL(1, how.code);
}

GUEST_TEST(every_fault_ends_its_program_and_is_told)
{
    static const struct {
        text kind;
        uint64_t vector;
    } faults[] = {
        {TEXT("null"), 14},      {TEXT("kernel"), 14},       {TEXT("constant"), 14},
        {TEXT("code"), 14},      {TEXT("data"), 14},         {TEXT("stack"), 14},
        {TEXT("unmapped"), 14},  {TEXT("noncanonical"), 13}, {TEXT("divide"), 0},
        {TEXT("invalid"), 6},    {TEXT("privileged"), 13},   {TEXT("port"), 13},
        {TEXT("breakpoint"), 3},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct abi_exit how = run(CRASH_PATH, faults[i].kind);
        EXPECT_MESSAGE(how.reason == ABI_EXIT_REASON_FAULT && how.fault_vector == faults[i].vector,
                       "crash %.*s: reason %u, vector %lu", (int)faults[i].kind.length,
                       faults[i].kind.bytes, how.reason, how.fault_vector);
        EXPECT_EQUAL(128 + ABI_EXIT_REASON_FAULT, how.code);
        EXPECT(how.instruction_address != 0);
    }
}

GUEST_TEST(a_program_that_takes_all_its_memory_ends_alone)
{
    text arguments[] = {TEXT("hog"), TEXT("memory")};
    process_result started = start(TEXT("boot/bin/hog"), &(struct peal_spawn){
                                                             .name = TEXT("hog"),
                                                             .arguments = arguments,
                                                             .arguments_count = 2,
                                                             .memory_max_bytes = 2 << 20,
                                                         });
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) process = TAKE(started.value);
    struct abi_exit how = {0};
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(&process), ABI_DEADLINE_NEVER, &how));
    EXPECT_EQUAL(ABI_EXIT_REASON_OUT_OF_MEMORY, how.reason);
    EXPECT(how.memory_bytes <= 2 << 20 && how.memory_bytes > 1 << 20);
    EXPECT(how.fault_address != 0);
}

GUEST_TEST(a_wait_ends_at_its_deadline_and_at_the_end_and_a_kill_has_a_code)
{
    process_result started = start_with(SLEEP_PATH, TEXT("1000"));
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) process = TAKE(started.value);
    process_ref ref = process_borrow(&process);
    struct abi_exit how = {0};
    EXPECT_STATUS(TIMED_OUT, peal_process_wait(ref, 0, &how));
    EXPECT_STATUS(TIMED_OUT, peal_process_wait(ref, peal_deadline_in_ms(5), &how));
    EXPECT_STATUS(OK, peal_process_kill(ref, 77));
    EXPECT_STATUS(OK, peal_process_wait(ref, ABI_DEADLINE_NEVER, &how));
    EXPECT_EQUAL(ABI_EXIT_REASON_KILLED, how.reason);
    EXPECT_EQUAL(77, how.code);
    EXPECT_STATUS(OK, peal_process_kill(ref, 78)); /* has ended already: nothing */
    EXPECT_STATUS(OK, peal_process_wait(ref, 0, &how));
    EXPECT_EQUAL(77, how.code);

    struct abi_stat stat;
    EXPECT_STATUS(OK, process_stat(ref, &stat));
    EXPECT_EQUAL(ABI_PROCESS_ENDED, stat.process.state);
    EXPECT_EQUAL(0, stat.process.memory_bytes);
    EXPECT_EQUAL(0, stat.process.thread_count + stat.process.handle_count);
}

GUEST_TEST(a_wait_needs_room_for_the_record_and_a_code_of_32_bits)
{
    process_result started = start_with(TRUE_PATH, (text){0});
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) process = TAKE(started.value);
    struct abi_completion done = raw_call((struct abi_submission){
        .op = ABI_OP_PROCESS_WAIT,
        .capability = process.raw,
        .buffer_index = scratch.index,
        .length_bytes = sizeof(struct abi_exit) - 1,
        .args = {ABI_DEADLINE_NEVER},
    });
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, raw_status(done));
    done = raw_call((struct abi_submission){
        .op = ABI_OP_PROCESS_KILL, .capability = process.raw, .args = {1ull << 32}});
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(done));
    done = raw_call((struct abi_submission){
        .op = ABI_OP_PROCESS_WAIT, .capability = process.raw, .args = {ABI_DEADLINE_NEVER}});
    EXPECT(raw_is_ok(done));
    EXPECT_EQUAL(0, done.value);
}

GUEST_TEST(what_is_no_program_is_refused)
{
    static const text paths[] = {TEXT("disk0/hello.txt"), TEXT("boot/test/not_a_program")};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        file_result opened = peal_file_open(root, paths[i], RIGHTS_EXECUTE);
        if (!is_ok(opened.status)) continue;
        OWNED(file_handle) file = TAKE(opened.value);
        process_result started = peal_process_spawn(file_borrow(&file), &(struct peal_spawn){0});
        EXPECT_STATUS(NOT_EXECUTABLE, started.status);
        EXPECT_EQUAL(ABI_NOT_EXECUTABLE_NOT_ELF, peal_refusal_detail());
    }
}

GUEST_TEST(four_thousand_arguments_arrive_and_none_do)
{
    for (uint32_t count = 0; count <= ARGUMENTS_MANY; count += ARGUMENTS_MANY) {
        process_result started = start_with_many(count);
        REQUIRE(is_ok(started.status));
        OWNED(process_handle) process = TAKE(started.value);
        struct abi_exit how = {0};
        EXPECT_STATUS(OK, peal_process_wait(process_borrow(&process), ABI_DEADLINE_NEVER, &how));
        EXPECT_EQUAL(ABI_EXIT_REASON_CODE, how.reason);
    }
}

/* Sends a block as it is; closes what it yields. */
static uint32_t spawn_block(uint64_t file, const struct abi_spawn *spawn, uint32_t length)
{
    __builtin_memcpy(scratch.bytes, spawn, sizeof(*spawn));
    struct abi_completion done = raw_call((struct abi_submission){
        .op = ABI_OP_PROCESS_SPAWN,
        .capability = file,
        .buffer_index = scratch.index,
        .length_bytes = length,
    });
    if (raw_is_ok(done)) {
        raw_call((struct abi_submission){
            .op = ABI_OP_PROCESS_WAIT, .capability = done.value, .args = {ABI_DEADLINE_NEVER}});
        raw_close(done.value);
    }
    return raw_status(done);
}

GUEST_TEST(a_block_that_makes_no_sense_is_refused_and_more_than_the_own_quota_too)
{
    file_result opened = peal_file_open(root, TRUE_PATH, RIGHTS_EXECUTE);
    REQUIRE(is_ok(opened.status));
    OWNED(file_handle) file = TAKE(opened.value);
    const uint32_t length = sizeof(struct abi_spawn);
    struct abi_spawn good = {.version = ABI_VERSION};
    EXPECT_EQUAL(ABI_STATUS_OK, spawn_block(file.raw, &good, length));
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, spawn_block(file.raw, &good, length - 1));
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, spawn_block(file.raw, &good, 0));
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE,
                 spawn_block(file.raw, &good, ABI_SPAWN_BLOCK_BYTES_MAX + 1));

#define EXPECT_SPAWN(name, ...)                                                 \
    do {                                                                        \
        struct abi_spawn spawn = good;                                          \
        __VA_ARGS__;                                                            \
        EXPECT_EQUAL(ABI_STATUS_##name, spawn_block(file.raw, &spawn, length)); \
    } while (0)
    EXPECT_SPAWN(INVALID_ARGUMENT, spawn.version = 0);
    EXPECT_SPAWN(INVALID_ARGUMENT, spawn.ring_flags = 1u << 31);
    EXPECT_SPAWN(INVALID_ARGUMENT, spawn.priority = 8);
    EXPECT_SPAWN(OUT_OF_RANGE, spawn.arguments_count = 1, spawn.arguments_offset = length);
    EXPECT_SPAWN(OUT_OF_RANGE, spawn.handles_count = ABI_SPAWN_HANDLES_MAX + 1);
    EXPECT_SPAWN(OUT_OF_RANGE, spawn.name.length_bytes = length + 1);
    EXPECT_SPAWN(OUT_OF_RANGE, spawn.ring_entries = 3);
    EXPECT_SPAWN(OUT_OF_RANGE, spawn.ring_entries = ABI_RING_ENTRIES_MAX * 2);
    EXPECT_SPAWN(QUOTA_EXCEEDED, spawn.memory_max_bytes = UINT64_MAX);
    EXPECT_SPAWN(QUOTA_EXCEEDED, spawn.handles_max = UINT32_MAX);
    EXPECT_SPAWN(QUOTA_EXCEEDED, spawn.threads_max = UINT32_MAX);
    EXPECT_SPAWN(OUT_OF_MEMORY, spawn.memory_max_bytes = ABI_PAGE_BYTES);
    EXPECT_SPAWN(OK, spawn.ring_entries = ABI_RING_ENTRIES_MIN);
}

GUEST_TEST(a_handle_that_is_not_ours_or_may_not_be_doubled_is_not_granted)
{
    uint64_t undoubled = raw_dup(root.raw, ABI_RIGHTS_ALL & ~(uint64_t)ABI_RIGHT_DUP);
    struct peal_grant grants[] = {{.name = TEXT("root"), .raw = undoubled}};
    struct peal_spawn spawn = {.grants = grants, .grants_count = 1};
    EXPECT_STATUS(INSUFFICIENT_RIGHTS, start(TRUE_PATH, &spawn).status);
    raw_close(undoubled);
    EXPECT_STATUS(INVALID_CAPABILITY, start(TRUE_PATH, &spawn).status);
}

GUEST_TEST(processes_are_listed_and_opened_by_number)
{
    process_result started = start_with(SLEEP_PATH, TEXT("1000"));
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) child = TAKE(started.value);
    struct abi_stat stat;
    EXPECT_STATUS(OK, process_stat(process_borrow(&child), &stat));
    uint64_t id = stat.process.id;
    EXPECT_EQUAL(peal_startup()->process_id, stat.process.parent_id);

    process_result opened = peal_process_open(machine, id, ABI_RIGHT_STAT | ABI_RIGHT_CLOSE);
    REQUIRE(is_ok(opened.status));
    OWNED(process_handle) again = TAKE(opened.value);
    struct abi_stat same;
    EXPECT_STATUS(OK, process_stat(process_borrow(&again), &same));
    EXPECT_EQUAL(stat.object_id, same.object_id);
    EXPECT_STATUS(INSUFFICIENT_RIGHTS, peal_process_kill(process_borrow(&again), 0));
    EXPECT_STATUS(NOT_FOUND, peal_process_open(machine, UINT64_MAX, 0).status);
    EXPECT_STATUS(NOT_FOUND, peal_process_open(machine, 0, 0).status);

    bool is_listed = false;
    uint64_t cookie = 0;
    for (;;) { /* one record at a time */
        struct abi_completion done = raw_call((struct abi_submission){
            .op = ABI_OP_ENUMERATE,
            .capability = machine.raw,
            .buffer_index = scratch.index,
            .length_bytes = sizeof(struct abi_process_entry),
            .args = {cookie},
        });
        if (!raw_is_ok(done) || done.value == 0) break;
        const struct abi_process_entry *entry = (const void *)scratch.bytes;
        EXPECT(entry->next_cookie > cookie);
        cookie = entry->next_cookie;
        is_listed |= entry->process.id == id;
    }
    EXPECT(is_listed);
    struct abi_completion done = raw_call((struct abi_submission){
        .op = ABI_OP_ENUMERATE,
        .capability = machine.raw,
        .buffer_index = scratch.index,
        .length_bytes = sizeof(struct abi_process_entry) - 1,
    });
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, raw_status(done));
    EXPECT_STATUS(OK, peal_process_kill(process_borrow(&child), 0));
    struct abi_exit how;
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(&child), ABI_DEADLINE_NEVER, &how));
}

GUEST_TEST(a_child_has_exactly_the_handles_it_was_given)
{
    struct peal_grant grants[] = {
        {.name = TEXT("root"), .raw = root.raw, .rights = ABI_RIGHT_LOOK_UP | ABI_RIGHT_CLOSE},
        {.name = TEXT("again"), .raw = root.raw, .rights = 0},
    };
    text arguments[] = {TEXT("sleep"), TEXT("1000")};
    process_result started = start(SLEEP_PATH, &(struct peal_spawn){
                                                   .name = TEXT("sleep"),
                                                   .arguments = arguments,
                                                   .arguments_count = 2,
                                                   .grants = grants,
                                                   .grants_count = 2,
                                               });
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) child = TAKE(started.value);
    struct abi_completion done = raw_call((struct abi_submission){
        .op = ABI_OP_ENUMERATE,
        .capability = child.raw,
        .buffer_index = scratch.index,
        .length_bytes = 16 * sizeof(struct abi_handle_entry),
    });
    EXPECT(raw_is_ok(done));
    EXPECT_EQUAL(2 * sizeof(struct abi_handle_entry), done.value);
    const struct abi_handle_entry *entries = (const void *)scratch.bytes;
    EXPECT_EQUAL(ABI_RIGHT_LOOK_UP | ABI_RIGHT_CLOSE, entries[0].rights | entries[1].rights);
    EXPECT_EQUAL(entries[0].object_id, entries[1].object_id);
    EXPECT_STATUS(OK, peal_process_kill(process_borrow(&child), 0));
    struct abi_exit how;
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(&child), ABI_DEADLINE_NEVER, &how));
}

GUEST_TEST(children_killed_at_every_moment_leave_nothing)
{
    for (uint32_t i = 0; i < 40; i++) {
        process_result started = start_with(SLEEP_PATH, TEXT("1000"));
        REQUIRE(is_ok(started.status));
        OWNED(process_handle) process = TAKE(started.value);
        for (uint32_t j = 0; j < i * 200; j++)
            __asm__ volatile("pause");
        EXPECT_STATUS(OK, peal_process_kill(process_borrow(&process), i));
        struct abi_exit how = {0};
        EXPECT_STATUS(OK, peal_process_wait(process_borrow(&process), ABI_DEADLINE_NEVER, &how));
        EXPECT_EQUAL(i, how.code);
    }
}
