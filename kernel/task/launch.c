/*
 * Putting a process together: segments, stack, start-up block, first thread.
 *
 * Every piece is placed at random by the address space. Nothing is undone when a step fails: the
 * process is still NEW and its creator abandons it, which gives back whatever it has.
 */
#include "base/bytes.h"
#include "debug/assert.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "random/random.h"
#include "task/process_internal.h"
#include "task/startup.h"

static struct buffer *clock_page; /* mapped into every process */

static constexpr uint8_t READ = ABI_ACCESS_READ;
static constexpr uint8_t READ_WRITE = ABI_ACCESS_READ | ABI_ACCESS_WRITE;

status launch_init(void)
{
    buffer_result made = buffer_create_borrowed(clock_page_frame(), PAGE_BYTES);
    clock_page = made.value;
    return made.status;
}

/* Registers the buffer and has the start-up block tell of the region, which shows it from `offset`
 * on. */
static status tell_region(struct process *process, struct buffer *buffer, user_address address,
                          uint64_t offset, uint64_t length, uint8_t access)
{
    struct launch *launch = process->launch;
    index_result index = buffer_table_register(&process->buffers, buffer, access);
    TRY(index.status);
    ASSERT(launch->regions_count < LAUNCH_REGIONS_MAX);
    launch->regions[launch->regions_count++] = (struct abi_startup_region){
        .address = address.value,
        .length_bytes = length,
        .buffer_offset_bytes = offset,
        .buffer_index = index.value,
        .access = access,
    };
    return OK;
}

/* All of the buffer, at `address` or, when that is 0, anywhere. */
static address_result map_whole(struct process *process, struct buffer *buffer,
                                user_address address, uint8_t access)
{
    return address_space_map(process->addresses, &(struct mapping_request){
                                                     .buffer = buffer,
                                                     .length_bytes = buffer_size(buffer),
                                                     .address = address,
                                                     .access = access,
                                                     .access_max = access,
                                                 });
}

/* ---- the image ---- */

/* The process's own copy of a writable segment: pages are copied as they are touched. */
static buffer_result private_segment(struct process *process, struct buffer *template)
{
    return buffer_create(&(struct buffer_options){
        .quota = process->quota,
        .size_bytes = buffer_size(template),
        .template = template,
    });
}

static status map_segment(struct process *process, const struct elf_segment *segment,
                          struct buffer *buffer, uint64_t base)
{
    uint8_t registered = (segment->access & ABI_ACCESS_WRITE) != 0 ? READ_WRITE : READ;
    user_address address = user_at(base + segment->address);
    TRY(map_whole(process, buffer, address, segment->access).status);
    return tell_region(process, buffer, address, 0, buffer_size(buffer), registered);
}

static status load_segment(struct process *process, uint32_t index, uint64_t base)
{
    const struct elf_segment *segment = &image_layout(process->image)->segments[index];
    struct buffer *shared = image_segment(process->image, index);
    if ((segment->access & ABI_ACCESS_WRITE) == 0)
        return map_segment(process, segment, shared, base);
    buffer_result own = private_segment(process, shared);
    TRY(own.status);
    OWNED(buffer_owner) buffer = TAKE(own.value);
    return map_segment(process, segment, buffer, base);
}

status process_load(struct process *process, struct image *image)
{
    ASSERT(process->image == nullptr);
    process->image = image_get(image);
    const struct elf_layout *layout = image_layout(image);
    address_result room = address_space_find_room(process->addresses, layout->image_bytes);
    TRY(room.status);
    process->launch->image_address = room.value.value;
    for (uint32_t i = 0; i < layout->segment_count; i++)
        TRY(load_segment(process, i, room.value.value));
    return OK;
}

/* ---- the stack ---- */

