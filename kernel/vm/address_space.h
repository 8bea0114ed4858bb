/*
 * What a process sees at which address: an ordered set of regions, each a window onto a buffer.
 *
 * Pages are entered into the page table when they are first touched (address_space_fault). Regions
 * do not overlap and are never writable and executable; neighbours that continue each other are not
 * merged unless they are the same window through the same capability.
 *
 * A region that was made through a handle uses its capability. When that is revoked the region is
 * removed, from the translations of all processors too, before the revocation is over: a program
 * that touches it afterwards finds nothing mapped there.
 *
 * Context:  task, interrupts on, no spin lock held: changing calls may sleep and wait for other
 * processors. Locking:  LOCK_RANK_ADDRESS_SPACE inside. Cost:     logarithmic in the number of
 * regions, plus the pages affected.
 */
#pragma once
#include "arch/arch/tlb.h"
#include "sched/mutex.h"
#include "vm/buffer.h"

#define ADDRESS_SPACE_REGIONS_MAX 4096u

struct address_space;
RESULT_TYPE(address_space_result, struct address_space *);
RESULT_TYPE(address_result, user_address);

/* Empty. Counted quota. OUT_OF_MEMORY */
address_space_result address_space_create(struct memory_quota *quota);
/* No thread of it may be running in user mode any more. Everything is given back, but for a few
 * bytes that a revocation may still look at. */
void address_space_destroy(struct address_space *space);
const struct page_table *address_space_page_table(const struct address_space *space);

struct mapping_request {
    struct buffer *buffer;
    struct capability *capability; /* used by the caller, and then by the region; nullptr: the
                                    * kernel's own, and the region counts the buffer */
    uint64_t buffer_offset;        /* page aligned */
    uint64_t length_bytes;         /* page multiple, not 0, inside the buffer */
    user_address address;          /* 0: chosen at random where there is room; else page aligned */
    uint8_t access;                /* ABI_ACCESS_...; 0 makes a reserved hole */
    uint8_t access_max;            /* what protect may raise it to */
};
/*
 * Answers the address.
 *   INVALID_ARGUMENT   write with execute, or unaligned
 *   OUT_OF_RANGE       outside the buffer or ABI_USER_ADDRESS_MIN.._END
 *   ALREADY_EXISTS     something is mapped in the range asked for
 *   CAPABILITY_REVOKED
 *   OUT_OF_MEMORY, QUOTA_EXCEEDED (too many regions)
 */
address_result address_space_map(struct address_space *space,
                                 const struct mapping_request *request);
/*
 * A place for `length` bytes (page multiple), chosen as map does. For whoever maps several things
 * beside each other while nobody else changes the space. OUT_OF_MEMORY when there is no room
 */
address_result address_space_find_room(struct address_space *space, uint64_t length);
/* NOT_FOUND unless every page of the range is in some region. Splits regions as needed:
 * OUT_OF_MEMORY, QUOTA_EXCEEDED */
status address_space_unmap(struct address_space *space, user_address address, uint64_t length);
/*
 * Removes from the range what is left there of the buffer, and nothing else: for what the kernel
 * mapped and the program may have unmapped, and replaced, since. The range is what was mapped.
 */
void address_space_unmap_buffer(struct address_space *space, user_address address, uint64_t length,
                                struct buffer *buffer);
/* As unmap; PERMISSION_DENIED beyond access_max; INVALID_ARGUMENT for write with execute. */
status address_space_protect(struct address_space *space, user_address address, uint64_t length,
                             uint8_t access);

/*
 * A program touched the address. `access` is what it tried. OK: retry the instruction.
 *   NOT_FOUND            nothing is mapped there
 *   PERMISSION_DENIED    mapped, but not for this
 *   OUT_OF_MEMORY        the page could not be made
 */
status address_space_fault(struct address_space *space, user_address address, uint8_t access);

/*
 * This processor starts using the tables, or has stopped: it uses others already. Interrupts off. A
 * processor may be in several spaces for the moment between.
 */
void address_space_activate(struct address_space *space);
void address_space_deactivate(struct address_space *space);
/* For listings: number of regions. */
uint32_t address_space_region_count(struct address_space *space);

/* One more reference, for whoever lists a space that may be destroyed meanwhile: it then has no
 * regions, and is otherwise not to be used. */
void address_space_get(struct address_space *space);
void address_space_put(struct address_space *space);

/* A region as people are told of it. */
struct region_description {
    uint64_t start; /* page aligned, as `end` */
    uint64_t end;   /* first address behind it */
    uint8_t access;
    uint8_t access_max;
    uint64_t derivation_id; /* of the capability it uses; 0: mapped by the kernel */
    uint64_t buffer_id;     /* the object's */
    uint64_t buffer_offset;
    uint64_t buffer_bytes;
    uint64_t buffer_committed_bytes; /* of the whole buffer */
};
/* The first region that ends behind the address; false: there is none. */
bool address_space_describe_region(struct address_space *space, user_address from,
                                   struct region_description *out_region);
