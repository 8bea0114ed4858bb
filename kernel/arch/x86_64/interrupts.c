/*
 * Interrupt vectors, and the I/O APIC that turns old interrupt lines into them.
 *
 * Vectors are one space for all processors. A handler is looked up without a lock: its argument is
 * published before the handler (release), and read after it (acquire).
 */
#include "arch/arch/mmio.h"
#include "arch/x86_64/x86_64.h"
#include "base/container.h"
#include "debug/assert.h"
#include "debug/log.h"
#include "random/random.h"
#include "sync/spin_lock.h"

/* I/O APIC (Intel 82093AA, 3.0): an index and a data register. */
struct io_apic_registers {
    mmio32 select;
    mmio32 reserved[3];
    mmio32 window;
};
static_assert(offsetof(struct io_apic_registers, window) == 0x10, "hardware layout");

#define IO_APIC_VERSION           1u
#define IO_APIC_REDIRECTION       0x10u
#define IO_APIC_MASKED            (1u << 16)
#define IO_APIC_LEVEL             (1u << 15)
#define IO_APIC_ACTIVE_LOW        (1u << 13)
#define IO_APIC_DESTINATION_SHIFT 24u

/* The old controllers: 8259A data sheet, initialisation. */
#define PIC_MASTER_COMMAND 0x20u
#define PIC_MASTER_DATA    0x21u
#define PIC_SLAVE_COMMAND  0xa0u
#define PIC_SLAVE_DATA     0xa1u
#define PIC_VECTOR_FIRST   0x20u

#define MESSAGE_ADDRESS 0xfee0'0000ull

struct device_vector {
    _Atomic(interrupt_handler *) handler; /* nullptr: free */
    void *argument;
};

static spin_lock vectors_lock = SPIN_LOCK_INIT(LOCK_RANK_INTERRUPTS);
static struct device_vector device_vectors[VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1];

struct io_apic {
    struct io_apic_registers *registers;
    uint32_t line_first;
    uint32_t line_count;
};
static struct io_apic io_apics[ACPI_IO_APICS_MAX];
static uint32_t io_apic_count;

static void run_device(uint32_t vector)
{
    struct device_vector *entry = &device_vectors[vector - VECTOR_DEVICE_FIRST];
    /* Pairs with the release in interrupt_allocate(). */
    interrupt_handler *handler = atomic_load_explicit(&entry->handler, memory_order_acquire);
    random_stir(cpu_ticks() ^ vector);
    if (handler != nullptr) handler(entry->argument);
    local_apic_acknowledge();
}

void interrupt_dispatch(uint32_t vector)
{
    struct cpu_local *local = cpu_local();
    if (unlikely(local->woken_ticks == 0)) local->woken_ticks = cpu_ticks();
    switch (vector) {
    case VECTOR_TIMER:
        local_apic_acknowledge();
        trap_run_timer();
        return;
    case VECTOR_KICK:
        local_apic_acknowledge();
        trap_run_kick();
        return;
    case VECTOR_FLUSH:
        local_apic_acknowledge();
        tlb_answer_requests();
        return;
    default:
        /* Spurious ones, of the local APIC and of the masked controllers, want no acknowledgement.
         */
        if (vector >= VECTOR_DEVICE_FIRST && vector <= VECTOR_DEVICE_LAST) run_device(vector);
    }
}

status interrupt_allocate(interrupt_handler *handler, void *argument, uint32_t cpu,
                          interrupt_vector *out_vector)
{
    status result = FAIL(QUOTA_EXCEEDED);
    spin_acquire(&vectors_lock);
    for (uint32_t i = 0; i < array_count(device_vectors); i++) {
        struct device_vector *entry = &device_vectors[i];
        if (atomic_load_explicit(&entry->handler, memory_order_relaxed) != nullptr) continue;
        entry->argument = argument;
        /* Pairs with the acquire in run_device(). */
        atomic_store_explicit(&entry->handler, handler, memory_order_release);
        *out_vector = (interrupt_vector){.vector = (uint8_t)(VECTOR_DEVICE_FIRST + i), .cpu = cpu};
        result = OK;
        break;
    }
    spin_release(&vectors_lock);
    return result;
}

