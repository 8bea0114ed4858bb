/*
 * What somebody keeps of a buffer in order to pin parts of it later: a registration, a pool.
 *
 * A share does not keep a revocation waiting, as a pin does. When the capability it was made
 * through is revoked, nothing can be pinned through it any more, and the buffer goes as soon as
 * those who have pinned or mapped it are done, however long the share is kept.
 *
 * Context: any, unless a function says otherwise. Locking: the caller's; pinning takes no lock.
 * Cost: constant.
 */
#pragma once
#include "vm/buffer.h"

struct buffer_share {
    struct buffer_window window;   /* the buffer is counted when there is no capability */
    struct capability *capability; /* a hold, which keeps the buffer until it is revoked; nullptr:
                                    * the kernel's own */
};

/* `capability` is used by the caller; nullptr: nothing takes this back. */
struct buffer_share buffer_share_make(const struct buffer_window *window,
                                      struct capability *capability);
/* Task context. */
void buffer_share_drop(CONSUMED const struct buffer_share *share);
static inline bool buffer_share_is_empty(const struct buffer_share *share)
{
    return share->window.buffer == nullptr;
}

/*
 * Turns a claim on `length` bytes from `offset` in the window into a pin.
 *   OUT_OF_RANGE          they are not inside
 *   PERMISSION_DENIED     the window is not for `access`
 *   CAPABILITY_REVOKED
 */
status buffer_share_pin(const struct buffer_share *share, uint64_t offset, uint64_t length,
                        uint32_t access, buffer_pin *out_pin);
