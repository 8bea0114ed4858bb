/*
 * Threads of programs: from the first instruction to the last.
 *
 * A thread takes itself apart, on its own kernel stack, wherever it finds on its way back to user
 * mode that its end was asked for, or when it asks itself: first its ring, so that nothing of it is
 * in flight any more; then its user state and its use of the address space; then its place in the
 * process, of which the last one to leave gives back everything; and only then does it tell those
 * who wait for it.
 */
#include "arch/arch/page_table.h"
#include "arch/arch/trap.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "mm/heap.h"
#include "task/process_internal.h"
#include <abi/ring.h>

static struct ring_hooks ring_hooks;

/* The address space whose tables each processor uses; nullptr: the kernel's own. Owned by the
 * processor, interrupts off. */
static struct address_space *spaces_in_use[CPU_COUNT_MAX];

static void user_thread_destroy(struct object *object);

static const struct object_type user_thread_type = {
    .kind = ABI_KIND_THREAD,
    .rights_all =
        ABI_RIGHT_WAIT | ABI_RIGHT_STAT | ABI_RIGHT_DUP | ABI_RIGHT_TRANSFER | ABI_RIGHT_CLOSE,
    .destroy = user_thread_destroy,
};

void process_set_ring_hooks(const struct ring_hooks *hooks)
{
    ring_hooks = *hooks;
}

/* ---- processors and address spaces ---- */

/* Interrupts off. The new tables are in use before the old ones are said not to be. */
static void use_space(struct address_space *space)
{
    struct address_space *before = spaces_in_use[cpu_index()];
    if (space == before) return;
    if (space != nullptr)
        address_space_activate(space);
    else
        page_table_use(nullptr);
    if (before != nullptr) address_space_deactivate(before);
    spaces_in_use[cpu_index()] = space;
}

static void on_switch(struct thread *from, struct thread *to)
{
    (void)from;
    const struct user_thread *coming = to->owner;
    use_space(coming != nullptr ? coming->process->addresses : nullptr);
}

/* The calling thread is a kernel thread from here on. */
static void leave_user_mode(struct thread *self)
{
    bool were_on = interrupts_disable();
    self->user = nullptr;
    self->owner = nullptr;
    use_space(nullptr);
    interrupts_restore(were_on);
}

/* ---- making ---- */

static void enter_user_mode(void *argument)
{
    struct user_thread *thread = argument;
    /* With interrupts off until user mode, a request to end that is not seen here interrupts the
     * first instruction. */
    interrupts_disable();
    if (atomic_load_explicit(&thread->thread->end_requested, memory_order_relaxed)) {
        interrupts_restore(true);
        user_thread_end_current(process_exit_code(thread->process));
    }
    user_enter(&thread->entry);
}

static status make_ring(struct user_thread *thread, struct ring_options options)
{
    struct process *process = thread->process;
    if (options.entries == 0) options.entries = ABI_RING_ENTRIES_DEFAULT;
    TRY(ring_hooks.create(process, options, &thread->ring, &thread->ring_memory));
    address_result mapped =
        address_space_map(process->addresses, &(struct mapping_request){
                                                  .buffer = thread->ring_memory,
                                                  .length_bytes = buffer_size(thread->ring_memory),
                                                  .access = ABI_ACCESS_READ | ABI_ACCESS_WRITE,
                                                  .access_max = ABI_ACCESS_READ | ABI_ACCESS_WRITE,
                                              });
    TRY(mapped.status);
    thread->ring_address = mapped.value;
    return OK;
}

static status make_kernel_thread(struct user_thread *thread, uint8_t priority)
{
    char name[PROCESS_NAME_BYTES_MAX + 1] = {0};
    bytes_copy(name, thread->process->name, thread->process->name_bytes);
    thread_result made = thread_create(&(struct thread_options){
        .entry = enter_user_mode,
        .argument = thread,
        .name = name,
        .priority = priority,
        .owner = thread,
        .user = &thread->state,
    });
    TRY(made.status);
    thread->thread = made.value;
    ring_hooks.name(thread->ring, made.value->id);
    return OK;
}

