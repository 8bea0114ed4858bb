#include "peal/memory.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "crash KIND\n"
    "Dies of a fault, to see what the system makes of it. Only this program is hurt. Kinds:\n"
    "  null         read through a null pointer\n"
    "  kernel       write to the kernel's half of the address space\n"
    "  constant     write to a constant\n"
    "  code         write to its own code\n"
    "  data         execute its own data\n"
    "  stack        call itself until the stack ends\n"
    "  unmapped     use memory after giving it back\n"
    "  noncanonical read an address that no address is\n"
    "  divide       divide by zero\n"
    "  invalid      execute an undefined instruction\n"
    "  privileged   execute an instruction that only the kernel may\n"
    "  port         talk to a device\n"
    "  breakpoint   execute a breakpoint\n"
    "  abort        find out that something cannot be\n"
    "  protector    write over the end of an array on the stack\n";

static const uint32_t constant = 7;
static uint8_t data[16] = {0xc3}; /* a return instruction */

/* An address the compiler knows nothing about. */
static void *hidden(const void *address)
{
    __asm__ volatile("" : "+r"(address));
    return (void *)address;
}

static void crash_null(void)
{
    (void)__atomic_load_n((uint32_t *)hidden(nullptr), __ATOMIC_SEQ_CST);
}

static void crash_kernel(void)
{
    __atomic_store_n((uint32_t *)hidden((void *)0xffff'ffff'8000'0000ull), 1, __ATOMIC_SEQ_CST);
}

static void crash_constant(void)
{
    __atomic_store_n((uint32_t *)hidden(&constant), 1, __ATOMIC_SEQ_CST);
}

static void crash_code(void)
{
    __atomic_store_n((uint8_t *)hidden((void *)crash_code), 1, __ATOMIC_SEQ_CST);
}

static void crash_data(void)
{
    ((void (*)(void))hidden(data))();
}

[[gnu::noinline]] static uint64_t descend(uint64_t depth)
{
    uint64_t here[64];
    uint64_t *there = hidden(here);
    there[0] = depth;
    return depth == UINT64_MAX ? 0 : descend(depth + 1) + there[0];
}

static void crash_stack(void)
{
    peal_print("%lu\n", descend(0));
}

static void crash_unmapped(void)
{
    pointer_result mapped = peal_memory_map(ABI_PAGE_BYTES);
    if (!is_ok(mapped.status) || !is_ok(peal_memory_unmap(mapped.value))) return;
    __atomic_store_n((uint32_t *)mapped.value, 1, __ATOMIC_SEQ_CST);
}

static void crash_noncanonical(void)
{
    (void)__atomic_load_n((uint32_t *)hidden((void *)0x1234'5678'9abc'def0ull), __ATOMIC_SEQ_CST);
}

static void crash_divide(void)
{
    __asm__ volatile("xorl %%ecx, %%ecx\n\tdivl %%ecx" : : "a"(1), "d"(0) : "ecx");
}

static void crash_invalid(void)
{
    __asm__ volatile("ud2");
}

static void crash_privileged(void)
{
    __asm__ volatile("hlt");
}

static void crash_port(void)
{
    __asm__ volatile("outb %%al, $0x80" : : "a"(0));
}

static void crash_breakpoint(void)
{
    __asm__ volatile("int3");
}

static void crash_protector(void)
{
    uint8_t array[16];
    uint8_t *at = hidden(array);
    for (uint32_t i = 0; i < 64; i++)
        __atomic_store_n(&at[i], 0x41, __ATOMIC_RELAXED);
}

static const struct {
    text name;
    void (*run)(void);
} kinds[] = {
    {TEXT("null"), crash_null},
    {TEXT("kernel"), crash_kernel},
    {TEXT("constant"), crash_constant},
    {TEXT("code"), crash_code},
    {TEXT("data"), crash_data},
    {TEXT("stack"), crash_stack},
    {TEXT("unmapped"), crash_unmapped},
    {TEXT("noncanonical"), crash_noncanonical},
    {TEXT("divide"), crash_divide},
    {TEXT("invalid"), crash_invalid},
    {TEXT("privileged"), crash_privileged},
    {TEXT("port"), crash_port},
    {TEXT("breakpoint"), crash_breakpoint},
    {TEXT("abort"), peal_abort},
    {TEXT("protector"), crash_protector},
};

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!peal_text_equal(peal_argument(arguments, 1), kinds[i].name)) continue;
        kinds[i].run();
        peal_error("still alive: this should have been a fault");
        return EXIT_CODE_FAILED;
    }
    return peal_usage_error("a kind of fault is needed");
}
