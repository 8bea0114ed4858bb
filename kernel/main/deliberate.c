#include "main/deliberate.h"
#include "base/bytes.h"
#include "base/container.h"
#include "debug/assert.h"

/* Hides what a value is from the compiler, which would otherwise refuse, or drop, what is done
 * here. */
static void *unknown(const void *pointer)
{
    __asm__ volatile("" : "+r"(pointer) : : "memory");
    return (void *)(uintptr_t)pointer;
}

[[gnu::noinline]] static void by_panic(void)
{
    panic("asked for on the command line");
}

[[gnu::noinline]] static void by_assertion(void)
{
    ASSERT(unknown(nullptr) != nullptr);
}

[[gnu::noinline]] static void by_read(void)
{
    (void)*(volatile char *)unknown((void *)0xdead'0000);
}

[[gnu::noinline]] static void by_write(void)
{
    *(volatile char *)unknown((const void *)by_write) = 0;
}

[[gnu::noinline]] static void by_execution(void)
{
    static uint8_t code[] = {0xc3};
    ((void (*)(void))unknown(code))();
}

static void by_overflow(void)
{
    volatile char big[1024];
    big[0] = 0;
    ((void (*)(void))unknown((const void *)by_overflow))();
    big[1] = big[0]; /* or this would be a jump */
}

[[gnu::noinline]] static void by_smashing(void)
{
    char small[16];
    bytes_zero(unknown(small), 64);
}

[[gnu::noinline]] static void by_undefined_instruction(void)
{
    __asm__ volatile("ud2");
}

void deliberate_panic(text kind)
{
    static const struct {
        text kind;
        void (*happen)(void);
    } ways[] = {
        {{"test", 4}, by_panic},        {{"assert", 6}, by_assertion},
        {{"read", 4}, by_read},         {{"write", 5}, by_write},
        {{"execute", 7}, by_execution}, {{"overflow", 8}, by_overflow},
        {{"smash", 5}, by_smashing},    {{"undefined", 9}, by_undefined_instruction},
    };
    for (uint32_t i = 0; i < array_count(ways); i++)
        if (text_equal(kind, ways[i].kind)) ways[i].happen();
}
