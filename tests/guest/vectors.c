/* Vector registers: they are the program's, whatever the kernel copies and clears meanwhile. */
#include "peal/file.h"
#include "peal/memory.h"
#include "peal/ring.h"
#include "support/guest_test.h"

#define REGISTERS 4u

struct wide {
    alignas(32) uint8_t bytes[32];
};

static struct wide before[REGISTERS], after[REGISTERS];
static alignas(ABI_PAGE_BYTES) uint8_t page[ABI_PAGE_BYTES];

/* Whether the kernel saves 256-bit registers: OSXSAVE, then AVX in XCR0. */
static bool has_wide_registers(void)
{
    uint32_t a = 1, b, c = 0, d;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if ((c & 1u << 27) == 0) return false;
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & 6) == 6;
}

/* The instruction enters the kernel; the registers are loaded before it and stored behind it. */
#define WITH_FULL_REGISTERS(instruction, outputs, ...)                       \
    __asm__ volatile("vmovdqu 0(%[before]), %%ymm0\n\t"                      \
                     "vmovdqu 32(%[before]), %%ymm1\n\t"                     \
                     "vmovdqu 64(%[before]), %%ymm2\n\t"                     \
                     "vmovdqu 96(%[before]), %%ymm3\n\t" instruction         \
                     "\n\tvmovdqu %%ymm0, 0(%[after])\n\t"                   \
                     "vmovdqu %%ymm1, 32(%[after])\n\t"                      \
                     "vmovdqu %%ymm2, 64(%[after])\n\t"                      \
                     "vmovdqu %%ymm3, 96(%[after])\n\t"                      \
                     "vzeroupper"                                            \
                     : outputs                                               \
                     : [before] "r"(before), [after] "r"(after), __VA_ARGS__ \
                     : "rcx", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "memory")

static void fill(uint8_t seed)
{
    for (uint32_t i = 0; i < sizeof(before); i++)
        ((uint8_t *)before)[i] = (uint8_t)(seed + i * 37);
}

static bool are_unchanged(void)
{
    return __builtin_memcmp(before, after, sizeof(before)) == 0;
}

GUEST_TEST(a_page_that_appears_changes_no_register)
{
    if (!has_wide_registers()) return guest_test_skip("no AVX");
    static constexpr uint64_t PAGES = 16;
    buffer_result made = peal_buffer_create(PAGES * ABI_PAGE_BYTES, 0);
    REQUIRE(is_ok(made.status));
    OWNED(buffer_handle) buffer = TAKE(made.value);
    pointer_result mapped =
        peal_buffer_map(buffer_borrow(&buffer),
                        (struct mapping_request){.length_bytes = PAGES * ABI_PAGE_BYTES,
                                                 .access = ABI_ACCESS_READ | ABI_ACCESS_WRITE});
    REQUIRE(is_ok(mapped.status));
    for (uint64_t i = 0; i < PAGES; i++) {
        fill((uint8_t)i);
        WITH_FULL_REGISTERS("movb $1, (%[touched])",
                            , [touched] "r"((uint8_t *)mapped.value + i * ABI_PAGE_BYTES));
        EXPECT(are_unchanged());
    }
    EXPECT_STATUS(OK, peal_buffer_unmap(mapped.value, PAGES * ABI_PAGE_BYTES));
}

static void push_read(file_ref file)
{
    struct location where;
    REQUIRE(is_ok(peal_locate_whole(page, sizeof(page), ABI_ACCESS_WRITE, &where)));
    struct abi_submission *slot = peal_ring_slot();
    REQUIRE(slot != nullptr);
    *slot = (struct abi_submission){.op = ABI_OP_READ,
                                    .capability = file.raw,
                                    .buffer_index = where.buffer_index,
                                    .buffer_offset_bytes = where.offset_bytes,
                                    .length_bytes = where.length_bytes};
    peal_ring_push();
    struct peal_ring *ring = &peal_thread_self()->ring;
    store_release(&ring->header->submission_tail, ring->submission_tail);
}

GUEST_TEST(a_page_that_is_read_changes_no_register)
{
    if (!has_wide_registers()) return guest_test_skip("no AVX");
    file_result opened = peal_path_open_file(TEXT("/boot/bin/shell"), RIGHTS_READ);
    REQUIRE(is_ok(opened.status));
    OWNED(file_handle) file = TAKE(opened.value);
    for (uint32_t i = 0; i < 16; i++) {
        fill((uint8_t)i);
        push_read(file_borrow(&file));
        uint64_t answer = ABI_SYSCALL_ENTER;
        WITH_FULL_REGISTERS("syscall", "+a"(answer), "D"(1), "S"(ABI_DEADLINE_NEVER));
        EXPECT(are_unchanged());
        struct abi_completion done;
        REQUIRE(peal_reap(&done));
        EXPECT_EQUAL(ABI_RESULT_OK, done.tag);
        EXPECT_EQUAL(sizeof(page), done.value);
    }
}
