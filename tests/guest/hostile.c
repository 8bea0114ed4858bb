/*
 * What user code can do to a processor with registers, instructions and addresses: each attack runs
 * in a child, and either nothing comes of it or that child alone ends, for the right reason.
 *
 * The child is this very program, told by its environment which attack to make; one that is through
 * ends with SURVIVED.
 */
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/process.h"
#include "peal/ring.h"
#include "peal/system.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define SURVIVED      42
#define NOT_AS_BEFORE 43 /* the system changed what it should have left alone */

/* What comes of an attack, as sets: exceptions (Intel SDM vol. 3A, 6.3.1), or nothing. */
#define DEBUG_TRAP   (1u << 1)
#define BREAKPOINT   (1u << 3)
#define OVERFLOW     (1u << 4)
#define UNDEFINED    (1u << 6)
#define STACK_FAULT  (1u << 12)
#define PROTECTION   (1u << 13)
#define PAGE_FAULT   (1u << 14)
#define X87_ERROR    (1u << 16)
#define VECTOR_ERROR (1u << 19)
#define HARMLESS     (1u << 31) /* ends with SURVIVED */

#define FLAG_TRAP      (1ull << 8)
#define FLAG_DIRECTION (1ull << 10)
#define FLAG_NESTED    (1ull << 14)
#define FLAG_ALIGNMENT (1ull << 18)
#define FLAG_ID        (1ull << 21)

#define KERNEL_MEMORY  0xffff'8000'0020'0000ull /* the direct map: there is memory at 2 MiB */
#define KERNEL_NOTHING 0xffff'f000'0000'0000ull
#define TOP_OF_MEMORY  0xffff'ffff'ff60'0000ull
#define NOT_CANONICAL  0x8000'0000'0000ull
#define LAST_PAGE      (ABI_USER_ADDRESS_END - ABI_PAGE_BYTES)
#define KERNEL_LOOKING 0xffff'8000'0000'1000ull /* a base that programs may have all the same */

struct attack {
    const char *name;
    void (*run)(void);
    uint32_t outcomes; /* one of these comes of it */
};

/* An attack that is one statement of assembly. */
#define INSTRUCTION(name, ...)         \
    static void attack_##name(void)    \
    {                                  \
        __asm__ volatile(__VA_ARGS__); \
    }

/* ---- instructions for the kernel only ---- */

static uint64_t room[64] __attribute__((aligned(64)));

INSTRUCTION(sgdt, "sgdt %0" : "=m"(room))
INSTRUCTION(sidt, "sidt %0" : "=m"(room))
INSTRUCTION(sldt, "sldt %%eax" : : : "rax")
INSTRUCTION(str, "str %%eax" : : : "rax")
INSTRUCTION(smsw, "smsw %%eax" : : : "rax")
INSTRUCTION(lgdt, "lgdt %0" : : "m"(room))
INSTRUCTION(lidt, "lidt %0" : : "m"(room))
INSTRUCTION(ltr, "ltr %%ax" : : "a"(0x28))
INSTRUCTION(cli, "cli")
INSTRUCTION(sti, "sti")
INSTRUCTION(hlt, "hlt")
INSTRUCTION(clts, "clts")
INSTRUCTION(swapgs, "swapgs")
INSTRUCTION(rdmsr, "rdmsr" : : "c"(0xc0000082) : "rax", "rdx")
INSTRUCTION(wrmsr, "wrmsr" : : "c"(0xc0000082), "a"(0), "d"(0))
INSTRUCTION(xsetbv, "xsetbv" : : "c"(0), "a"(1), "d"(0))
INSTRUCTION(invlpg, "invlpg %0" : : "m"(room))
INSTRUCTION(wbinvd, "wbinvd")
INSTRUCTION(read_cr3, "movq %%cr3, %%rax" : : : "rax")
INSTRUCTION(write_cr4, "movq %%rax, %%cr4" : : "a"(0))
INSTRUCTION(write_dr7, "movq %%rax, %%dr7" : : "a"(0xff))
INSTRUCTION(stac, "stac")
INSTRUCTION(sysret, "sysretq" : : "c"(0), "r"(0))
INSTRUCTION(string_out, "rep outsb" : : "S"(room), "c"(1), "d"(0x3f8))

/* ---- interrupts by instruction ---- */