void interrupt_free(interrupt_vector vector)
{
    ASSERT(vector.vector >= VECTOR_DEVICE_FIRST && vector.vector <= VECTOR_DEVICE_LAST);
    struct device_vector *entry = &device_vectors[vector.vector - VECTOR_DEVICE_FIRST];
    spin_acquire(&vectors_lock);
    atomic_store_explicit(&entry->handler, nullptr, memory_order_release);
    spin_release(&vectors_lock);
}

uint64_t interrupt_message_address(interrupt_vector vector)
{
    return MESSAGE_ADDRESS | (uint64_t)(cpu_locals[vector.cpu].apic_id & 0xff) << 12;
}

uint32_t interrupt_message_data(interrupt_vector vector)
{
    return vector.vector;
}

static uint32_t io_apic_read(const struct io_apic *apic, uint32_t which)
{
    mmio32_write(&apic->registers->select, which);
    return mmio32_read(&apic->registers->window);
}

static void io_apic_write(const struct io_apic *apic, uint32_t which, uint32_t value)
{
    mmio32_write(&apic->registers->select, which);
    mmio32_write(&apic->registers->window, value);
}

static void mask_old_controllers(void)
{
    port8_write(PIC_MASTER_COMMAND, 0x11); /* initialise; three words follow */
    port8_write(PIC_SLAVE_COMMAND, 0x11);
    port8_write(PIC_MASTER_DATA, PIC_VECTOR_FIRST);
    port8_write(PIC_SLAVE_DATA, PIC_VECTOR_FIRST + 8);
    port8_write(PIC_MASTER_DATA, 4); /* the slave is at input 2 */
    port8_write(PIC_SLAVE_DATA, 2);
    port8_write(PIC_MASTER_DATA, 1); /* 8086 mode */
    port8_write(PIC_SLAVE_DATA, 1);
    port8_write(PIC_MASTER_DATA, 0xff);
    port8_write(PIC_SLAVE_DATA, 0xff);
}

void io_apic_init(const struct acpi_machine *machine)
{
    mask_old_controllers();
    for (uint32_t i = 0; i < machine->io_apic_count; i++) {
        struct io_apic *apic = &io_apics[io_apic_count];
        apic->registers = machine_map_device(physical_at(machine->io_apics[i].address),
                                             sizeof(struct io_apic_registers), PAGE_UNCACHED);
        if (apic->registers == nullptr) continue;
        apic->line_first = machine->io_apics[i].line_first;
        apic->line_count = (io_apic_read(apic, IO_APIC_VERSION) >> 16 & 0xff) + 1;
        for (uint32_t line = 0; line < apic->line_count; line++)
            io_apic_write(apic, IO_APIC_REDIRECTION + 2 * line, IO_APIC_MASKED);
        io_apic_count++;
    }
}

static const struct io_apic *io_apic_of(uint32_t line)
{
    for (uint32_t i = 0; i < io_apic_count; i++) {
        const struct io_apic *apic = &io_apics[i];
        if (line >= apic->line_first && line - apic->line_first < apic->line_count) return apic;
    }
    return nullptr;
}

status interrupt_route_legacy(uint32_t line, interrupt_vector vector)
{
    if (line >= ACPI_LEGACY_LINES) return FAIL(NOT_FOUND);
    const struct acpi_legacy_line *route = &acpi_machine()->legacy_lines[line];
    const struct io_apic *apic = io_apic_of(route->line);
    if (apic == nullptr) return FAIL(NOT_FOUND);

    uint32_t low = vector.vector;
    if (route->is_level) low |= IO_APIC_LEVEL;
    if (route->is_active_low) low |= IO_APIC_ACTIVE_LOW;
    uint32_t entry = IO_APIC_REDIRECTION + 2 * (route->line - apic->line_first);
    spin_acquire(&vectors_lock);
    io_apic_write(apic, entry + 1, cpu_locals[vector.cpu].apic_id << IO_APIC_DESTINATION_SHIFT);
    io_apic_write(apic, entry, low);
    spin_release(&vectors_lock);
    return OK;
}
