/*
 * What operations cost. One line each: "bench: NAME VALUE ns".
 *
 * Under `-icount shift=0` one nanosecond is one instruction. Each figure is the mean of many
 * rounds after some that are not counted.
 */
#include "direct_bench.h"
#include "file_bench.h"
#include "message_bench.h"
#include "peal/atomic.h"
#include "peal/await.h"
#include "peal/call.h"
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/group.h"
#include "peal/memory.h"
#include "peal/mutex.h"
#include "peal/output.h"
#include "peal/process.h"
#include "peal/service.h"
#include "peal/thread.h"
#include "peal/usage.h"
#include "poller_bench.h"
#include "revoke_bench.h"

static const char usage[] =
    "bench [name]...\n"
    "Measures all of these, or those named, and prints one line each: bench: NAME VALUE ns\n"
    "  nop            one request that does nothing\n"
    "  nop_batch_32   the same in batches of 32, per request\n"
    "  read_4k        4 KiB of a cached file\n"
    "  read_4k_batch  the same in batches of 32, per read\n"
    "  read_64k       64 KiB of a cached file, of the same one as:\n"
    "  read_1m        1 MiB of a cached file, /disk0/numbers/mebibyte.bin\n"
    "  write_4k       4 KiB of a cached file of one's own, /disk0/bench.tmp, again and again\n"
    "  served_nop     a request to another process that answers at once, there and back\n"
    "  served_read_1m 1 MiB of a file that another process serves from its memory\n"
    "  thread         create and join\n"
    "  spawn          start a program and wait for its end\n"
    "  map_1          map, touch and unmap 1 page\n"
    "  map_256        the same with 256 pages, per page\n"
    "  ping_pong      wake another thread and wait for its answer, there and back\n"
    "  yield          a voluntary switch to another thread\n"
    "  process_switch a voluntary switch to another process\n"
    "  message        64 bytes to another process and back\n"
    "  clock          read the clock\n"
    "  task_switch    a switch from one task to another\n"
    "  task_nop       a request that does nothing, by 32 tasks, each\n"
    "  await_done     begin a request that does nothing, in batches of 32, and await it; each\n"
    "  await          of that, the await\n"
    "  mutex          take a mutex and give it back\n"
    "  task_spawn     start a task and wait for its end\n"
    "  dup            duplicate a handle and close the duplicate\n"
    "  restrict       the same, and restrict the duplicate in between\n"
    "  transfer       send a handle through a channel and receive it\n"
    "  revoke_1       take back one duplicate\n"
    "  revoke_10000   take back ten thousand at once\n"
    "  revoke_in_use  the same while 100 waits are under way through them\n"
    "Without the time in which there is nothing to do, and only when named or when BENCH_NVME or\n"
    "BENCH_VIRTIO name the disk, below /:\n"
    "  nvme_4k        4 KiB of an NVMe disk, dev/nvme0n1\n"
    "  nvme_4k_32     the same with 32 under way at a time, per read\n"
    "  nvme_64k       64 KiB of it\n"
    "  virtio_4k, virtio_4k_32, virtio_64k   the same of a virtio disk, dev/virtio0\n"
    "The same, of files in the folder BENCH_FOLDER (/disk0), and only when that or they are "
    "named:\n"
    "  open_stat_close    by a path whose names are cached\n"
    "  create_write_sync  a new file of 4 KiB, and SYNC\n"
    "  create_delete      an empty file\n"
    "  rename             in one directory\n"
    "  enumerate          a directory of 256 files, per entry\n"
    "In time, with the waiting, and only when named:\n"
    "  write_64m          a new file of 64 MiB in pieces of 64 KiB, and SYNC\n"
    "  read_64m           the file BENCH_FOLDER/cold0, the next time cold1, ... of 64 MiB, first "
    "time\n"
    "  read_64m_direct    the file BENCH_FOLDER/direct of 64 MiB, past the cache\n"
    "On two processors or more, and only when named:\n"
    "  poller_nop     one request that does nothing, taken by the ring's poller\n"
    "  poller_nop_32  the same with 32 under way all the time, per request\n"
    "BENCH_FILE names the file that is read (/boot/bin/shell), BENCH_NAMES, with commas, what to\n"
    "measure when no argument does, and BENCH_REPEAT how often to measure each.\n";

#define BATCH 32u

typedef status bench_round(void);

static status round_nop(void)
{
    return peal_nop().status;
}

