/*
 * What happens to a trap once its registers are saved: programs' faults go to the task layer,
 * interrupts to their handlers, and a fault of the kernel itself is the end.
 *
 * A trap in the kernel never switches threads, so the frame that panics describe can be noted
 * per processor; a fault in user mode may sleep, and needs no note: the kernel's own stack says it
 * all.
 */
#include "arch/arch/trap.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/x86_64.h"
#include "base/container.h"
#include "debug/assert.h"

#define VECTOR_NMI           2u
#define VECTOR_DOUBLE_FAULT  8u
#define VECTOR_PAGE_FAULT    14u
#define VECTOR_EXCEPTION_MAX 31u

static const char *const exception_names[VECTOR_EXCEPTION_MAX + 1] = {
    [0] = "divide error",
    [1] = "debug",
    [2] = "non-maskable interrupt",
    [3] = "breakpoint",
    [4] = "overflow",
    [5] = "bound range exceeded",
    [6] = "invalid opcode",
    [7] = "device not available",
    [8] = "double fault",
    [9] = "coprocessor segment overrun",
    [10] = "invalid task state",
    [11] = "segment not present",
    [12] = "stack segment fault",
    [13] = "general protection",
    [14] = "page fault",
    [16] = "x87 floating point",
    [17] = "alignment check",
    [18] = "machine check",
    [19] = "SIMD floating point",
    [20] = "virtualization",
    [21] = "control protection",
    [28] = "hypervisor injection",
    [29] = "VMM communication",
    [30] = "security",
};

static uint64_t syscall_before_boot(uint64_t number, uint64_t argument0, uint64_t argument1)
{
    (void)number, (void)argument0, (void)argument1;
    return STATUS_NOT_IMPLEMENTED;
}

static void do_nothing(void)
{
}

static void user_fault_before_boot(const struct user_fault *fault)
{
    panic("%s in user mode, and nobody to tell", trap_name(fault->vector));
}

/* Read by trap_entry.S too; written during boot. */
syscall_handler *syscall_function = syscall_before_boot;
void (*return_to_user_handler)(void) = do_nothing;

static void (*user_fault_handler)(const struct user_fault *) = user_fault_before_boot;
static void (*timer_handler)(void) = do_nothing;
static void (*kick_handler)(void) = do_nothing;

void trap_dispatch(struct trap_frame *frame);
void trap_dispatch_paranoid(struct trap_frame *frame);

const char *trap_name(uint64_t vector)
{
    const char *name = vector <= VECTOR_EXCEPTION_MAX ? exception_names[vector] : nullptr;
    return name != nullptr ? name : "reserved exception";
}

void trap_set_user_fault(void (*handler)(const struct user_fault *))
{
    user_fault_handler = handler;
}

void trap_set_syscall(syscall_handler *handler)
{
    syscall_function = handler;
}

void trap_set_return_to_user(void (*handler)(void))
{
    return_to_user_handler = handler;
}

void trap_set_timer(void (*handler)(void))
{
    timer_handler = handler;
}

void trap_set_kick(void (*handler)(void))
{
    kick_handler = handler;
}

void trap_run_timer(void)
{
    timer_handler();
}

void trap_run_kick(void)
{
    kick_handler();
}

static void fault_in_user(const struct trap_frame *frame)
{
    struct user_fault fault = {
        .vector = frame->vector,
        .error_code = frame->error_code,
        .address = frame->vector == VECTOR_PAGE_FAULT ? cr2_read() : 0,
        .frame = frame,
    };
    interrupts_restore(true);
    user_fault_handler(&fault);
    interrupts_disable();
}

[[noreturn]] static void fault_in_kernel(const struct trap_frame *frame)
{
    if (frame->vector == VECTOR_PAGE_FAULT) {
        panic("page fault in the kernel: %s of %#llx at %#llx (error code %#llx)",
              frame->error_code & 16  ? "execution"
              : frame->error_code & 2 ? "write"
                                      : "read",
              (unsigned long long)cr2_read(), (unsigned long long)frame->rip,
              (unsigned long long)frame->error_code);
    }
    panic("%s in the kernel at %#llx (error code %#llx)", trap_name(frame->vector),
          (unsigned long long)frame->rip, (unsigned long long)frame->error_code);
}

void trap_dispatch(struct trap_frame *frame)
{
    bool was_user = (frame->cs & 3) != 0;
    if (was_user && frame->vector <= VECTOR_EXCEPTION_MAX) {
        fault_in_user(frame);
        return;
    }
    struct cpu_local *cpu = cpu_local();
    const struct trap_frame *outer = cpu->frame;
    if (!was_user) cpu->frame = frame;
    if (frame->vector <= VECTOR_EXCEPTION_MAX) fault_in_kernel(frame);
    interrupt_dispatch((uint32_t)frame->vector);
    cpu->frame = outer;
}

void trap_dispatch_paranoid(struct trap_frame *frame)
{
    struct cpu_local *cpu = cpu_local();
    if (frame->vector == VECTOR_NMI &&
        atomic_load_explicit(&stop_requested, memory_order_acquire)) {
        atomic_store_explicit(&cpu->is_stopped, true, memory_order_release);
        halt_forever();
    }
    cpu->frame = frame;
    if (frame->vector == VECTOR_DOUBLE_FAULT)
        panic("double fault: kernel stack overflow? rsp %#llx, last page fault at %#llx",
              (unsigned long long)frame->rsp, (unsigned long long)cr2_read());
    panic("%s at %#llx", trap_name(frame->vector), (unsigned long long)frame->rip);
}
