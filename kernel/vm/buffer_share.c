#include "vm/buffer_share.h"
#include "base/checked.h"

struct buffer_share buffer_share_make(const struct buffer_window *window,
                                      struct capability *capability)
{
    if (capability != nullptr)
        capability_hold_more(capability);
    else
        object_get(buffer_object(window->buffer));
    return (struct buffer_share){.window = *window, .capability = capability};
}

void buffer_share_drop(CONSUMED const struct buffer_share *share)
{
    if (share->capability != nullptr)
        capability_release(share->capability);
    else
        buffer_put(share->window.buffer);
}

status buffer_share_pin(const struct buffer_share *share, uint64_t offset, uint64_t length,
                        uint32_t access, buffer_pin *out_pin)
{
    const struct buffer_window *window = &share->window;
    if (unlikely(!span_fits(offset, length, window->length))) return FAIL(OUT_OF_RANGE);
    if (unlikely((access & ~window->access) != 0)) return FAIL(PERMISSION_DENIED);
    struct capability *capability = share->capability;
    if (capability == nullptr)
        object_get(buffer_object(window->buffer));
    else if (unlikely(!capability_use_try(capability)))
        return FAIL(CAPABILITY_REVOKED);
    *out_pin = (buffer_pin){.buffer = window->buffer,
                            .offset = window->offset + offset,
                            .length = length,
                            .capability = capability};
    return OK;
}