static status make_parts(struct user_thread *thread, struct ring_options ring, uint8_t priority,
                         uint64_t thread_pointer)
{
    TRY(make_ring(thread, ring));
    TRY(user_state_create(&thread->state, thread_pointer));
    return make_kernel_thread(thread, priority);
}

static void unmap_ring(struct user_thread *thread)
{
    if (thread->ring_address.value == 0) return;
    address_space_unmap_buffer(thread->process->addresses, thread->ring_address,
                               buffer_size(thread->ring_memory), thread->ring_memory);
}

user_thread_result user_thread_make(struct process *process, struct ring_options ring,
                                    uint8_t priority, uint64_t thread_pointer)
{
    TRY_AS(user_thread_result, process_reserve_thread(process));
    struct user_thread *thread = heap_take_zeroed(sizeof(*thread));
    if (thread == nullptr) {
        process_cancel_thread(process);
        return (user_thread_result){.status = FAIL(OUT_OF_MEMORY)};
    }
    thread->process = process;
    list_init(&thread->link);
    list_init(&thread->watches);
    spin_lock_init(&thread->lock, LOCK_RANK_PROCESS_STATE);
    object_init(&thread->object, &user_thread_type);
    status made = make_parts(thread, ring, priority, thread_pointer);
    if (!is_ok(made)) {
        user_thread_abandon(thread);
        return (user_thread_result){.status = made};
    }
    return (user_thread_result){.value = thread};
}

void user_thread_abandon(struct user_thread *thread)
{
    if (thread->thread != nullptr) {
        thread_put(thread->thread); /* ours, and its own, which it will not come to drop */
        thread_put(thread->thread);
    }
    if (thread->state.vector_area != nullptr) user_state_destroy(&thread->state);
    if (thread->ring != nullptr) {
        ring_hooks.close(thread->ring);
        unmap_ring(thread);
        ring_hooks.destroy(thread->ring);
    }
    process_cancel_thread(thread->process);
    object_put(&thread->object);
}

status user_thread_release(struct user_thread *thread, bool is_first)
{
    object_get(&thread->object); /* its own */
    if (is_first) object_get(&thread->process->object);
    status entered = is_first ? process_table_enter(thread->process, thread)
                              : process_enter_thread(thread->process, thread);
    if (is_ok(entered)) {
        ring_hooks.start(thread->ring);
        thread_start(thread->thread);
    } else {
        if (is_first) object_put(&thread->process->object);
        object_put(&thread->object);
    }
    return entered;
}

/* ---- a further thread, as a program asks for it ---- */

static bool is_user(uint64_t address)
{
    return address >= ABI_USER_ADDRESS_MIN && address < ABI_USER_ADDRESS_END;
}

static status check_start(const struct abi_thread_start *start)
{
    static constexpr uint64_t STACK_ALIGNMENT = 16;
    if (start->stack_address % STACK_ALIGNMENT != 0) return FAIL(INVALID_ARGUMENT);
    if (start->priority >= PROCESS_PRIORITY_COUNT) return FAIL(INVALID_ARGUMENT);
    if ((start->ring_flags & ~ABI_RING_FLAGS_KNOWN) != 0 || start->reserved != 0)
        return FAIL(INVALID_ARGUMENT);
    if (!is_user(start->entry_address)) return FAIL(OUT_OF_RANGE);
    if (!is_user(start->stack_address - 1)) return FAIL(OUT_OF_RANGE);
    /* The processor refuses a base that is no address. */
    if (start->thread_pointer >= ABI_USER_ADDRESS_END) return FAIL(OUT_OF_RANGE);
    return OK;
}

