/* The part of a spin lock that waits. */
#include "sync/spin_lock.h"

void spin_wait_turn(spin_lock *lock, uint16_t ticket)
{
    /* Pairs with the release in spin_release(). Bounded by what the holders before us do. */
    while (atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket)
        cpu_relax();
}