static status round_clock(void)
{
    return peal_clock_now_ns() == 0 ? FAIL(IO_ERROR) : OK;
}

/* Pushes BATCH copies, enters once, reaps all. */
static status batch(const struct abi_submission *submission)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        struct abi_submission *slot = peal_ring_slot();
        if (slot == nullptr) return FAIL(QUEUE_FULL);
        *slot = *submission;
        peal_ring_push();
    }
    TRY(peal_submit(BATCH, ABI_DEADLINE_NEVER).status);
    struct abi_completion done;
    uint32_t count = 0;
    status all = OK;
    while (peal_reap(&done)) {
        count++;
        if (done.tag != ABI_RESULT_OK) all = status_of_raw(done.error);
    }
    return count == BATCH ? all : FAIL(IO_ERROR);
}

static status round_nop_batch(void)
{
    static const struct abi_submission nop = {.op = ABI_OP_NOP};
    return batch(&nop);
}

static file_handle read_file;
static alignas(ABI_PAGE_BYTES) uint8_t page[ABI_PAGE_BYTES];

static status round_read(void)
{
    return peal_file_read_at(file_borrow(&read_file), SPAN_OF(page), 0).status;
}

static status round_read_batch(void)
{
    struct location where;
    TRY(peal_locate_whole(page, sizeof(page), ABI_ACCESS_WRITE, &where));
    struct abi_submission read = {.op = ABI_OP_READ,
                                  .capability = read_file.raw,
                                  .buffer_index = where.buffer_index,
                                  .buffer_offset_bytes = where.offset_bytes,
                                  .length_bytes = where.length_bytes};
    return batch(&read);
}

/* ---- a server in another process ---- */

#define MEBIBYTE (1u << 20)
static alignas(ABI_PAGE_BYTES) uint8_t mebibyte[MEBIBYTE];
static file_handle served_file, large_file;

static status round_read_1m(void)
{
    size_result read = peal_file_read_at(file_borrow(&large_file), SPAN_OF(mebibyte), 0);
    return is_ok(read.status) && read.value != MEBIBYTE ? FAIL(OUT_OF_RANGE) : read.status;
}

static status round_read_64k(void)
{
    span to = {mebibyte, 64 * 1024};
    return peal_file_read_at(file_borrow(&large_file), to, 0).status;
}

static file_handle write_file;

/* The file is opened, and made, when it is needed first; its rounds are not counted. */
static status round_write(void)
{
    if (file_is_nil(file_borrow(&write_file))) {
        file_result opened =
            peal_path_open_file(TEXT("/disk0/bench.tmp"), RIGHTS_READ | ABI_RIGHT_WRITE);
        TRY(opened.status);
        write_file = TAKE(opened.value);
    }
    return peal_file_write_at(file_borrow(&write_file), VIEW_OF(page), 0).status;
}

static status round_served_nop(void)
{
    return peal_file_seek(file_borrow(&served_file), 0, ABI_SEEK_SET).status;
}

static status round_served_read_1m(void)
{
    return peal_file_read_at(file_borrow(&served_file), SPAN_OF(mebibyte), 0).status;
}

static answer serve_seek(void *context, struct question *question)
{
    (void)context, (void)question;
    return answer_value(0);
}

static answer serve_read(void *context, struct question *question)
{
    (void)context;
    return answer_bytes((view){mebibyte, question->asked.length_bytes});
}

static const text serve_requests = TEXT("--serve");

/* Until it is ended. */
static int be_server(void)
{
    static struct server server = {
        .handlers = {[ABI_OP_SEEK] = serve_seek, [ABI_OP_READ] = serve_read}};
    server.service = peal_granted_service(TEXT("service"));
    for (uint32_t i = 0; i < MEBIBYTE; i++)
        mebibyte[i] = (uint8_t)(1 + i % 127); /* as in a file: pages that exist */
    return is_ok(peal_serve(&server)) ? 0 : EXIT_CODE_FAILED;
}

static int thread_nothing(uint64_t)
{
    return 0;
}

static status round_thread(void)
{
    running_thread_result started = peal_thread_create(thread_nothing, 0);
    TRY(started.status);
    running_thread thread = TAKE(started.value);
    return peal_thread_join(&thread).status;
}

static file_handle spawn_file;

