#include "vm/region_set.h"
#include "base/address.h"
#include "base/checked.h"
#include "debug/assert.h"

static struct region *region_of(struct tree_node *node)
{
    return node != nullptr ? tree_entry(node, struct region, node) : nullptr;
}

void region_set_insert(struct region_set *set, struct region *region)
{
    struct tree_node *parent = nullptr, **place = &set->tree.root;
    while (*place != nullptr) {
        parent = *place;
        const struct region *other = region_of(parent);
        DEBUG_ASSERT(region->end <= other->start || region->start >= other->end);
        place = region->start < other->start ? &parent->left : &parent->right;
    }
    tree_insert(&set->tree, parent, place, &region->node);
    set->count++;
}

void region_set_remove(struct region_set *set, struct region *region)
{
    tree_remove(&set->tree, &region->node);
    set->count--;
}

struct region *region_set_find_from(const struct region_set *set, uint64_t address)
{
    struct region *best = nullptr;
    struct tree_node *node = set->tree.root;
    while (node != nullptr) {
        struct region *region = region_of(node);
        if (address < region->end) {
            best = region;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return best;
}

struct region *region_set_find(const struct region_set *set, uint64_t address)
{
    struct region *region = region_set_find_from(set, address);
    return region != nullptr && region->start <= address ? region : nullptr;
}

struct region *region_set_first(const struct region_set *set)
{
    return region_of(tree_first(&set->tree));
}

struct region *region_set_next(const struct region *region)
{
    return region_of(tree_next(&region->node));
}

bool region_set_is_free(const struct region_set *set, uint64_t start, uint64_t end)
{
    const struct region *region = region_set_find_from(set, start);
    return region == nullptr || region->start >= end;
}

bool region_set_covers(const struct region_set *set, uint64_t start, uint64_t end)
{
    const struct region *region = region_set_find(set, start);
    while (region != nullptr && region->end < end) {
        const struct region *next = region_set_next(region);
        if (next == nullptr || next->start != region->end) return false;
        region = next;
    }
    return region != nullptr;
}

bool region_set_find_gap(const struct region_set *set, uint64_t low, uint64_t high, uint64_t length,
                         uint64_t alignment, uint64_t *out_start)
{
    const struct region *region = region_set_find_from(set, low);
    uint64_t candidate = round_up(low, alignment);
    while (candidate >= low && span_fits(candidate, length, high)) {
        if (region == nullptr || region->start >= candidate + length) {
            *out_start = candidate;
            return true;
        }
        candidate = round_up(max_of(candidate, region->end), alignment);
        region = region_set_next(region);
    }
    return false;
}

void region_set_split(struct region_set *set, struct region *region, uint64_t address,
                      struct region *upper)
{
    ASSERT(region->start < address && address < region->end);
    *upper = *region;
    upper->start = address;
    upper->buffer_offset = region->buffer_offset + (address - region->start);
    region->end = address;
    region_set_insert(set, upper);
}

bool region_continues(const struct region *lower, const struct region *upper)
{
    return lower->end == upper->start && lower->buffer == upper->buffer &&
           lower->buffer_offset + (lower->end - lower->start) == upper->buffer_offset &&
           lower->access == upper->access && lower->access_max == upper->access_max &&
           lower->capability == upper->capability;
}

void region_set_merge(struct region_set *set, struct region *lower, struct region *upper)
{
    ASSERT(region_continues(lower, upper));
    region_set_remove(set, upper);
    lower->end = upper->end;
}

bool region_set_check(const struct region_set *set)
{
    uint64_t end = 0;
    uint32_t count = 0;
    for (const struct region *region = region_set_first(set); region != nullptr;
         region = region_set_next(region)) {
        bool is_sound = is_aligned(region->start, PAGE_BYTES) &&
                        is_aligned(region->end, PAGE_BYTES) && region->start < region->end &&
                        region->start >= end;
        if (!is_sound) return false;
        end = region->end;
        count++;
    }
    return count == set->count && tree_check(&set->tree);
}
