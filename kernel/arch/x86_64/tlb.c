/*
 * Making other processors forget translations.
 *
 * Every processor has one request of its own. It fills it in, notes itself in the mailbox of each
 * processor concerned, interrupts them, and waits until each has taken its bit out of `pending`. A
 * processor that is asked answers from the interrupt, however late it comes when its interrupts are
 * off; one that waits answers others meanwhile. So no two that flush at once can wait for each
 * other, and there is no lock to hold.
 *
 * Ordering: the request is published by the release on the target's mailbox and read after the
 * acquire that empties it; the flush is done before the release on `pending` that the requester
 * waits for (acquire).
 */
#include "arch/arch/tlb.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/x86_64.h"
#include "debug/assert.h"

#define ANSWER_TICKS_MAX 60'000'000'000ull /* tens of seconds: a hang, not a slow machine */

struct flush_request {
    uint64_t address, length; /* written before the mailboxes, read until `pending` is empty */
    CACHE_ALIGNED _Atomic uint64_t pending; /* one bit per processor that has not answered */
};

static struct flush_request requests[CPU_COUNT_MAX];

void tlb_forget_all(void)
{
    /* Writing CR3 would spare the global translations; changing this bit spares none. */
    uint64_t cr4 = cr4_read();
    cr4_write(cr4 & ~CR4_GLOBAL_PAGES);
    cr4_write(cr4);
}

static void forget(uint64_t address, uint64_t length)
{
    if (length > TLB_FLUSH_PAGES_MAX * PAGE_BYTES) {
        bool were_on = interrupts_disable();
        tlb_forget_all();
        interrupts_restore(were_on);
        return;
    }
    for (uint64_t done = 0; done < length; done += PAGE_BYTES)
        invalidate_page(address + done);
}

void tlb_answer_requests(void)
{
    struct cpu_local *cpu = cpu_local();
    uint64_t own = 1ull << cpu->index;
    /* Pairs with the release in tlb_flush(). */
    uint64_t from = atomic_exchange_explicit(&cpu->flush_requests, 0, memory_order_acquire);
    for (; from != 0; from &= from - 1) {
        struct flush_request *request = &requests[__builtin_ctzll(from)];
        forget(request->address, request->length);
        /* Pairs with the acquire in wait_for_answers(). */
        atomic_fetch_and_explicit(&request->pending, ~own, memory_order_release);
    }
}

static void wait_for_answers(const struct flush_request *request)
{
    uint64_t began = cpu_ticks();
    /* Pairs with the release in tlb_answer_requests(). */
    while (atomic_load_explicit(&request->pending, memory_order_acquire) != 0) {
        tlb_answer_requests();
        cpu_relax();
        if (cpu_ticks() - began > ANSWER_TICKS_MAX)
            panic(
                "processors %#llx do not answer a TLB flush",
                (unsigned long long)atomic_load_explicit(&request->pending, memory_order_relaxed));
    }
}

void tlb_flush(cpu_set cpus, uint64_t address, uint64_t length)
{
    uint32_t index = cpu_index();
    uint64_t own = 1ull << index;
    if (cpus.bits & own) forget(address, length);
    uint64_t others = cpus.bits & ~own;
    if (others == 0) return;

    struct flush_request *request = &requests[index];
    request->address = address;
    request->length = length;
    atomic_store_explicit(&request->pending, others, memory_order_relaxed);
    for (uint64_t left = others; left != 0; left &= left - 1) {
        struct cpu_local *target = &cpu_locals[__builtin_ctzll(left)];
        /* Pairs with the acquire in tlb_answer_requests(). One interrupt serves all who asked
         * since. */
        uint64_t before =
            atomic_fetch_or_explicit(&target->flush_requests, own, memory_order_release);
        if (before == 0) local_apic_send(target->apic_id, VECTOR_FLUSH);
    }
    wait_for_answers(request);
}