static status round_spawn(void)
{
    static const text name = TEXT("true");
    struct abi_exit how;
    process_result started = peal_process_spawn(
        file_borrow(&spawn_file),
        &(struct peal_spawn){.name = name, .arguments = &name, .arguments_count = 1});
    TRY(started.status);
    OWNED(process_handle) process = TAKE(started.value);
    return peal_process_wait(process_borrow(&process), ABI_DEADLINE_NEVER, &how);
}

/* As a program would: a fresh buffer, every page of it touched once. */
static status map_touch_unmap(uint64_t pages)
{
    uint64_t bytes = pages * ABI_PAGE_BYTES;
    buffer_result made = peal_buffer_create(bytes, 0);
    TRY(made.status);
    OWNED(buffer_handle) buffer = TAKE(made.value);
    pointer_result mapped =
        peal_buffer_map(buffer_borrow(&buffer),
                        (struct mapping_request){.length_bytes = bytes,
                                                 .access = ABI_ACCESS_READ | ABI_ACCESS_WRITE});
    TRY(mapped.status);
    for (uint64_t at = 0; at < bytes; at += ABI_PAGE_BYTES)
        __atomic_store_n((uint8_t *)mapped.value + at, 1, __ATOMIC_RELAXED);
    return peal_buffer_unmap(mapped.value, bytes);
}

static status round_map_1(void)
{
    return map_touch_unmap(1);
}

static status round_map_256(void)
{
    return map_touch_unmap(256);
}

/* Two threads take turns: `turn` says whose it is. */
static uint32_t turn;
static uint32_t partner_stops;

static void turn_pass(uint32_t to)
{
    store_release(&turn, to);
    ignore_status(peal_address_wake(&turn, 1).status); /* nobody may be waiting yet */
}

static void turn_await(uint32_t mine)
{
    uint32_t now;
    while ((now = load_acquire(&turn)) != mine)
        ignore_status(peal_address_wait(&turn, now, ABI_DEADLINE_NEVER)); /* look again */
}

static int ping_pong_partner(uint64_t)
{
    for (;;) {
        turn_await(1);
        if (load_acquire(&partner_stops)) return 0;
        turn_pass(0);
    }
}

static status round_ping_pong(void)
{
    turn_pass(1);
    turn_await(0);
    return OK;
}

static int yield_partner(uint64_t)
{
    while (!load_acquire(&partner_stops))
        peal_yield();
    return 0;
}

/* There and back: two switches, as long as both threads share a processor. */
static status round_yield(void)
{
    peal_yield();
    return OK;
}

/* What this program is told when it is to be the other process; nobody types it. */
static const text yield_for_ever = TEXT("--yield-for-ever");

[[noreturn]] static void be_other_process(void)
{
    for (;;)
        peal_yield();
}

static struct mutex bench_mutex;

static status round_mutex(void)
{
    mutex_lock(&bench_mutex);
    mutex_unlock(&bench_mutex);
    return OK;
}

#define TASK_ROUNDS 1000u

static status yield_many(void *)
{
    for (uint32_t i = 0; i < TASK_ROUNDS; i++)
        task_yield();
    return OK;
}

static status nop_many(void *)
{
    for (uint32_t i = 0; i < TASK_ROUNDS; i++)
        TRY(peal_nop().status);
    return OK;
}

static status task_nothing(void *)
{
    return OK;
}

static status run_tasks(task_function *function, uint32_t count)
{
    OWNED(task_group) group = {0};
    group_begin(&group);
    for (uint32_t i = 0; i < count; i++)
        TRY(group_spawn(&group, function, nullptr));
    return group_wait(&group);
}

static status round_task_switch(void)
{
    return run_tasks(yield_many, 2);
}

static status round_task_nop(void)
{
    return run_tasks(nop_many, BATCH);
}

static status round_task_spawn(void)
{
    return run_tasks(task_nothing, 1);
}

/* Of the rounds since it was zeroed: what the awaits alone took. */
static uint64_t awaits_ns;

static status round_await(void)
{
    peal_pending pendings[BATCH];
    for (uint32_t i = 0; i < BATCH; i++)
        pendings[i] = peal_begin(&(struct abi_submission){.op = ABI_OP_NOP});
    TRY(peal_submit(0, 0).status);
    TRY(peal_is_done(&pendings[0]) ? OK : FAIL(IO_ERROR)); /* takes what has completed */
    uint64_t start_ns = peal_clock_now_ns();
    for (uint32_t i = 0; i < BATCH; i++)
        TRY(peal_await(&pendings[i]).status);
    awaits_ns += peal_clock_now_ns() - start_ns;
    return OK;
}

