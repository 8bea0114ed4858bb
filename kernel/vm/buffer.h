/*
 * Buffers: the memory of programs, and the only way data crosses into the kernel and out of it.
 *
 * A buffer is an array of pages, sparse: a page comes into being, zeroed or as a copy of the same
 * page of the buffer's template, when a program first touches it or the kernel first writes to it,
 * and is charged to the quota of the buffer's creator. The kernel reaches the frames through the
 * direct map and never needs a program's address. A page keeps its frame for the buffer's life, so
 * whatever keeps the buffer is a pin.
 *
 * Context:  any; never sleeps. Making one with large pages, and the last put, may take long: there
 * others get a chance in between, if interrupts are on.
 * Locking:  none: a page is entered into the table by one compare-and-swap and stays until the end.
 * Contents are not guarded: programs write them at any time. Cost:     two table steps to a frame.
 */
#pragma once
#include "base/address.h"
#include "cap/capability.h"
#include "mm/frame_pool.h"
#include "mm/quota.h"

struct buffer;
RESULT_TYPE(buffer_result, struct buffer *);

struct buffer_options {
    struct memory_quota *quota; /* counted by the buffer; nullptr: the kernel's */
    uint64_t size_bytes;        /* multiple of PAGE_BYTES, at most ABI_BUFFER_BYTES_MAX, not 0 */
    uint32_t flags;             /* ABI_BUFFER_... */
    struct buffer *template;    /* counted by the buffer; nullptr: zeros; not for large pages */
    uint64_t template_offset;   /* page aligned; pages past the template's end are zeros */
};
/*
 * One reference, for the caller.
 *   OUT_OF_RANGE    size or offset as said above
 *   OUT_OF_MEMORY   no memory for bookkeeping, or for large pages
 *   INTERRUPTED     the thread is to end, and large pages take time. These: task context
 */
buffer_result buffer_create(const struct buffer_options *options);
/*
 * A buffer over frames that somebody else owns and keeps for the kernel's life: the clock page,
 * device memory. All its pages exist; size_bytes as above. OUT_OF_MEMORY
 */
buffer_result buffer_create_borrowed(physical_address start, uint64_t size_bytes);
struct object *buffer_object(struct buffer *buffer);
struct buffer *buffer_of(struct object *object); /* the kind has been checked */
static inline void buffer_put(struct buffer *buffer)
{
    object_put(buffer_object(buffer));
}
typedef struct buffer *buffer_owner;
static inline void buffer_owner_drop(buffer_owner *owner)
{
    if (*owner != nullptr) buffer_put(*owner);
}

uint64_t buffer_size(const struct buffer *buffer);
uint64_t buffer_committed_bytes(const struct buffer *buffer);
bool buffer_has_large_pages(const struct buffer *buffer);

/*
 * The frame of a page, made if it does not exist.
 *   OUT_OF_MEMORY   the quota or the machine has none left
 * page_index is inside the buffer. For large pages the frame is that of the 4 KiB page asked for.
 */
frame_result buffer_touch(struct buffer *buffer, uint64_t page_index);
/* The frame for reading only: false when the page does not exist and reads as zeros. A template's
 * frame may be given. */
bool buffer_peek(struct buffer *buffer, uint64_t page_index, physical_address *out_frame);

/* The frame of a page that exists in this very buffer; false when a touch would have to make it. */
bool buffer_has_page(const struct buffer *buffer, uint64_t page_index, physical_address *out_frame);

/* Copies between kernel memory and the buffer. The range lies inside the buffer. write:
 * OUT_OF_MEMORY, with a prefix written. */
void buffer_read(struct buffer *buffer, uint64_t offset, void *to, uint64_t length);
status buffer_write(struct buffer *buffer, uint64_t offset, const void *from, uint64_t length);

/*
 * Copies between buffers. Both ranges lie inside; where they overlap the result is any mix. What
 * does not exist reads as zeros. OUT_OF_MEMORY: for a page of `to`; a prefix was written.
 */
status buffer_copy(struct buffer *to, uint64_t to_offset, struct buffer *from, uint64_t from_offset,
                   uint64_t length);

/*
 * A span of a buffer that stays valid: what a checked claim of a submission becomes. A revocation
 * of the capability waits until it is dropped.
 */
typedef struct buffer_pin {
    struct buffer *buffer; /* nullptr: nothing. Counted when there is no capability */
    uint64_t offset;
    uint64_t length;
    struct capability *capability; /* a use, which keeps the buffer; nullptr: the kernel's own */
} buffer_pin;
/* Task context, when it may be the last that keeps the buffer. */
static inline void buffer_pin_drop(buffer_pin *pin)
{
    if (pin->capability != nullptr)
        capability_unuse(pin->capability);
    else if (pin->buffer != nullptr)
        buffer_put(pin->buffer);
    *pin = (buffer_pin){0};
}

/* A part of a buffer, and what it may be used for. Borrowed. */
struct buffer_window {
    struct buffer *buffer;
    uint64_t offset;
    uint64_t length;
    uint32_t access; /* ABI_ACCESS_... */
};
static inline struct buffer_window buffer_window_whole(struct buffer *buffer, uint32_t access)
{
    return (struct buffer_window){
        .buffer = buffer, .length = buffer_size(buffer), .access = access};
}
