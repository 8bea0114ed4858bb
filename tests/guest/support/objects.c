/* One of everything. */
#include "support/objects.h"
#include "peal/program.h"
#include "peal/text.h"
#include "peal/thread.h"
#include "support/raw.h"

#define REQUESTS_MAX 3u /* at a time */

static uint64_t made[ABI_KIND_COUNT];

__attribute__((naked)) static void thread_that_ends(void)
{
    __asm__("movl $2, %eax\n"
            "xorl %edi, %edi\n"
            "xorl %esi, %esi\n"
            "syscall\n"
            "ud2");
}

static uint64_t make_thread(void)
{
    struct raw_scratch memory = raw_scratch_make(8192);
    struct abi_thread_start *start = (struct abi_thread_start *)memory.bytes;
    *start = (struct abi_thread_start){
        .entry_address = (uint64_t)(uintptr_t)thread_that_ends,
        .stack_address = (uint64_t)(uintptr_t)memory.bytes + 8192,
    };
    struct abi_completion done = raw_call((struct abi_submission){
        .op = ABI_OP_THREAD_CREATE, .buffer_index = memory.index, .length_bytes = sizeof(*start)});
    return raw_is_ok(done) ? done.value : 0;
}

static uint64_t make_file(void)
{
    static const char path[] = "boot/bin/true";
    struct raw_scratch memory = raw_scratch_make(4096);
    for (uint32_t i = 0; i < sizeof(path) - 1; i++)
        memory.bytes[i] = (uint8_t)path[i];
    struct abi_completion done = raw_call((struct abi_submission){
        .op = ABI_OP_OPEN,
        .capability = object_of_kind(ABI_KIND_DIRECTORY),
        .buffer_index = memory.index,
        .length_bytes = sizeof(path) - 1,
        .args = {ABI_RIGHTS_ALL},
    });
    return raw_is_ok(done) ? done.value : 0;
}

static uint64_t make_process(void)
{
    struct abi_completion done = raw_call((struct abi_submission){
        .op = ABI_OP_PROCESS_OPEN,
        .capability = object_of_kind(ABI_KIND_SYSTEM),
        .args = {peal_startup()->process_id, ABI_RIGHTS_ALL},
    });
    return raw_is_ok(done) ? done.value : 0;
}

static uint64_t make_timer(void)
{
    struct abi_completion done =
        raw_call((struct abi_submission){.op = ABI_OP_TIMER_CREATE, .args = {0, 0}});
    return raw_is_ok(done) ? done.value : 0;
}

/* One end; the other stays open, too. */
static uint64_t make_channel(void)
{
    struct raw_scratch memory = raw_scratch_make(4096);
    struct abi_completion done = raw_call((struct abi_submission){
        .op = ABI_OP_CHANNEL_CREATE,
        .buffer_index = memory.index,
        .length_bytes = sizeof(struct abi_channel_pair),
    });
    return raw_is_ok(done) ? ((struct abi_channel_pair *)memory.bytes)->handles[0] : 0;
}

static uint64_t make_service(void)
{
    struct abi_completion done = raw_call((struct abi_submission){.op = ABI_OP_SERVICE_CREATE});
    return raw_is_ok(done) ? done.value : 0;
}

/* On a thread of its own: asks again and again, whatever becomes of each request. */
static int keep_asking(uint64_t file)
{
    for (;;)
        (void)raw_call((struct abi_submission){.op = ABI_OP_SEEK, .capability = file});
}

uint64_t object_fresh_request(uint64_t rights)
{
    static struct raw_scratch memory;
    if (memory.bytes == nullptr) {
        memory = raw_scratch_make(4096);
        struct abi_completion minted =
            raw_call((struct abi_submission){.op = ABI_OP_SERVICE_MINT,
                                             .capability = object_of_kind(ABI_KIND_SERVICE),
                                             .op_flags = ABI_KIND_FILE,
                                             .args = {ABI_RIGHTS_ALL, 0}});
        if (!raw_is_ok(minted)) return 0;
        for (uint32_t i = 0; i < REQUESTS_MAX; i++)
            if (!is_ok(peal_thread_create(keep_asking, minted.value).status)) return 0;
    }
    struct abi_completion received =
        raw_call((struct abi_submission){.op = ABI_OP_SERVICE_RECEIVE,
                                         .capability = object_of_kind(ABI_KIND_SERVICE),
                                         .buffer_index = memory.index,
                                         .length_bytes = sizeof(struct abi_request)});
    return raw_is_ok(received) ? raw_restrict(received.value, rights) : 0;
}

static uint64_t make(enum abi_kind kind)
{
    switch ((uint32_t)kind) {
    case ABI_KIND_FILE:
        return make_file();
    case ABI_KIND_DIRECTORY:
        return peal_granted_raw(TEXT("root"));
    case ABI_KIND_BUFFER:
        return raw_scratch_make(4096).handle;
    case ABI_KIND_PROCESS:
        return make_process();
    case ABI_KIND_THREAD:
        return make_thread();
    case ABI_KIND_SERVICE:
        return make_service();
    case ABI_KIND_REQUEST:
        return object_fresh_request(ABI_RIGHTS_ALL);
    case ABI_KIND_TIMER:
        return make_timer();
    case ABI_KIND_CHANNEL:
        return make_channel();
    case ABI_KIND_CONSOLE:
        return peal_granted_raw(TEXT("console"));
    case ABI_KIND_SYSTEM:
        return peal_granted_raw(TEXT("system"));
    }
    return 0;
}

uint64_t object_of_kind(enum abi_kind kind)
{
    if (made[kind] == 0) made[kind] = make(kind);
    return made[kind];
}

uint64_t object_of_kinds(uint32_t kinds)
{
    for (uint32_t kind = 1; kind < ABI_KIND_COUNT; kind++) {
        if ((kinds & (1u << kind)) == 0) continue;
        uint64_t handle = object_of_kind((enum abi_kind)kind);
        if (handle != 0) return handle;
    }
    return 0;
}

uint64_t object_outside_kinds(uint32_t kinds)
{
    return object_of_kinds(~kinds & ABI_KINDS_ANY);
}