struct bench {
    text name;
    bench_round *round;
    uint32_t rounds;
    uint32_t divisor; /* operations in a round */
    int (*partner)(uint64_t argument);
    bool measures_awaits;
    bool measures_revocations;
    bool has_echo;          /* another process answers messages */
    bool has_other_process; /* while this runs, another process does nothing but yield */
    bool has_server;        /* while this runs, another process serves `served_file` */
    bool has_poller;        /* the rounds run on a thread whose ring has one */
    status (*measure)(uint64_t *out_ns); /* measures by itself, of files; nothing else counts */
    struct direct_bench
        direct; /* of a device, if it is named; then rounds and divisor are its own */
};

static const struct bench benches[] = {
    {TEXT("nop"), round_nop, 10000, .divisor = 1},
    {TEXT("nop_batch_32"), round_nop_batch, 1000, .divisor = BATCH},
    {TEXT("read_4k"), round_read, 2000, .divisor = 1},
    {TEXT("read_4k_batch"), round_read_batch, 200, .divisor = BATCH},
    {TEXT("read_64k"), round_read_64k, 500, .divisor = 1},
    {TEXT("write_4k"), round_write, 2000, .divisor = 1},
    {TEXT("read_1m"), round_read_1m, 50, .divisor = 1},
    {TEXT("served_nop"), round_served_nop, 2000, .divisor = 1, .has_server = true},
    {TEXT("served_read_1m"), round_served_read_1m, 50, .divisor = 1, .has_server = true},
    {TEXT("thread"), round_thread, 500, .divisor = 1},
    {TEXT("spawn"), round_spawn, 100, .divisor = 1},
    {TEXT("map_1"), round_map_1, 500, .divisor = 1},
    {TEXT("map_256"), round_map_256, 20, .divisor = 256},
    {TEXT("ping_pong"), round_ping_pong, 1000, .divisor = 1, .partner = ping_pong_partner},
    {TEXT("yield"), round_yield, 5000, .divisor = 2, .partner = yield_partner},
    {TEXT("process_switch"), round_yield, 5000, .divisor = 2, .has_other_process = true},
    {TEXT("message"), message_bench_round, 2000, .divisor = 1, .has_echo = true},
    {TEXT("clock"), round_clock, 10000, .divisor = 1},
    {TEXT("task_switch"), round_task_switch, 5, .divisor = 2 * TASK_ROUNDS},
    {TEXT("task_nop"), round_task_nop, 1, .divisor = BATCH * TASK_ROUNDS},
    {TEXT("task_spawn"), round_task_spawn, 500, .divisor = 1},
    {TEXT("await_done"), round_await, 200, .divisor = BATCH},
    {TEXT("await"), round_await, 200, .divisor = BATCH, .measures_awaits = true},
    {TEXT("mutex"), round_mutex, 10000, .divisor = 1},
    {TEXT("dup"), round_dup, 2000, .divisor = 1},
    {TEXT("restrict"), round_restrict, 2000, .divisor = 1},
    {TEXT("transfer"), round_transfer, 2000, .divisor = 1},
    {TEXT("revoke_1"), round_revoke_1, 1000, .divisor = 1, .measures_revocations = true},
    {TEXT("revoke_10000"), round_revoke_many, 2, .divisor = 1, .measures_revocations = true},
    {TEXT("revoke_in_use"), round_revoke_many_in_use, 2, .divisor = 1,
     .measures_revocations = true},
    {TEXT("poller_nop"), poller_bench_alone, POLLER_BENCH_OPERATIONS, .divisor = 1,
     .has_poller = true},
    {TEXT("nvme_4k"), .direct = {TEXT("BENCH_NVME"), TEXT("dev/nvme0n1"), 4096, 1, 500}},
    {TEXT("nvme_4k_32"), .direct = {TEXT("BENCH_NVME"), TEXT("dev/nvme0n1"), 4096, 32, 50}},
    {TEXT("nvme_64k"), .direct = {TEXT("BENCH_NVME"), TEXT("dev/nvme0n1"), 65536, 1, 500}},
    {TEXT("virtio_4k"), .direct = {TEXT("BENCH_VIRTIO"), TEXT("dev/virtio0"), 4096, 1, 500}},
    {TEXT("virtio_4k_32"), .direct = {TEXT("BENCH_VIRTIO"), TEXT("dev/virtio0"), 4096, 32, 50}},
    {TEXT("virtio_64k"), .direct = {TEXT("BENCH_VIRTIO"), TEXT("dev/virtio0"), 65536, 1, 500}},
    {TEXT("open_stat_close"), .measure = file_bench_open_stat_close},
    {TEXT("create_write_sync"), .measure = file_bench_create_write_sync},
    {TEXT("create_delete"), .measure = file_bench_create_delete},
    {TEXT("rename"), .measure = file_bench_rename},
    {TEXT("enumerate"), .measure = file_bench_enumerate},
    {TEXT("write_64m"), .measure = file_bench_write_64m},
    {TEXT("read_64m"), .measure = file_bench_read_64m},
    {TEXT("read_64m_direct"), .measure = file_bench_read_64m_direct},
    {TEXT("poller_nop_32"), poller_bench_stream, 1, .divisor = POLLER_BENCH_OPERATIONS,
     .has_poller = true},
};

