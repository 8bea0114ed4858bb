/*
 * In which order to accept what one look has found, by priority: for rings made for it.
 *
 * A chain stays together, and what continues an open one comes first. Nothing moves across a
 * DRAIN, whose meaning is the order in which things were submitted. Otherwise the higher priority
 * comes first, and of the same the earlier.
 *
 * What the entries say is copied once: the program may change them at any time, and each must come
 * up exactly once. If by then they say something else they are accepted as what they are, in an
 * order that made sense before.
 */
#include "ring/ring_internal.h"

#define NOTE_PRIORITY 0x0fu
#define NOTE_LINKED   0x10u /* the next one belongs to it */
#define NOTE_DRAIN    0x20u

static uint8_t note_of(uint64_t word0)
{
    uint8_t flags = (uint8_t)(word0 >> 8);
    uint16_t priority = (uint16_t)(word0 >> 16);
    uint8_t note = (uint8_t)(priority <= ABI_PRIORITY_MAX ? priority : 0);
    if ((flags & (ABI_SUBMISSION_LINK | ABI_SUBMISSION_HARD_LINK)) != 0) note |= NOTE_LINKED;
    if ((flags & ABI_SUBMISSION_DRAIN) != 0) note |= NOTE_DRAIN;
    return note;
}

/* Behind the chain that begins, or goes on, at `first`. */
static uint32_t chain_end(const uint8_t *notes, uint32_t first, uint32_t count)
{
    while (first + 1 < count && (notes[first] & NOTE_LINKED) != 0)
        first++;
    return first + 1;
}

struct plan {
    const uint8_t *notes;
    uint32_t count;
    uint16_t *order;
    uint32_t planned;
};

static void plan_range(struct plan *plan, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++)
        plan->order[plan->planned++] = (uint16_t)i;
}

/* The chains in first..end, by priority. */
static void plan_sorted(struct plan *plan, uint32_t first, uint32_t end)
{
    for (uint32_t priority = ABI_PRIORITY_MAX + 1; priority-- > 0;)
        for (uint32_t chain = first, next; chain < end; chain = next) {
            next = chain_end(plan->notes, chain, end);
            if ((plan->notes[chain] & NOTE_PRIORITY) == priority) plan_range(plan, chain, next);
        }
}

void priority_plan(const uint8_t *notes, uint32_t count, bool is_chain_open, uint16_t *out_order)
{
    struct plan plan = {.notes = notes, .count = count, .order = out_order};
    uint32_t first = is_chain_open ? chain_end(notes, 0, count) : 0;
    plan_range(&plan, 0, first);
    for (uint32_t chain = first; chain < count;) {
        uint32_t next = chain_end(notes, chain, count);
        if ((notes[chain] & NOTE_DRAIN) != 0) {
            plan_sorted(&plan, first, chain);
            plan_range(&plan, chain, next);
            first = next;
        }
        chain = next;
    }
    plan_sorted(&plan, first, count);
}

void priority_note(struct ring *ring, uint64_t position, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t *entry = ring_submission_at(ring, position + i);
        ring->notes[i] = note_of(__atomic_load_n(entry, __ATOMIC_RELAXED));
    }
}
