/*
 * Buffers as memory: making, mapping and registering them, and the way back from a pointer.
 *
 * The kernel never takes an address. What a program calls a pointer becomes (buffer index, offset)
 * through a table of the regions that are registered: code, data, stacks, heap, and what
 * peal_memory_map makes. Memory from elsewhere gives BUFFER_NOT_REGISTERED.
 *
 * Context: any thread.
 */
#pragma once
#include "peal/handle.h"

/* Where some memory lies, as a submission says it. */
struct location {
    uint32_t buffer_index;
    uint32_t offset_bytes;
    uint32_t length_bytes; /* may be less than asked for: up to the end of the region */
};

/*
 * Finds [address, address + length) in the registered regions with the ABI_ACCESS_... asked for.
 * Gives the part in the first region when the memory goes on in another; length 0 is length 0.
 *
 *   BUFFER_NOT_REGISTERED   nothing there is registered, or not for this access
 */
status peal_locate(const void *address, size_t length, uint32_t access,
                   struct location *out_location);

/* As above, but all of it has to lie in one region. OUT_OF_RANGE otherwise. */
status peal_locate_whole(const void *address, size_t length, uint32_t access,
                         struct location *out_location);

/*
 * Fresh zeroed memory of its own: a buffer, mapped and registered, known to peal_locate. Pages are
 * charged when touched. `bytes` is rounded up to whole pages. OUT_OF_MEMORY, QUOTA_EXCEEDED,
 * OUT_OF_RANGE (more than 4 GiB: a submission could not name what is behind).
 */
pointer_result peal_memory_map(size_t bytes);

/* Gives back what peal_memory_map made: all of it, by its address. NOT_FOUND */
status peal_memory_unmap(void *address);

/* The operations themselves, for programs that manage buffers. `bytes` is a multiple of a page. */
peal_raw_status peal_raw_buffer_create(uint64_t bytes, uint32_t flags,
                                       peal_raw_handle *out_buffer ACQUIRES_HANDLE);
static inline buffer_result peal_buffer_create(uint64_t bytes, uint32_t flags)
{
    buffer_result result = {0};
    result.status = status_of_raw(peal_raw_buffer_create(bytes, flags, &result.value.raw));
    return result;
}

/* Where in the buffer, how much of it, at which address (0: anywhere), with which ABI_ACCESS_... */
struct mapping_request {
    uint64_t offset_bytes;
    uint64_t length_bytes;
    uint64_t address;
    uint32_t access;
};
pointer_result peal_buffer_map(buffer_ref buffer, struct mapping_request request);
status peal_buffer_unmap(void *address, uint64_t bytes);
status peal_buffer_protect(void *address, uint64_t bytes, uint32_t access);
/* The value is the buffer index. Registering does not tell peal_locate anything. */
size_result peal_buffer_register(buffer_ref buffer, uint32_t access);
status peal_buffer_unregister(uint32_t buffer_index);