INSTRUCTION(interrupt_breakpoint, "int3")
INSTRUCTION(interrupt_overflow, "int $4")
INSTRUCTION(interrupt_debug, ".byte 0xf1")
INSTRUCTION(interrupt_nmi, "int $2")
INSTRUCTION(interrupt_double_fault, "int $8")
INSTRUCTION(interrupt_page_fault, "int $14")
INSTRUCTION(interrupt_machine_check, "int $18")
INSTRUCTION(interrupt_old_controller, "int $0x20")
INSTRUCTION(interrupt_device, "int $0x30")
INSTRUCTION(interrupt_linux, "int $0x80")
INSTRUCTION(interrupt_timer, "int $0xf0")
INSTRUCTION(interrupt_flush, "int $0xf2")
INSTRUCTION(interrupt_spurious, "int $0xff")

/* ---- segments; emulators read a far return's stack with the rights of the kernel ---- */

INSTRUCTION(kernel_data_segment, "movl %0, %%ds" : : "r"(0x10))
INSTRUCTION(task_state_segment, "movl %0, %%es" : : "r"(0x28))
INSTRUCTION(segment_beyond_the_table, "movl %0, %%fs" : : "r"(0x103))
INSTRUCTION(segment_of_no_local_table, "movl %0, %%gs" : : "r"(0x0f))
INSTRUCTION(no_stack_segment, "movl %0, %%ss" : : "r"(0))
INSTRUCTION(return_to_kernel_code, "pushq $0x08\n\tpushq $0\n\tlretq")
INSTRUCTION(interrupt_return_to_kernel_code,
            "pushq $0x10\n\tpushq %%rsp\n\tpushq $0x202\n\tpushq $0x08\n\tpushq $0\n\tiretq" : :)
INSTRUCTION(interrupt_return_to_no_code,
            "pushq $0x1b\n\tpushq %%rsp\n\tpushq $0x202\n\tpushq $0x1b\n\tpushq $0\n\tiretq" : :)

/* ---- addresses ---- */

static void touch(uint64_t address)
{
    __asm__ volatile("movb (%0), %%al" : : "r"(address) : "rax", "memory");
}

static void go_to(uint64_t address)
{
    __asm__ volatile("jmpq *%0" : : "r"(address));
}

static void attack_read_kernel(void)
{
    touch(KERNEL_MEMORY);
}
static void attack_read_kernel_nothing(void)
{
    touch(KERNEL_NOTHING);
}
static void attack_run_kernel(void)
{
    go_to(KERNEL_MEMORY);
}
static void attack_run_kernel_nothing(void)
{
    go_to(KERNEL_NOTHING);
}
static void attack_run_top_of_memory(void)
{
    go_to(TOP_OF_MEMORY);
}
static void attack_run_not_canonical(void)
{
    go_to(NOT_CANONICAL);
}
static void attack_read_last_page(void)
{
    touch(ABI_USER_ADDRESS_END);
}
INSTRUCTION(stack_not_canonical, "movq %0, %%rsp\n\tpushq $0" : : "r"(NOT_CANONICAL + 64))
INSTRUCTION(base_not_canonical, "wrfsbase %0" : : "r"(NOT_CANONICAL))

/* ---- flags, and system calls with them ---- */

static void with_flags(uint64_t flags)
{
    __asm__ volatile("pushfq\n\torq %0, (%%rsp)\n\tpopfq" : : "r"(flags) : "memory", "cc");
}

static void attack_trap_flag(void)
{
    with_flags(FLAG_TRAP);
    __asm__ volatile("nop\n\tnop");
}

/* A yield under these flags, and what the flags are behind it; the direction flag is C's again. */
static uint64_t yield_with_flags(uint64_t flags)
{
    uint64_t after;
    __asm__ volatile("pushfq\n\torq %[flags], (%%rsp)\n\tpopfq\n\t"
                     "movl $1, %%eax\n\tsyscall\n\t"
                     "pushfq\n\tpopq %[after]\n\t"
                     "pushq $2\n\tpopfq"
                     : [after] "=r"(after)
                     : [flags] "r"(flags)
                     : "rax", "rcx", "r11", "memory", "cc");
    return after;
}

