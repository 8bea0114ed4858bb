/*
 * A ring driven by raw bytes: the program writes what it likes into shared memory.
 *
 * Input: steps, each a byte that chooses and the bytes it needs. The real dispatch table runs, with
 * stand-ins for operations that need processes or files; one of them rewrites the ring's memory
 * while the kernel is at work, as a second thread could.
 *
 * What must hold, whatever the bytes: no access outside what the sanitizers know; accepted -
 * completed never exceeds the completion entries; the kernel's tail is what it completed; and after
 * the ring was closed, everything accepted was completed and every reference has come back.
 */
#include "support/ops_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct input {
    const uint8_t *bytes;
    size_t left;
};

static uint64_t take(struct input *input, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count && input->left > 0; i++, input->left--)
        value |= (uint64_t)*input->bytes++ << 8 * i;
    return value;
}

static constexpr uint32_t HANDLES_MAX = 8;
static uint64_t handles[HANDLES_MAX];
static uint32_t handles_next;
static struct ring_counts before; /* of rings that ended earlier */
static bool heads_are_true;       /* the program never lied about what it has read */

/* An entry as a bug in a program might fill it: mostly right. */
static struct abi_submission likely_submission(struct input *input)
{
    static const uint8_t ops[] = {
#define OP(number, ...) number,
#include <abi/ops.def>
#undef OP
    };
    uint8_t op = ops[take(input, 1) % array_count(ops)];
    const struct op_descriptor *row = dispatch_rows[op];
    struct abi_submission submission = {.op = op, .user_data = take(input, 3)};
    if (row->kinds != 0) submission.capability = handles[take(input, 1) % HANDLES_MAX];
    if (row->buffer_use != OP_BUFFER_NONE) {
        submission.length_bytes = 4;
        submission.buffer_offset_bytes = (uint32_t)take(input, 1) * 4;
    }
    uint8_t how = (uint8_t)take(input, 1);
    if (how >= 128) submission.flags = how & ABI_SUBMISSION_FLAGS_KNOWN;
    if ((row->forbidden[6] & 1) == 0) submission.args[0] = take(input, 1);
    if ((row->forbidden[7] & 1) == 0) submission.args[1] = clock_now_ns() + take(input, 2);
    return submission;
}

static struct abi_submission raw_submission(struct input *input)
{
    union {
        struct abi_submission submission;
        uint64_t words[8];
    } raw;
    for (uint32_t i = 0; i < array_count(raw.words); i++)
        raw.words[i] = take(input, 8);
    return raw.submission;
}

static void reap_all(void)
{
    while (world_unread() > 0 && world_unread() <= world.header->completion_entries) {
        struct abi_completion completion = world_reap();
        ASSERT(completion.tag == ABI_RESULT_OK || completion.tag == ABI_RESULT_ERROR);
        ASSERT((completion.flags & ~(ABI_COMPLETION_MORE | ABI_COMPLETION_CHUNK)) == 0);
        for (uint32_t i = 0; i < sizeof(completion.reserved); i++)
            ASSERT(completion.reserved[i] == 0);
        if (completion.tag == ABI_RESULT_ERROR) {
            ASSERT(completion.error != ABI_STATUS_OK);
        } else if (completion.value >> ABI_HANDLE_SLOT_BITS != 0) {
            handles[handles_next++ % HANDLES_MAX] = completion.value; /* perhaps a handle */
        }
    }
}

static void check(const struct abi_ring_header *header)
{
    struct ring_counts now = ring_count_all();
    uint64_t accepted = now.accepted - before.accepted;
    uint64_t completed = now.completed - before.completed;
    uint64_t suppressed = now.suppressed - before.suppressed;
    uint64_t more = now.more - before.more;
    uint64_t ended = completed + suppressed;
    ASSERT(ended <= accepted);
    ASSERT(accepted - ended <= header->completion_entries);
    if (heads_are_true && !world_was_scribbled) {
        /* Every completion that is owed has its slot. */
        ASSERT((uint32_t)(accepted + more - suppressed) - header->completion_head <=
               header->completion_entries);
        ASSERT(header->completion_tail == (uint32_t)(completed + more));
    }
    ASSERT(handle_table_count(&world.handles) <= 1000);
}

static void enter(uint64_t wait_count)
{
    uint32_t accepted_before = (uint32_t)(ring_count_all().accepted - before.accepted);
    uint64_t answer = ring_enter(world.ring, wait_count, clock_now_ns() + 100);
    uint32_t status = ABI_ENTER_STATUS(answer);
    ASSERT(status == ABI_STATUS_OK || status == ABI_STATUS_QUEUE_FULL ||
           status == ABI_STATUS_TIMED_OUT);
    ASSERT(ABI_ENTER_ACCEPTED(answer) <= world.header->submission_entries);
    uint32_t accepted = (uint32_t)(ring_count_all().accepted - before.accepted);
    ASSERT(accepted - accepted_before == ABI_ENTER_ACCEPTED(answer));
    if (ABI_ENTER_ACCEPTED(answer) != 0) ASSERT(world.header->submission_head == accepted);
}

static void fire_in_interrupt(void)
{
    bool were_on = interrupts_disable();
    source_fire();
    interrupts_restore(were_on);
}

static void step(struct input *input)
{
    uint8_t what = (uint8_t)take(input, 1);
    switch (what % 12) {
    case 0:
    case 1:
    case 2:
        world_submit(likely_submission(input));
        break;
    case 3:
        world_submit(raw_submission(input));
        break;
    case 4:
    case 5:
        enter(what / 12 % 4);
        break;
    case 6:
        reap_all();
        break;
    case 7:
        world.header->submission_tail = (uint32_t)take(input, 4);
        break;
    case 8:
        heads_are_true = false;
        world.header->completion_head = (uint32_t)take(input, 4);
        break;
    case 9:
        /* any word of the header */
        heads_are_true = false;
        ((uint32_t *)(void *)world.header)[take(input, 1) % 96] = (uint32_t)take(input, 4);
        world.header->submission_entries = 16; /* which this side needs, too */
        world.header->completion_entries = 32;
        world.header->submissions_offset_bytes = 8192;
        world.header->completions_offset_bytes = 12288;
        break;
    case 10:
        what & 128 ? fire_in_interrupt() : (void)source_fire();
        break;
    case 11:
        world_set_clock(clock_now_ns() + what);
        world_run_timers();
        world_run_work();
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    memory_fault_hook = nullptr;
    struct input input = {bytes, size};
    before = ring_count_all();
    heads_are_true = true;
    world_was_scribbled = false;
    ops_world_begin(16);
    handles[0] = world_give(&world_file, ABI_RIGHTS_ALL);
    handles[1] = world_give(&world_file, ABI_RIGHT_READ | ABI_RIGHT_CLOSE);
    handles[2] = world_give(&world_directory, ABI_RIGHTS_ALL);
    handles[3] = world_give(&world_system, ABI_RIGHTS_ALL);
    for (handles_next = 4; handles_next < HANDLES_MAX; handles_next++)
        handles[handles_next] = 0;

    while (input.left > 0) {
        step(&input);
        check(world.header);
    }

    ops_world_end();
    struct ring_counts after = ring_count_all();
    ASSERT(after.accepted - before.accepted ==
           after.completed - before.completed + after.suppressed - before.suppressed);
    return 0;
}
