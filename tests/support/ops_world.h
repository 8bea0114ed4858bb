/*
 * The world of ring_world.h with the real dispatch table, and stand-ins for those operations that
 * need processes, files or devices. Included by one file of a test binary.
 *
 * What a stand-in does is told by the submission's user data: its low byte chooses from enum
 * stand_in, the rest is the argument.
 */
#pragma once
#include "ipc/address_wait.h"
#include "ops/dispatch.h"
#include "ops/ops.h"
#include "support/ring_world.h"

enum stand_in : uint8_t {
    STAND_IN_DONE,
    STAND_IN_FAILED,
    STAND_IN_PARKED,   /* until source_fire(), or for so many ns */
    STAND_IN_EARLY,    /* completed before the handler returns */
    STAND_IN_DEFERRED, /* to a worker */
    STAND_IN_YIELDING, /* a new handle to the world's file */
    STAND_IN_WRITING,  /* scribbles over the ring's shared memory, as a second thread would */
    STAND_IN_COUNT,
};

static void world_destroy_nothing(struct object *object)
{
    (void)object;
}
static const struct object_type world_file_type = {
    .kind = ABI_KIND_FILE, .rights_all = ABI_RIGHTS_ALL, .destroy = world_destroy_nothing};
static const struct object_type world_directory_type = {
    .kind = ABI_KIND_DIRECTORY, .rights_all = ABI_RIGHTS_ALL, .destroy = world_destroy_nothing};
static const struct object_type world_system_type = {
    .kind = ABI_KIND_SYSTEM, .rights_all = ABI_RIGHTS_ALL, .destroy = world_destroy_nothing};
static struct object world_file, world_directory, world_system;

/* ---- a source of events ---- */

struct source_wait {
    struct list link;
    bool is_waiting;
};
static spin_lock source_lock = SPIN_LOCK_INIT(LOCK_RANK_CONSOLE);
static struct list source = LIST_INIT(source);

[[maybe_unused]] static bool source_fire(void)
{
    spin_acquire(&source_lock);
    struct list *link = list_take_front(&source);
    struct source_wait *wait = link ? list_entry(link, struct source_wait, link) : nullptr;
    if (wait != nullptr) wait->is_waiting = false;
    spin_release(&source_lock);
    if (wait != nullptr) op_complete(op_of_use(wait), op_done(1));
    return wait != nullptr;
}

static void source_cancel(struct op *op, status why)
{
    struct source_wait *wait = op_use(op, struct source_wait);
    spin_acquire(&source_lock);
    bool was_waiting = wait->is_waiting;
    if (was_waiting) list_remove(&wait->link);
    wait->is_waiting = false;
    spin_release(&source_lock);
    if (was_waiting) op_complete(op, op_failed(why));
}

static op_outcome source_park(struct op *op, deadline limit)
{
    struct source_wait *wait = op_use(op, struct source_wait);
    spin_acquire(&source_lock);
    list_push_back(&source, &wait->link);
    wait->is_waiting = true;
    spin_release(&source_lock);
    return op_park(op, source_cancel, limit);
}

/* ---- stand-ins ---- */

static op_outcome answer_length(struct op *op)
{
    return op_done(op->pin.length);
}

static op_outcome yield_file(struct op *op)
{
    capability_result made = capability_create(&world_file, ABI_RIGHTS_ALL);
    return is_ok(made.status) ? op_yield_handle(op, made.value) : op_failed(made.status);
}

static bool world_was_scribbled;

static void scribble(uint64_t seed)
{
    world_was_scribbled = true;
    for (uint32_t i = 0; i < world.header->submission_entries && i < 64; i++)
        *(uint64_t *)(void *)world_ring_byte(8192 + i * 64) ^= seed * 0x9e37'79b9'7f4a'7c15ull;
    world.header->submission_tail ^= (uint32_t)seed;
    world.header->completion_head ^= (uint32_t)(seed >> 8);
}

static op_outcome stand_in(struct op *op)
{
    uint64_t argument = op->submission.user_data >> 8;
    switch ((enum stand_in)(op->submission.user_data % STAND_IN_COUNT)) {
    case STAND_IN_DONE:
        return op_done(argument);
    case STAND_IN_FAILED:
        return op_failed(FAIL(IO_ERROR));
    case STAND_IN_PARKED:
        return source_park(op, argument ? deadline_in_ns(argument % 100000) : deadline_never());
    case STAND_IN_EARLY:
        op_complete(op, op_done(argument));
        return op_park(op, source_cancel, deadline_in_ns(argument % 1000));
    case STAND_IN_DEFERRED:
        return op_defer(op, answer_length);
    case STAND_IN_YIELDING:
        return yield_file(op);
    case STAND_IN_WRITING:
        scribble(argument);
        return op_done(0);
    case STAND_IN_COUNT:
        break;
    }
    panic("no such stand-in");
}