/* A guard below keeps its addresses reserved, so that running off the stack's end is a fault. */
static status make_stack(struct process *process, struct abi_startup *head)
{
    buffer_result made = buffer_create(&(struct buffer_options){
        .quota = process->quota,
        .size_bytes = STACK_GUARD_BYTES + STACK_BYTES,
    });
    TRY(made.status);
    OWNED(buffer_owner) stack = TAKE(made.value);
    address_result placed = map_whole(process, stack, user_at(0), READ_WRITE);
    TRY(placed.status);
    TRY(address_space_protect(process->addresses, placed.value, STACK_GUARD_BYTES, 0));
    head->stack_address = placed.value.value + STACK_GUARD_BYTES;
    head->stack_bytes = STACK_BYTES;
    return tell_region(process, stack, user_at(head->stack_address), STACK_GUARD_BYTES, STACK_BYTES,
                       READ_WRITE);
}

/* ---- the start-up block ---- */

static void fill_head(struct process *process, struct abi_startup *head)
{
    const struct elf_layout *layout = image_layout(process->image);
    uint64_t base = process->launch->image_address;
    head->image_address = base;
    head->image_bytes = layout->image_bytes;
    head->entry_address = base + layout->entry;
    if (layout->program_headers_address != 0)
        head->program_headers_address = base + layout->program_headers_address;
    head->program_headers_count = layout->program_headers_count;
    head->process_id = process->id;
    random_fill(head->random, sizeof(head->random));
}

/* In place when it is one page, as nearly always; else by way of a copy, for pages are scattered.
 */
static status write_block(const struct startup_block *block, struct buffer *buffer)
{
    uint64_t total = block->head.total_bytes;
    if (total <= PAGE_BYTES) {
        frame_result frame = buffer_touch(buffer, 0);
        TRY(frame.status);
        startup_write(block, direct_map(frame.value));
        return OK;
    }
    void *copy = heap_take(total);
    if (copy == nullptr) return FAIL(OUT_OF_MEMORY);
    startup_write(block, copy);
    status written = buffer_write(buffer, 0, copy, total);
    heap_give(copy);
    return written;
}

/* Makes the block, which also tells of itself, and answers where it is. */
static address_result make_block(struct process *process, struct startup_block *block,
                                 const struct startup_contents *contents)
{
    struct launch *launch = process->launch;
    TRY_AS(address_result, startup_plan(block, contents, launch->regions_count + 1));
    uint64_t size = round_up(block->head.total_bytes, PAGE_BYTES);
    buffer_result made =
        buffer_create(&(struct buffer_options){.quota = process->quota, .size_bytes = size});
    TRY_AS(address_result, made.status);
    OWNED(buffer_owner) buffer = TAKE(made.value);
    address_result placed = map_whole(process, buffer, user_at(0), READ);
    TRY_AS(address_result, placed.status);
    TRY_AS(address_result, tell_region(process, buffer, placed.value, 0, size, READ));
    block->regions = launch->regions;
    TRY_AS(address_result, write_block(block, buffer));
    return placed;
}

/* ---- the start ---- */

static status start_thread(struct process *process, struct user_thread *thread,
                           const struct startup_contents *contents)
{
    struct startup_block block = {.head.ring_address = thread->ring_address.value};
    fill_head(process, &block.head);
    TRY(make_stack(process, &block.head));
    address_result clock = map_whole(process, clock_page, user_at(0), READ);
    TRY(clock.status);
    block.head.clock_address = clock.value.value;
    address_result placed = make_block(process, &block, contents);
    TRY(placed.status);
    thread->entry = (struct user_entry){
        .instruction_pointer = block.head.entry_address,
        .stack_pointer = block.head.stack_address + block.head.stack_bytes,
        .arguments = {placed.value.value, thread->ring_address.value, thread->thread->id},
    };
    return user_thread_release(thread, true);
}

status process_start(struct process *process, const struct startup_contents *contents)
{
    ASSERT(process->image != nullptr);
    user_thread_result made = user_thread_make(process, contents->ring, process->priority, 0);
    TRY(made.status);
    status started = start_thread(process, made.value, contents);
    if (!is_ok(started))
        user_thread_abandon(made.value);
    else
        object_put(user_thread_object(made.value));
    return started;
}
