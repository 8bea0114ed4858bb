/*
 * The regions of an address space, in order: pure logic over addresses.
 *
 * Regions never overlap. A region is a window: its byte 0 is byte `buffer_offset` of its buffer.
 * The set neither allocates nor counts references: whoever uses it does.
 *
 * Context: any; the caller locks. Cost: logarithmic in the number of regions, unless a function
 * says otherwise.
 */
#pragma once
#include "base/tree.h"
#include "cap/capability.h"
#include <stdint.h>

struct buffer;
struct address_space;

struct region {
    struct tree_node node;
    uint64_t start; /* page aligned, as `end` */
    uint64_t end;   /* first address behind it */
    struct buffer *buffer;
    uint64_t buffer_offset;
    uint8_t access;     /* ABI_ACCESS_... now */
    uint8_t access_max; /* what it may be raised to */

    /* Of the address space; the set compares the capability only. */
    struct capability *capability; /* a use, which keeps the buffer; nullptr: the kernel's own, and
                                    * the buffer is counted */
    struct capability_user user;   /* while there is a capability */
    struct address_space *space;   /* where it is */
};

struct region_set {
    struct tree tree;
    uint32_t count;
};

/* The caller has made sure that nothing is in the range (region_set_is_free). */
void region_set_insert(struct region_set *set, struct region *region);
void region_set_remove(struct region_set *set, struct region *region);

/* The region that contains the address, or nullptr. */
struct region *region_set_find(const struct region_set *set, uint64_t address);
/* The first region that ends behind the address: the one that contains it, or else the next one;
 * nullptr: none. */
struct region *region_set_find_from(const struct region_set *set, uint64_t address);
struct region *region_set_first(const struct region_set *set);
struct region *region_set_next(const struct region *region);

/* True when no region overlaps start..end. */
bool region_set_is_free(const struct region_set *set, uint64_t start, uint64_t end);
/* True when every address of start..end is in some region. Cost: also the number of regions in the
 * range. */
bool region_set_covers(const struct region_set *set, uint64_t start, uint64_t end);

/*
 * The lowest multiple of `alignment` (a power of two) in low..high at which `length` bytes are
 * free; false when there is none. Cost: every region in the range.
 */
bool region_set_find_gap(const struct region_set *set, uint64_t low, uint64_t high, uint64_t length,
                         uint64_t alignment, uint64_t *out_start);

/*
 * Cuts a region at an address inside it: `region` keeps the lower part, `upper` becomes the rest.
 * The caller counts the second reference to the buffer or capability, and enters the user.
 */
void region_set_split(struct region_set *set, struct region *region, uint64_t address,
                      struct region *upper);
/* True when `upper` starts where `lower` ends, in memory and in the buffer, with the same access
 * through the same capability. */
bool region_continues(const struct region *lower, const struct region *upper);
/* Gives the upper of two regions that continue each other to the lower; `upper` leaves the set. */
void region_set_merge(struct region_set *set, struct region *lower, struct region *upper);

/* Order, alignment, no overlap, count, balance. For tests. Cost: every region. */
bool region_set_check(const struct region_set *set);