user_thread_result user_thread_create(struct process *process, const struct abi_thread_start *start)
{
    TRY_AS(user_thread_result, check_start(start));
    uint8_t wanted = (uint8_t)(THREAD_PRIORITY_USER + start->priority);
    uint8_t priority = wanted < process->priority ? wanted : process->priority;
    user_thread_result made =
        user_thread_make(process, (struct ring_options){start->ring_entries, start->ring_flags},
                         priority, start->thread_pointer);
    if (!is_ok(made.status)) return made;
    struct user_thread *thread = made.value;
    thread->entry = (struct user_entry){
        .instruction_pointer = start->entry_address,
        .stack_pointer = start->stack_address,
        .arguments = {start->argument, thread->ring_address.value, thread->thread->id},
    };
    return made;
}

status user_thread_start(struct user_thread *thread)
{
    return user_thread_release(thread, false);
}

/* ---- the end ---- */

static void publish_end(struct user_thread *thread, uint32_t code)
{
    spin_acquire(&thread->lock);
    thread->has_ended = true;
    thread->exit_code = code;
    spin_release(&thread->lock);
    end_watches_tell(&thread->lock, &thread->watches);
}

void user_thread_end_current(uint32_t code)
{
    struct user_thread *thread = user_thread_current();
    struct thread *self = thread->thread;
    ring_hooks.close(thread->ring);
    leave_user_mode(self);
    unmap_ring(thread);
    ring_hooks.destroy(thread->ring);
    user_state_destroy(&thread->state);
    process_leave_thread(thread->process, thread, code);
    thread->process = nullptr;
    thread->thread = nullptr;
    publish_end(thread, code);
    object_put(&thread->object);
    thread_put(self);
    thread_exit();
}

/* Interrupts are off. */
static void return_to_user(void)
{
    scheduler_return_to_user();
    struct thread *self = cpu_current_thread();
    if (likely(!atomic_load_explicit(&self->end_requested, memory_order_relaxed))) return;
    interrupts_restore(true);
    user_thread_end_current(process_exit_code(process_current()));
}

static void user_thread_destroy(struct object *object)
{
    heap_give(user_thread_of(object));
}

/* ---- what it is ---- */

bool user_thread_watch_end(struct user_thread *thread, struct end_watch *watch)
{
    list_init(&watch->link);
    spin_acquire(&thread->lock);
    bool is_alive = !thread->has_ended;
    if (is_alive) list_push_back(&thread->watches, &watch->link);
    spin_release(&thread->lock);
    return is_alive;
}

bool user_thread_unwatch(struct user_thread *thread, struct end_watch *watch)
{
    spin_acquire(&thread->lock);
    bool was_there = !list_is_empty(&watch->link);
    list_remove(&watch->link);
    spin_release(&thread->lock);
    return was_there;
}

uint32_t user_thread_exit_code(struct user_thread *thread)
{
    spin_acquire(&thread->lock);
    uint32_t code = thread->exit_code;
    spin_release(&thread->lock);
    return code;
}

struct object *user_thread_object(struct user_thread *thread)
{
    return &thread->object;
}

struct user_thread *user_thread_of(struct object *object)
{
    return container_of(object, struct user_thread, object);
}

struct process *user_thread_process(const struct user_thread *thread)
{
    return thread->process;
}

void *user_thread_ring(const struct user_thread *thread)
{
    return thread->ring;
}

struct user_thread *user_thread_current(void)
{
    return cpu_current_thread()->owner;
}

struct process *process_current(void)
{
    const struct user_thread *thread = user_thread_current();
    return thread != nullptr ? thread->process : nullptr;
}

void user_thread_tell_end(struct process *process)
{
    ring_hooks.tell(process);
}

void user_thread_forget_rings(struct process *process)
{
    if (!list_is_empty(&process->recorders)) ring_hooks.forget(&process->recorders);
}

void user_thread_init(void)
{
    scheduler_set_switch_hook(on_switch);
    trap_set_return_to_user(return_to_user);
}

void user_thread_tell_gone(void)
{
    ring_hooks.gone();
}