static void attack_system_call_with_flags(void)
{
    static const uint64_t flags[] = {FLAG_DIRECTION, FLAG_NESTED, FLAG_ALIGNMENT, FLAG_ID,
                                     FLAG_DIRECTION | FLAG_NESTED | FLAG_ALIGNMENT | FLAG_ID};
    for (uint32_t round = 0; round < 200; round++)
        for (uint32_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
            if ((yield_with_flags(flags[i]) & flags[i]) != flags[i]) peal_exit(NOT_AS_BEFORE);
}

static void attack_system_call_with_trap_flag(void)
{
    (void)yield_with_flags(FLAG_TRAP);
}

/* Interrupted again and again under these flags, and with pages that appear. */
static void attack_flags_under_interrupts(void)
{
    static uint8_t pages[64][ABI_PAGE_BYTES];
    uint64_t until = peal_deadline_in_ms(40);
    for (uint32_t i = 0; peal_clock_now_ns() < until; i++) {
        uint64_t after;
        __asm__ volatile(
            "pushfq\n\torq %[flags], (%%rsp)\n\tpopfq\n\t"
            "movl $200000, %%ecx\n"
            "1: decl %%ecx\n\tjnz 1b\n\t"
            "incb (%[page])\n\t"
            "pushfq\n\tpopq %[after]\n\t"
            "pushq $2\n\tpopfq"
            : [after] "=r"(after)
            : [flags] "r"(FLAG_DIRECTION | FLAG_NESTED | FLAG_ALIGNMENT), [page] "r"(pages[i % 64])
            : "rcx", "memory", "cc");
        if ((after & FLAG_NESTED) == 0) peal_exit(NOT_AS_BEFORE);
    }
}

/* The answer to a yield, with the stack pointer anywhere. */
static uint64_t yield_on_stack(uint64_t stack)
{
    uint64_t answer = 1;
    __asm__ volatile("movq %%rsp, %%rbx\n\t"
                     "movq %[stack], %%rsp\n\t"
                     "syscall\n\t"
                     "movq %%rsp, %%rdx\n\t"
                     "movq %%rbx, %%rsp"
                     : "+a"(answer), "=&d"(stack)
                     : [stack] "r"(stack)
                     : "rbx", "rcx", "r11", "memory");
    return answer;
}

static void attack_system_call_on_no_stack(void)
{
    static const uint64_t stacks[] = {
        0, 1, NOT_CANONICAL, KERNEL_MEMORY, UINT64_MAX, TOP_OF_MEMORY};
    for (uint32_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++)
        if (yield_on_stack(stacks[i]) != ABI_STATUS_OK) peal_exit(NOT_AS_BEFORE);
}

static void attack_system_call_numbers(void)
{
    static const uint64_t numbers[] = {3, 255, 1ull << 32, 1ull << 63, UINT64_MAX};
    for (uint32_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (peal_system_call(numbers[i], 0, 0) != ABI_STATUS_NOT_IMPLEMENTED)
            peal_exit(NOT_AS_BEFORE);
    if (peal_system_call(ABI_SYSCALL_EXIT, 0, 2) != ABI_STATUS_INVALID_ARGUMENT)
        peal_exit(NOT_AS_BEFORE);
    if (peal_system_call(ABI_SYSCALL_EXIT, 0, 1ull << 32) != ABI_STATUS_INVALID_ARGUMENT)
        peal_exit(NOT_AS_BEFORE);
}

/* The last bytes that programs may have are a system call: it returns to where nothing is. */
static void attack_system_call_at_the_end(void)
{
    struct abi_completion made =
        raw_call((struct abi_submission){.op = ABI_OP_BUFFER_CREATE, .args = {ABI_PAGE_BYTES}});
    struct abi_submission map = {.op = ABI_OP_BUFFER_MAP,
                                 .capability = made.value,
                                 .op_flags = ABI_ACCESS_WRITE,
                                 .args = {LAST_PAGE, ABI_PAGE_BYTES}};
    if (!raw_is_ok(raw_call(map))) peal_exit(NOT_AS_BEFORE);
    uint8_t *end = (uint8_t *)ABI_USER_ADDRESS_END;
    end[-2] = 0x0f;
    end[-1] = 0x05;
    if (!raw_is_ok(raw_call((struct abi_submission){.op = ABI_OP_BUFFER_PROTECT,
                                                    .op_flags = ABI_ACCESS_EXECUTE,
                                                    .args = {LAST_PAGE, ABI_PAGE_BYTES}})))
        peal_exit(NOT_AS_BEFORE);
    __asm__ volatile("jmpq *%0" : : "r"(end - 2), "a"(ABI_SYSCALL_YIELD));
}

/* ---- bases that look like the kernel's ---- */

static uint64_t second_base(void)
{
    uint64_t base;
    __asm__ volatile("rdgsbase %0" : "=r"(base));
    return base;
}

static void attack_base_like_the_kernels(void)
{
    static uint8_t pages[32][ABI_PAGE_BYTES];
    __asm__ volatile("wrgsbase %0" : : "r"(KERNEL_LOOKING));
    for (uint32_t i = 0; i < 32; i++) {
        pages[i][0] = 1;
        peal_yield();
        ignore_status(
            peal_sleep_until(peal_deadline_in_ms(1))); /* it is the way there that counts */
        if (second_base() != KERNEL_LOOKING) peal_exit(NOT_AS_BEFORE);
    }
    touch(0);
}

/* Loading a selector makes the base zero, in the register and nowhere else. */
static void attack_selectors(void)
{
    for (uint32_t i = 0; i < 32; i++) {
        __asm__ volatile("movl %0, %%gs\n\tmovl %1, %%ds\n\tmovl %0, %%es" : : "r"(0x1b), "r"(0));
        peal_yield();
    }
}

/* ---- vector state ---- */

static void attack_restore_garbage(void)
{
    for (uint32_t i = 0; i < 64; i++)
        room[i] = UINT64_MAX;
    __asm__ volatile("fxrstor64 %0" : : "m"(room));
}
static void attack_restore_garbage_header(void)
{
    static struct {
        alignas(64) uint64_t words[1024];
    } area;
    area.words[3] = 0x1f80;
    area.words[65] = 1; /* XCOMP_BV: a layout that was not announced */
    __asm__ volatile("xrstor64 %0" : : "m"(area), "a"(-1), "d"(-1));
}
static void attack_vector_control(void)
{
    uint32_t control = 0xffff'ffff;
    __asm__ volatile("ldmxcsr %0" : : "m"(control));
}
static void attack_x87_divide(void)
{
    uint16_t control = 0x0360; /* every exception */
    __asm__ volatile("fldcw %0\n\tfldz\n\tfld1\n\tfdivp\n\tfwait" : : "m"(control));
}
static void attack_vector_divide(void)
{
    uint32_t control = 0;
    __asm__ volatile("ldmxcsr %0\n\txorps %%xmm1, %%xmm1\n\tmovl $0x3f800000, %%eax\n\t"
                     "movd %%eax, %%xmm0\n\tdivss %%xmm1, %%xmm0"
                     :
                     : "m"(control)
                     : "rax", "xmm0", "xmm1");
}

/* ---- threads ---- */

[[gnu::naked]] static void end_quietly(void)
{
    __asm__("movl $2, %eax\n\txorl %edi, %edi\n\txorl %esi, %esi\n\tsyscall\n\tud2");
}

/* Starts a thread and waits for it, or for what it does to its process. */
static void run_thread(struct abi_thread_start start)
{
    struct raw_scratch scratch = raw_scratch_make(ABI_PAGE_BYTES);
    if (start.entry_address == 0) start.entry_address = (uint64_t)(uintptr_t)end_quietly;
    if (start.stack_address == 0)
        start.stack_address = (uint64_t)(uintptr_t)scratch.bytes + ABI_PAGE_BYTES;
    __builtin_memcpy(scratch.bytes, &start, sizeof(start));
    struct abi_completion made = raw_call((struct abi_submission){
        .op = ABI_OP_THREAD_CREATE, .buffer_index = scratch.index, .length_bytes = sizeof(start)});
    if (!raw_is_ok(made)) peal_exit(NOT_AS_BEFORE);
    raw_call((struct abi_submission){
        .op = ABI_OP_THREAD_JOIN, .capability = made.value, .args = {ABI_DEADLINE_NEVER}});
}

static void attack_thread_of_nothing(void)
{
    run_thread((struct abi_thread_start){.entry_address = ABI_USER_ADDRESS_END - 1});
}
static void attack_thread_of_data(void)
{
    run_thread((struct abi_thread_start){.entry_address = (uint64_t)(uintptr_t)room});
}
[[gnu::naked]] static void push_something(void)
{
    __asm__("pushq $0\n\tud2");
}
static void attack_thread_without_stack(void)
{
    run_thread((struct abi_thread_start){.entry_address = (uint64_t)(uintptr_t)push_something,
                                         .stack_address = ABI_USER_ADDRESS_MIN + 16});
}
static void attack_thread_with_highest_base(void)
{
    run_thread((struct abi_thread_start){.thread_pointer = ABI_USER_ADDRESS_END - 1});
}

static void unmap(uint64_t address, uint64_t length)
{
    raw_call((struct abi_submission){.op = ABI_OP_BUFFER_UNMAP, .args = {address, length}});
}

/* The kernel has its own way to the ring: without ours it still answers, unseen. */
static void attack_ring_gone(void)
{
    struct abi_ring_header *ring = raw_ring();
    uint64_t length = ring->total_bytes;
    unmap((uint64_t)(uintptr_t)ring, length); /* the completion is fetched from nowhere */
}
static void attack_code_gone(void)
{
    const struct abi_startup *startup = peal_startup();
    for (uint64_t done = 0; done < startup->image_bytes; done += ABI_PAGE_BYTES)
        unmap(startup->image_address + done, ABI_PAGE_BYTES);
}

/* ---- addresses in submissions ---- */

static void attack_mapping_anywhere(void)
{
    static const struct {
        uint64_t address, length;
        uint32_t status;
    } places[] = {
        {ABI_USER_ADDRESS_END, ABI_PAGE_BYTES, ABI_STATUS_OUT_OF_RANGE},
        {LAST_PAGE, 2 * ABI_PAGE_BYTES, ABI_STATUS_OUT_OF_RANGE},
        {NOT_CANONICAL, ABI_PAGE_BYTES, ABI_STATUS_OUT_OF_RANGE},
        {KERNEL_MEMORY, ABI_PAGE_BYTES, ABI_STATUS_OUT_OF_RANGE},
        {0 - 4096ull, ABI_PAGE_BYTES, ABI_STATUS_OUT_OF_RANGE},
        {0 - 4096ull, 2 * ABI_PAGE_BYTES, ABI_STATUS_OUT_OF_RANGE},
        {ABI_PAGE_BYTES, ABI_PAGE_BYTES, ABI_STATUS_OUT_OF_RANGE},
        {LAST_PAGE + 1, ABI_PAGE_BYTES, ABI_STATUS_INVALID_ARGUMENT},
        {1ull << 32, ABI_PAGE_BYTES + 1, ABI_STATUS_INVALID_ARGUMENT},
        {1ull << 32, 0, ABI_STATUS_INVALID_ARGUMENT},
        {1ull << 32, 0 - 4096ull, ABI_STATUS_OUT_OF_RANGE},
    };
    struct raw_scratch scratch = raw_scratch_make(2 * ABI_PAGE_BYTES);
    for (uint32_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct abi_submission request = {.op = ABI_OP_BUFFER_MAP,
                                         .capability = scratch.handle,
                                         .op_flags = ABI_ACCESS_READ,
                                         .args = {places[i].address, places[i].length}};
        if (raw_status(raw_call(request)) != places[i].status) peal_exit(100 + (int)i);
        request.capability = 0;
        request.op_flags = 0;
        request.op = ABI_OP_BUFFER_UNMAP;
        if (raw_is_ok(raw_call(request))) peal_exit(120 + (int)i);
        request.op = ABI_OP_BUFFER_PROTECT;
        if (raw_is_ok(raw_call(request))) peal_exit(140 + (int)i);
    }
}

#define NOT_CHECKED            HARMLESS /* by emulators, though by every processor */
#define ATTACK(name, outcomes) {#name, attack_##name, (outcomes)}

static const struct attack attacks[] = {
    ATTACK(sgdt, PROTECTION),
    ATTACK(sidt, PROTECTION),
    ATTACK(sldt, PROTECTION),
    ATTACK(str, PROTECTION),
    ATTACK(smsw, PROTECTION),
    ATTACK(lgdt, PROTECTION),
    ATTACK(lidt, PROTECTION),
    ATTACK(ltr, PROTECTION),
    ATTACK(cli, PROTECTION),
    ATTACK(sti, PROTECTION),
    ATTACK(hlt, PROTECTION),
    ATTACK(clts, PROTECTION),
    ATTACK(swapgs, PROTECTION),
    ATTACK(rdmsr, PROTECTION),
    ATTACK(wrmsr, PROTECTION),
    ATTACK(xsetbv, PROTECTION),
    ATTACK(invlpg, PROTECTION),
    ATTACK(wbinvd, PROTECTION),
    ATTACK(read_cr3, PROTECTION),
    ATTACK(write_cr4, PROTECTION),
    ATTACK(write_dr7, PROTECTION),
    ATTACK(stac, UNDEFINED),
    ATTACK(sysret, PROTECTION),
    ATTACK(string_out, PROTECTION),
    ATTACK(interrupt_breakpoint, BREAKPOINT),
    ATTACK(interrupt_overflow, OVERFLOW),
    ATTACK(interrupt_debug, DEBUG_TRAP | UNDEFINED),
    ATTACK(interrupt_nmi, PROTECTION),
    ATTACK(interrupt_double_fault, PROTECTION),
    ATTACK(interrupt_page_fault, PROTECTION),
    ATTACK(interrupt_machine_check, PROTECTION),
    ATTACK(interrupt_old_controller, PROTECTION),
    ATTACK(interrupt_device, PROTECTION),
    ATTACK(interrupt_linux, PROTECTION),
    ATTACK(interrupt_timer, PROTECTION),
    ATTACK(interrupt_flush, PROTECTION),
    ATTACK(interrupt_spurious, PROTECTION),
    ATTACK(kernel_data_segment, PROTECTION),
    ATTACK(task_state_segment, PROTECTION),
    ATTACK(segment_beyond_the_table, PROTECTION),
    ATTACK(segment_of_no_local_table, PROTECTION),
    ATTACK(no_stack_segment, PROTECTION),
    ATTACK(return_to_kernel_code, PROTECTION | PAGE_FAULT),
    ATTACK(interrupt_return_to_kernel_code, PROTECTION | PAGE_FAULT),
    ATTACK(interrupt_return_to_no_code, PROTECTION | PAGE_FAULT),
    ATTACK(read_kernel, PAGE_FAULT),
    ATTACK(read_kernel_nothing, PAGE_FAULT),
    ATTACK(run_kernel, PAGE_FAULT),
    ATTACK(run_kernel_nothing, PAGE_FAULT),
    ATTACK(run_top_of_memory, PAGE_FAULT),
    ATTACK(run_not_canonical, PROTECTION),
    ATTACK(read_last_page, PAGE_FAULT),
    ATTACK(stack_not_canonical, STACK_FAULT | PROTECTION),
    ATTACK(base_not_canonical, PROTECTION | NOT_CHECKED),
    ATTACK(trap_flag, DEBUG_TRAP),
    ATTACK(system_call_with_flags, HARMLESS),
    ATTACK(system_call_with_trap_flag, DEBUG_TRAP),
    ATTACK(flags_under_interrupts, HARMLESS),
    ATTACK(system_call_on_no_stack, HARMLESS),
    ATTACK(system_call_numbers, HARMLESS),
    ATTACK(system_call_at_the_end, PAGE_FAULT),
    ATTACK(base_like_the_kernels, PAGE_FAULT),
    ATTACK(selectors, HARMLESS),
    ATTACK(restore_garbage, PROTECTION | NOT_CHECKED),
    ATTACK(restore_garbage_header, PROTECTION),
    ATTACK(vector_control, PROTECTION | NOT_CHECKED),
    ATTACK(x87_divide, X87_ERROR),
    ATTACK(vector_divide, VECTOR_ERROR | NOT_CHECKED),
    ATTACK(thread_of_nothing, PAGE_FAULT),
    ATTACK(thread_of_data, PAGE_FAULT),
    ATTACK(thread_without_stack, PAGE_FAULT),
    ATTACK(thread_with_highest_base, HARMLESS),
    ATTACK(ring_gone, PAGE_FAULT),
    ATTACK(code_gone, PAGE_FAULT),
    ATTACK(mapping_anywhere, HARMLESS),
};
#define ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

/* ---- the child ---- */

#define FLOOD       1000u /* instead of an attack's number */
#define FLOOD_BYTES (8ull << 20)

/* Seconds of work, asked for at once. */
static void flood(void)
{
    struct raw_scratch scratch = raw_scratch_make(FLOOD_BYTES);
    struct abi_submission batch[60];
    for (uint32_t i = 0; i < 60; i++)
        batch[i] = (struct abi_submission){.op = ABI_OP_RANDOM,
                                           .buffer_index = scratch.index,
                                           .length_bytes = (uint32_t)scratch.size_bytes};
    raw_publish(batch, 60);
    for (;;)
        raw_enter(60, ABI_DEADLINE_NEVER);
}

static directory_ref root;

GUEST_TEST_SETUP
{
    uint64_t number = peal_environment_number(TEXT("HOSTILE"), 0);
    if (number == FLOOD) flood();
    if (number != 0 && number <= ATTACKS) {
        attacks[number - 1].run();
        peal_exit(SURVIVED);
    }
    root = peal_granted_directory(TEXT("root"));
}

/* ---- the parent ---- */

static process_result start(uint64_t number)
{
    char bytes[32];
    struct writer words = WRITER(bytes);
    writer_format(&words, "HOSTILE=%lu", number);
    text environment[] = {writer_text(&words)};
    text arguments[] = {TEXT("hostile")};
    file_result opened = peal_file_open(root, TEXT("boot/test/hostile"), RIGHTS_EXECUTE);
    if (!is_ok(opened.status)) return (process_result){.status = opened.status};
    OWNED(file_handle) file = TAKE(opened.value);
    return peal_process_spawn(file_borrow(&file), &(struct peal_spawn){
                                                      .name = TEXT("hostile"),
                                                      .arguments = arguments,
                                                      .arguments_count = 1,
                                                      .environment = environment,
                                                      .environment_count = 1,
                                                  });
}

static struct abi_exit suffer(uint64_t number)
{
    struct abi_exit how = {0};
    process_result started = start(number);
    EXPECT_STATUS(OK, started.status);
    if (!is_ok(started.status)) return how;
    OWNED(process_handle) child = TAKE(started.value);
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(&child), ABI_DEADLINE_NEVER, &how));
    return how;
}