#define STAND_IN(name)                  \
    op_outcome op_##name(struct op *op) \
    {                                   \
        return stand_in(op);            \
    }
STAND_IN(open)
STAND_IN(seek)
STAND_IN(close_file)
STAND_IN(sync)
STAND_IN(truncate)
STAND_IN(create)
STAND_IN(delete)
STAND_IN(rename)
STAND_IN(set_modified)
STAND_IN(buffer_create)
STAND_IN(buffer_map)
STAND_IN(buffer_unmap)
STAND_IN(buffer_protect)
STAND_IN(buffer_register)
STAND_IN(buffer_unregister)
STAND_IN(process_spawn)
STAND_IN(process_wait)
STAND_IN(process_kill)
STAND_IN(process_open)
STAND_IN(process_trace)
STAND_IN(thread_create)
STAND_IN(thread_join)
STAND_IN(channel_create)
STAND_IN(channel_send)
STAND_IN(channel_receive)
STAND_IN(timer_create)
STAND_IN(timer_wait)
STAND_IN(timer_set)
STAND_IN(console_watch)
STAND_IN(service_create)
STAND_IN(service_mint)
STAND_IN(service_receive)
STAND_IN(request_reply)
STAND_IN(read_request)
STAND_IN(write_request)
STAND_IN(system_power)
STAND_IN(read_file)
STAND_IN(write_file)
STAND_IN(read_device)
STAND_IN(write_device)
STAND_IN(enumerate_directory)
STAND_IN(read_console)
STAND_IN(write_console)
STAND_IN(enumerate_process)
STAND_IN(enumerate_system)

#define STAND_IN_STAT(name)                                        \
    void stat_##name(struct object *object, struct abi_stat *stat) \
    {                                                              \
        (void)object;                                              \
        stat->size_bytes = 4711;                                   \
    }
STAND_IN_STAT(file)
STAND_IN_STAT(directory)
STAND_IN_STAT(process)
STAND_IN_STAT(system)
STAND_IN_STAT(buffer)
STAND_IN_STAT(request)
STAND_IN_STAT(channel)
STAND_IN_STAT(device)

/* ---- a process ---- */

static struct buffer *world_page; /* registered for reading and writing as index 0 */

static uint64_t world_give(struct object *object, uint64_t rights)
{
    capability_result made = capability_create(object, rights);
    if (!is_ok(made.status)) test_fail(__FILE__, __LINE__, "no capability");
    handle_result handle = handle_table_insert(&world.handles, made.value);
    if (!is_ok(handle.status)) test_fail(__FILE__, __LINE__, "no handle");
    return handle.value;
}

/* A process with a ring, a registered page and objects to have handles to. */
static void ops_world_begin(uint32_t entries)
{
    static bool is_ready;
    world_init(dispatch_rows);
    if (!is_ready) address_wait_init();
    is_ready = true;
    world_begin();
    object_init(&world_file, &world_file_type);
    object_init(&world_directory, &world_directory_type);
    object_init(&world_system, &world_system_type);
    if (!is_ok(world_make_ring(entries))) test_fail(__FILE__, __LINE__, "no ring");

    buffer_result made =
        buffer_create(&(struct buffer_options){.quota = &world.quota, .size_bytes = PAGE_BYTES});
    if (!is_ok(made.status)) test_fail(__FILE__, __LINE__, "no page");
    world_page = made.value;
    index_result index =
        buffer_table_register(&world.buffers, world_page, ABI_ACCESS_READ | ABI_ACCESS_WRITE);
    if (!is_ok(index.status) || index.value != 0) test_fail(__FILE__, __LINE__, "not index 0");
}

[[maybe_unused]] static uint8_t *world_page_bytes(void)
{
    frame_result frame = buffer_touch(world_page, 0);
    if (!is_ok(frame.status)) test_fail(__FILE__, __LINE__, "no frame");
    return direct_map(frame.value);
}

/* Ends everything; every reference must have come back. */
static void ops_world_end(void)
{
    ring_close(world.ring);
    ring_destroy(world.ring);
    world.ring = nullptr;
    handle_table_empty(&world.handles);
    buffer_table_empty(&world.buffers);
    if (world_file.references != 1 || world_directory.references != 1 ||
        world_system.references != 1 || buffer_object(world_page)->references != 1)
        test_fail(__FILE__, __LINE__, "something is still referred to");
    object_put(&world_file);
    object_put(&world_directory);
    object_put(&world_system);
    buffer_put(world_page);
    world_end();
}