static status run_rounds(const struct bench *bench, uint64_t *out_ns)
{
    uint64_t operations = (uint64_t)bench->rounds * bench->divisor;
    if (operations == 0) return FAIL(INVALID_ARGUMENT);
    for (uint32_t i = 0; i < bench->rounds / 10 + 1; i++)
        TRY(bench->round());
    awaits_ns = 0;
    revoke_take_ns();
    uint64_t start_ns = peal_clock_now_ns();
    for (uint32_t i = 0; i < bench->rounds; i++)
        TRY(bench->round());
    uint64_t all_ns = peal_clock_now_ns() - start_ns;
    if (bench->measures_awaits) all_ns = awaits_ns;
    if (bench->measures_revocations) all_ns = revoke_take_ns();
    *out_ns = all_ns / operations;
    return OK;
}

static status run_with_partner(const struct bench *bench, uint64_t *out_ns)
{
    store_release(&partner_stops, 0);
    store_release(&turn, 0);
    running_thread_result started = peal_thread_create(bench->partner, 0);
    TRY(started.status);
    running_thread partner = TAKE(started.value);
    status ran = run_rounds(bench, out_ns);
    store_release(&partner_stops, 1);
    turn_pass(1);
    TRY(peal_thread_join(&partner).status);
    return ran;
}

/* This program once more, told what to be. */
static process_result start_other(text part, const struct peal_grant *grants, uint32_t count)
{
    file_result opened = peal_path_open_file(TEXT("/boot/bin/bench"), RIGHTS_EXECUTE);
    TRY_AS(process_result, opened.status);
    OWNED(file_handle) program = TAKE(opened.value);
    const text arguments[] = {TEXT("bench"), part};
    return peal_process_spawn(file_borrow(&program), &(struct peal_spawn){.name = arguments[0],
                                                                          .arguments = arguments,
                                                                          .arguments_count = 2,
                                                                          .grants = grants,
                                                                          .grants_count = count});
}

static status end_other(process_ref other)
{
    struct abi_exit how;
    TRY(peal_process_kill(other, 0));
    return peal_process_wait(other, ABI_DEADLINE_NEVER, &how);
}

static status run_with_other_process(const struct bench *bench, uint64_t *out_ns)
{
    process_result started = start_other(yield_for_ever, nullptr, 0);
    TRY(started.status);
    OWNED(process_handle) other = TAKE(started.value);
    status ran = run_rounds(bench, out_ns);
    TRY(end_other(process_borrow(&other)));
    return ran;
}

static status run_with_server(const struct bench *bench, uint64_t *out_ns)
{
    service_result made = peal_service_create();
    TRY(made.status);
    OWNED(service_handle) service = TAKE(made.value);
    file_result minted = peal_service_mint_file(service_borrow(&service), ABI_RIGHTS_ALL, 0);
    TRY(minted.status);
    served_file = TAKE(minted.value);
    struct peal_grant grants[] = {PEAL_GRANT("service", service_borrow(&service), ABI_RIGHTS_ALL)};
    process_result started = start_other(serve_requests, grants, 1);
    status ran = started.status;
    if (is_ok(ran)) {
        OWNED(process_handle) other = TAKE(started.value);
        service_handle_drop(&service); /* the server's is the last */
        ran = run_rounds(bench, out_ns);
        ignore_status(end_other(process_borrow(&other)));
    }
    file_handle_drop(&served_file);
    return ran;
}

