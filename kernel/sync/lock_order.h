/*
 * Which spin locks this processor holds, in debug kernels: taking one whose rank is not above all
 * those held stops the machine, with both named.
 *
 * Context: any, interrupts off. No locking: each processor has its own record.
 * The functions answer true so that they can stand in DEBUG_ASSERT, which release kernels skip.
 */
#pragma once
#include <stdint.h>

/* More than this nested is a mistake by itself. */
#define LOCK_ORDER_DEPTH_MAX 12u

bool lock_order_take(const void *lock, uint8_t rank);
/* For a lock taken without waiting, which cannot deadlock: any rank, but not held twice. */
bool lock_order_take_any(const void *lock, uint8_t rank);
bool lock_order_give(const void *lock);
/* How many this processor holds; always 0 in release kernels. */
uint32_t lock_order_depth(void);
