/* Sets of clusters in pages of bits. */
#include "fs/fat32/fat32_cluster_set.h"
#include "base/bitmap.h"
#include "mm/heap.h"

static constexpr uint32_t PAGE_BYTES = 4096;
static constexpr uint32_t PAGE_BITS = PAGE_BYTES * 8;

status fat32_cluster_set_init(struct fat32_cluster_set *set, uint32_t end)
{
    *set = (struct fat32_cluster_set){.page_count = end / PAGE_BITS + 1};
    set->pages = heap_take_zeroed(set->page_count * sizeof(set->pages[0]));
    return set->pages != nullptr ? OK : FAIL(OUT_OF_MEMORY);
}

void fat32_cluster_set_clear(struct fat32_cluster_set *set)
{
    for (uint32_t i = 0; i < set->page_count; i++) {
        heap_give(set->pages[i]);
        set->pages[i] = nullptr;
    }
    set->cluster_count = 0;
}

void fat32_cluster_set_deinit(struct fat32_cluster_set *set)
{
    if (set->pages != nullptr) fat32_cluster_set_clear(set);
    heap_give(set->pages);
    *set = (struct fat32_cluster_set){0};
}

bool fat32_cluster_set_has(const struct fat32_cluster_set *set, uint32_t cluster)
{
    const uint64_t *page = set->pages[cluster / PAGE_BITS];
    return page != nullptr && bitmap_test(page, cluster % PAGE_BITS);
}

status fat32_cluster_set_add(struct fat32_cluster_set *set, uint32_t cluster)
{
    uint64_t **page = &set->pages[cluster / PAGE_BITS];
    if (*page == nullptr) *page = heap_take_zeroed(PAGE_BYTES);
    if (*page == nullptr) return FAIL(OUT_OF_MEMORY);
    bitmap_set(*page, cluster % PAGE_BITS);
    set->cluster_count++;
    return OK;
}
