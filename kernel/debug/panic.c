/*
 * The end: other processors are stopped, then everything that helps to find out why goes to every
 * sink. Each step is printed before the next is tried, since any of them may fault as well; a panic
 * inside a panic says so and stops.
 */
#include "debug/panic.h"
#include "arch/arch/cpu.h"
#include "arch/arch/machine.h"
#include "debug/assert.h"
#include "debug/log.h"
#include "debug/symbols.h"
#include <stdatomic.h>

#define BACKTRACE_MAX 32u
#define NOBODY        UINT32_MAX

extern const uint8_t kernel_text_start[];

static _Atomic uint32_t panicking_cpu = NOBODY;
static bool is_test_mode;
static struct panic_thread_describer describer;

void panic_set_test_mode(bool is_test)
{
    is_test_mode = is_test;
}

void panic_set_thread_describer(const struct panic_thread_describer *installed)
{
    describer = *installed;
}

[[noreturn]] static void stand_still(void)
{
    for (;;) {
        interrupts_disable();
        cpu_relax();
    }
}

static void print(struct text_writer *writer)
{
    log_panic_text(text_written(writer));
    writer->length = 0;
    writer->is_truncated = false;
}

static void print_backtrace(struct text_writer *writer)
{
    uint64_t addresses[BACKTRACE_MAX];
    uint32_t count = machine_backtrace(addresses, BACKTRACE_MAX);
    for (uint32_t i = 0; i < count; i++) {
        /* A return address may be the first byte of the next function: the call is before it. */
        struct symbol_place place = symbols_find(i == 0 ? addresses[i] : addresses[i] - 1);
        text_format(writer, "  #%-2u %#llx %.*s+%#llx\n", i, (unsigned long long)addresses[i],
                    TEXT_ARGUMENTS(place.name), (unsigned long long)place.offset);
    }
    print(writer);
}

static void print_history(struct text_writer *writer, uint32_t cpu, const struct thread *thread)
{
    text_format(writer, "processor %u, thread ", cpu);
    describer.name(writer, thread);
    text_write(writer, TEXT("\n"));
    describer.history(writer, thread);
    print(writer);
}

/* Of what ran when this happened, here first. */
static void print_histories(struct text_writer *writer, uint32_t here)
{
    if (describer.name == nullptr) return;
    if (cpu_current_thread() != nullptr) print_history(writer, here, cpu_current_thread());
    for (uint32_t cpu = 0; cpu < cpu_count(); cpu++) {
        const struct thread *thread = cpu != here ? describer.find(cpu) : nullptr;
        if (thread != nullptr) print_history(writer, cpu, thread);
    }
}

void panic(const char *format, ...)
{
    interrupts_disable();
    uint32_t first = NOBODY;
    uint32_t cpu = cpu_index();
    if (!atomic_compare_exchange_strong(&panicking_cpu, &first, cpu)) {
        if (first != cpu) stand_still(); /* until the NMI comes */
        log_panic_text(TEXT("panic: again, while reporting the one above\n"));
        if (is_test_mode) machine_test_exit(PANIC_TEST_EXIT_CODE);
        stand_still();
    }
    machine_stop_others();

    char bytes[2048];
    struct text_writer writer = TEXT_WRITER(bytes);
    text_write(&writer, TEXT("\npanic: "));
    va_list arguments;
    va_start(arguments, format);
    text_format_list(&writer, format, arguments);
    va_end(arguments);
    text_format(&writer, "\nprocessor %u of %u, kernel at %#llx", cpu, cpu_count(),
                (unsigned long long)(uintptr_t)kernel_text_start);
    print(&writer);
    if (describer.name != nullptr && cpu_current_thread() != nullptr) {
        text_write(&writer, TEXT(", thread "));
        describer.name(&writer, cpu_current_thread());
    }
    text_write(&writer, TEXT("\n"));
    print(&writer);
    machine_describe(&writer);
    print(&writer);
    print_backtrace(&writer);
    print_histories(&writer, cpu);
    log_panic_text(TEXT("the machine has stopped\n"));
    if (is_test_mode) machine_test_exit(PANIC_TEST_EXIT_CODE);
    stand_still();
}

/* The compiler's stack protector: entry.S gives the guard its value. */
uintptr_t __stack_chk_guard;
[[noreturn]] void __stack_chk_fail(void);

void __stack_chk_fail(void)
{
    panic("a stack buffer has overflowed");
}