static status run_with_echo(const struct bench *bench, uint64_t *out_ns)
{
    TRY(message_bench_begin());
    status ran = run_rounds(bench, out_ns);
    message_bench_end();
    return ran;
}

struct polled_run {
    const struct bench *bench;
    uint64_t ns;
};

static status run_polled(void *context)
{
    struct polled_run *polled = context;
    return run_rounds(polled->bench, &polled->ns);
}

static status run_with_poller(const struct bench *bench, uint64_t *out_ns)
{
    struct polled_run polled = {.bench = bench};
    TRY(poller_bench_run(run_polled, &polled));
    *out_ns = polled.ns;
    return OK;
}

static status run(const struct bench *bench, uint64_t *out_ns)
{
    if (bench->measure != nullptr) return bench->measure(out_ns);
    if (bench->direct.bytes > 0) return direct_bench_run(&bench->direct, out_ns);
    if (bench->has_poller) return run_with_poller(bench, out_ns);
    if (bench->has_echo) return run_with_echo(bench, out_ns);
    if (bench->has_server) return run_with_server(bench, out_ns);
    if (bench->has_other_process) return run_with_other_process(bench, out_ns);
    return bench->partner == nullptr ? run_rounds(bench, out_ns) : run_with_partner(bench, out_ns);
}

static bool is_among(text name, text names)
{
    while (names.length > 0)
        if (peal_text_equal(name, peal_text_split(&names, ','))) return true;
    return false;
}

/* Measured without being named: where there is what it takes. */
static bool is_usual(const struct bench *bench)
{
    text where;
    if (bench->direct.bytes > 0) return peal_environment_get(bench->direct.variable, &where);
    if (bench->measure != nullptr) return peal_environment_get(TEXT("BENCH_FOLDER"), &where);
    return !bench->has_poller;
}

static bool is_selected(const struct bench *bench, struct peal_arguments arguments)
{
    text names = TEXT("");
    peal_environment_get(TEXT("BENCH_NAMES"), &names);
    if (arguments.count <= 1)
        return names.length == 0 ? is_usual(bench) : is_among(bench->name, names);
    for (uint32_t i = 1; i < arguments.count; i++)
        if (peal_text_equal(bench->name, peal_argument(arguments, i))) return true;
    return false;
}

static status open_files(void)
{
    text path = TEXT("/boot/bin/shell");
    peal_environment_get(TEXT("BENCH_FILE"), &path);
    file_result to_read = peal_path_open_file(path, RIGHTS_READ);
    TRY(to_read.status);
    read_file = TAKE(to_read.value);
    file_result to_run = peal_path_open_file(TEXT("/boot/bin/true"), RIGHTS_EXECUTE);
    TRY(to_run.status);
    spawn_file = TAKE(to_run.value);
    /* Only one figure needs it, and says so when there is no disk. */
    file_result large = peal_path_open_file(TEXT("/disk0/numbers/mebibyte.bin"), RIGHTS_READ);
    if (is_ok(large.status)) large_file = TAKE(large.value);
    return OK;
}

static bool measure(const struct bench *bench)
{
    uint64_t ns = 0;
    status ran = run(bench, &ns);
    if (is_ok(ran))
        peal_print("bench: %.*s %lu ns\n", TEXT_ARGUMENTS(bench->name), ns);
    else
        peal_error_status(bench->name, ran);
    peal_flush();
    return is_ok(ran);
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_text_equal(peal_argument(arguments, 1), yield_for_ever)) be_other_process();
    if (peal_text_equal(peal_argument(arguments, 1), MESSAGE_BENCH_ECHO))
        return message_bench_echo();
    if (peal_text_equal(peal_argument(arguments, 1), serve_requests)) return be_server();
    if (peal_wants_help(arguments, usage)) return 0;
    int code = 0;
    status opened = open_files();
    if (!is_ok(opened)) {
        peal_error_status(TEXT("files to measure with"), opened);
        return EXIT_CODE_FAILED;
    }
    uint64_t repeat = peal_environment_number(TEXT("BENCH_REPEAT"), 1);
    for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
        if (!is_selected(&benches[i], arguments)) continue;
        for (uint64_t times = 0; times < repeat; times++)
            if (!measure(&benches[i])) code = EXIT_CODE_FAILED;
    }
    file_handle_drop(&write_file);
    file_handle_drop(&large_file);
    file_handle_drop(&read_file);
    file_handle_drop(&spawn_file);
    return code;
}
