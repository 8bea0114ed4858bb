/*
 * From the first instruction to peal_main.
 *
 * Programs are position-independent and relocate themselves: until relocate() is done nothing may
 * use a pointer that the linker had to fix. The stack protector's guard changes in here too, so
 * these functions go without it.
 */
#include "peal/clock_internal.h"
#include "peal/memory_internal.h"
#include "peal/output.h"
#include "peal/program.h"
#include "peal/ring.h"
#include "peal/thread_internal.h"
#include "peal/usage.h"

#define NO_STACK_PROTECTOR __attribute__((no_stack_protector))

static const struct abi_startup *startup_block;
static struct peal_thread first_thread;

/* ELF-64 object file format, version 1.5, dynamic section and relocations. */
struct elf_dynamic {
    uint64_t tag;
    uint64_t value;
};
struct elf_relocation {
    uint64_t offset;
    uint64_t info;
    uint64_t addend;
};
#define ELF_DYNAMIC_END                0u
#define ELF_DYNAMIC_RELA               7u
#define ELF_DYNAMIC_RELA_BYTES         8u
#define ELF_RELOCATION_X86_64_RELATIVE 8u

extern const struct elf_dynamic dynamic_section[] __asm__("_DYNAMIC")
    __attribute__((visibility("hidden")));

[[noreturn]] static void stop(void)
{
    peal_system_call(ABI_SYSCALL_EXIT, 255, ABI_EXIT_PROCESS);
    __builtin_trap();
}

/* Adds the image's address to every word the linker listed. Programs are linked at zero. */
NO_STACK_PROTECTOR static void relocate(uint64_t image_address)
{
    uint64_t table = 0, table_bytes = 0;
    for (const struct elf_dynamic *entry = dynamic_section; entry->tag != ELF_DYNAMIC_END;
         entry++) {
        if (entry->tag == ELF_DYNAMIC_RELA) table = entry->value;
        if (entry->tag == ELF_DYNAMIC_RELA_BYTES) table_bytes = entry->value;
    }
    const struct elf_relocation *relocation =
        (const struct elf_relocation *)(image_address + table);
    for (uint64_t i = 0; i < table_bytes / sizeof(*relocation); i++) {
        if ((uint32_t)relocation[i].info != ELF_RELOCATION_X86_64_RELATIVE) stop();
        *(uint64_t *)(image_address + relocation[i].offset) = image_address + relocation[i].addend;
    }
}

static void regions_init(const struct abi_startup *block)
{
    const struct abi_startup_region *regions =
        (const struct abi_startup_region *)((const uint8_t *)block + block->regions_offset);
    for (uint32_t i = 0; i < block->regions_count; i++) {
        struct region region = {
            .address = regions[i].address,
            .length_bytes = regions[i].length_bytes,
            .buffer_offset_bytes = regions[i].buffer_offset_bytes,
            .buffer_index = regions[i].buffer_index,
            .access = regions[i].access,
        };
        if (!peal_region_add(region)) stop();
    }
}

uintptr_t __stack_chk_guard; /* the compiler's name */
[[noreturn]] void __stack_chk_fail(void);

void __stack_chk_fail(void)
{
    peal_abort();
}

/* rdi, rsi and rdx as the kernel left them; the call aligns the stack as the compiler expects. Only
 * assembly names it. */
[[noreturn, gnu::used]] void peal_start(const struct abi_startup *block,
                                        struct abi_ring_header *ring, uint64_t thread_id);

__attribute__((naked, visibility("default"))) void _start(void);
__attribute__((naked)) void _start(void)
{
    __asm__("xorl %ebp, %ebp\n\t"
            "call peal_start\n\t"
            "ud2");
}

NO_STACK_PROTECTOR void peal_start(const struct abi_startup *block, struct abi_ring_header *ring,
                                   uint64_t thread_id)
{
    relocate(block->image_address);
    if (block->magic != ABI_STARTUP_MAGIC || block->version != ABI_VERSION) stop();
    startup_block = block;
    __builtin_memcpy(&__stack_chk_guard, block->random, sizeof(__stack_chk_guard));

    first_thread.self = &first_thread;
    first_thread.id = thread_id;
    peal_ring_init(&first_thread.ring, ring);
    __asm__ volatile("wrfsbase %0" : : "r"(&first_thread));
    regions_init(block);
    peal_clock_init((const struct abi_clock_page *)block->clock_address);

    peal_exit(peal_main((struct peal_arguments){
        .count = block->arguments_count,
        .strings = (const struct abi_string *)((const uint8_t *)block + block->arguments_offset)}));
}

/* The index is in bounds. */
static text string_at(const struct abi_string *strings, uint32_t index)
{
    return (text){(const char *)startup_block + strings[index].offset_bytes,
                  strings[index].length_bytes};
}

const struct abi_startup *peal_startup(void)
{
    return startup_block;
}

text peal_argument(struct peal_arguments arguments, uint32_t index)
{
    return index < arguments.count ? string_at(arguments.strings, index) : TEXT("");
}

uint32_t peal_environment_count(void)
{
    return startup_block->environment_count;
}

text peal_environment_at(uint32_t index)
{
    if (index >= startup_block->environment_count) return TEXT("");
    return string_at((const struct abi_string *)((const uint8_t *)startup_block +
                                                 startup_block->environment_offset),
                     index);
}

bool peal_environment_get(text name, text *out_value)
{
    for (uint32_t i = 0; i < peal_environment_count(); i++) {
        text value = peal_environment_at(i);
        if (!peal_text_equal(peal_text_split(&value, '='), name)) continue;
        *out_value = value;
        return true;
    }
    return false;
}

uint64_t peal_environment_number(text name, uint64_t otherwise)
{
    text digits;
    uint64_t number;
    return peal_environment_get(name, &digits) && peal_text_to_number(digits, &number) ? number
                                                                                       : otherwise;
}

peal_raw_handle peal_granted_raw(text name)
{
    const struct abi_startup_handle *granted = peal_granted(name);
    return granted == nullptr ? ABI_HANDLE_NONE : granted->handle;
}

uint32_t peal_granted_count(void)
{
    return startup_block->handles_count;
}

const struct abi_startup_handle *peal_granted_at(uint32_t index)
{
    if (index >= startup_block->handles_count) return nullptr;
    return (const struct abi_startup_handle *)((const uint8_t *)startup_block +
                                               startup_block->handles_offset) +
           index;
}

const struct abi_startup_handle *peal_granted(text name)
{
    for (uint32_t i = 0; i < peal_granted_count(); i++) {
        const struct abi_startup_handle *granted = peal_granted_at(i);
        if (peal_text_equal(peal_text_from_field(granted->name, sizeof(granted->name)), name))
            return granted;
    }
    return nullptr;
}

void peal_exit_at_once(int code)
{
    peal_system_call(ABI_SYSCALL_EXIT, (uint32_t)code, ABI_EXIT_PROCESS);
    __builtin_trap();
}

void peal_exit(int code)
{
    if (!peal_output_end() && code == 0) code = EXIT_CODE_FAILED;
    peal_exit_at_once(code);
}

void peal_abort(void)
{
    __builtin_trap();
}
