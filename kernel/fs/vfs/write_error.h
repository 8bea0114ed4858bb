/*
 * How a write-back that failed is told to everybody who has the file open, once each, and to the
 * next who opens it if nobody has.
 *
 * The vnode's word counts failures, as far as anybody was told in between, and has the status of
 * the last; an open file has a copy of that word as of when it was told last.
 *
 * Context: any, no locks: each change is one atomic step.
 */
#pragma once
#include "fs/vfs/vnode.h"
#include <stdatomic.h>

#define WRITE_ERROR_CODE 0x0ffu /* enum status_code; 0: there was none so far */
#define WRITE_ERROR_TOLD 0x100u /* to somebody; the next failure is another one */
#define WRITE_ERROR_STEP 0x200u

/* Relaxed throughout: the word stands for itself. */
static inline void write_error_keep(struct vnode *vnode, status why)
{
    uint32_t before = atomic_load_explicit(&vnode->write_error, memory_order_relaxed), after;
    do {
        after = before & ~(WRITE_ERROR_CODE | WRITE_ERROR_TOLD);
        if ((before & WRITE_ERROR_TOLD) != 0) after += WRITE_ERROR_STEP;
        after |= why.code & WRITE_ERROR_CODE;
    } while (!atomic_compare_exchange_weak_explicit(&vnode->write_error, &before, after,
                                                    memory_order_relaxed, memory_order_relaxed));
}

/* What an open file begins with. */
static inline uint32_t write_error_at_open(const struct vnode *vnode)
{
    uint32_t now = atomic_load_explicit(&vnode->write_error, memory_order_relaxed);
    return (now & WRITE_ERROR_TOLD) != 0 ? now : 0;
}

/* Whether there is something to tell whoever was told last of `told`. */
static inline bool write_error_is_new(const struct vnode *vnode, uint32_t told)
{
    uint32_t now = atomic_load_explicit(&vnode->write_error, memory_order_relaxed);
    return (now | WRITE_ERROR_TOLD) != (told | WRITE_ERROR_TOLD);
}

/* Tells whoever has `told`: OK, or the failure, which is known to somebody from now on. */
static inline status write_error_take(struct vnode *vnode, _Atomic uint32_t *told)
{
    uint32_t known = atomic_load_explicit(told, memory_order_relaxed);
    if (!write_error_is_new(vnode, known)) return OK;
    uint32_t now =
        atomic_fetch_or_explicit(&vnode->write_error, WRITE_ERROR_TOLD, memory_order_relaxed);
    /* Two who ask through one open file at once: one of them is told. */
    if (!atomic_compare_exchange_strong_explicit(told, &known, now | WRITE_ERROR_TOLD,
                                                 memory_order_relaxed, memory_order_relaxed))
        return OK;
    return (status){(enum status_code)(now & WRITE_ERROR_CODE)};
}