GUEST_TEST(an_attack_on_the_processor_ends_at_most_the_attacker)
{
    for (uint64_t i = 0; i < ATTACKS; i++) {
        const struct attack *attack = &attacks[i];
        struct abi_exit how = suffer(i + 1);
        uint32_t outcome = 0;
        if (how.reason == ABI_EXIT_REASON_CODE && how.code == SURVIVED) outcome = HARMLESS;
        if (how.reason == ABI_EXIT_REASON_FAULT) outcome = 1u << how.fault_vector % 32;
        bool is_right = (attack->outcomes & outcome) != 0;
        EXPECT_MESSAGE(is_right, "%s: reason %u, code %u, vector %lu, error %lx, address %lx",
                       attack->name, how.reason, how.code, how.fault_vector, how.fault_error_code,
                       how.fault_address);
    }
}

static uint64_t number_of(void (*run)(void))
{
    uint64_t number = 0;
    while (number < ATTACKS && attacks[number].run != run)
        number++;
    return number + 1;
}

GUEST_TEST(a_fault_does_not_tell_where_the_kernel_has_pages)
{
    struct abi_exit there = suffer(number_of(attack_read_kernel));
    struct abi_exit nowhere = suffer(number_of(attack_read_kernel_nothing));
    EXPECT_EQUAL(KERNEL_MEMORY, there.fault_address);
    EXPECT_EQUAL(KERNEL_NOTHING, nowhere.fault_address);
    EXPECT_EQUAL(there.fault_error_code, nowhere.fault_error_code);
}

/* Nobody's work is done above everybody's priority, nor to its end when its process is killed. */
GUEST_TEST(a_flood_of_work_holds_nobody_up)
{
    static constexpr uint64_t LIMIT_MS = 2000;
    process_result started = start(FLOOD);
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) child = TAKE(started.value);
    uint64_t began = peal_clock_now_ns();
    EXPECT_STATUS(OK, peal_sleep_until(peal_deadline_in_ms(100)));
    EXPECT_STATUS(OK, peal_process_kill(process_borrow(&child), 7));
    struct abi_exit how;
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(&child), ABI_DEADLINE_NEVER, &how));
    EXPECT_EQUAL(7, how.code);
    uint64_t passed_ms = (peal_clock_now_ns() - began) / 1'000'000;
    EXPECT_MESSAGE(passed_ms < LIMIT_MS, "%lu ms", passed_ms);
}
