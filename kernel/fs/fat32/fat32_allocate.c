/*
 * Which clusters are free: a bit for each, in pages that are loaded from the table when clusters
 * are looked for in them, and the count of every page once it is known.
 *
 * Looking for a stretch begins at a hint that moves behind what was taken last, so that what is
 * written together lies together and no place is searched twice in a row. Both the pages and the
 * stretches looked at are bounded; the longest seen is taken then.
 *
 * `available` is what may be promised or used: free and pending clusters without the promised ones.
 * `usable` is what can be taken now. A claim lowers both counts' expectations before anything is
 * taken, so that taking cannot fail for want of clusters, unless FSInfo lied: then all is counted.
 */
#include "base/bitmap.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"
#include "mm/heap.h"

static constexpr uint32_t SEARCH_PAGES_MAX = 8;      /* with something free in them */
static constexpr uint32_t SEARCH_STRETCHES_MAX = 64; /* too short ones */
/* A table up to this size is counted at every mount: FSInfo saves too little to believe it. */
static constexpr uint32_t COUNT_ALWAYS_BYTES = 1u << 20;
static_assert(FAT32_PAGE_CLUSTERS % FAT32_TABLE_READ == 0, "pages are read in whole pieces");

/* Clusters are counted from 0 here, although the first two do not exist. */
static uint32_t clusters_end(const struct fat32_volume *volume)
{
    return CLUSTER_FIRST + volume->cluster_count;
}

status fat32_allocator_create(struct fat32_volume *volume)
{
    struct fat32_writing *writing = volume->writing;
    writing->hint = CLUSTER_FIRST;
    writing->page_count = (clusters_end(volume) - 1) / FAT32_PAGE_CLUSTERS + 1;
    writing->pages = heap_take_zeroed(writing->page_count * sizeof(*writing->pages));
    writing->page_free = heap_take(writing->page_count * sizeof(*writing->page_free));
    if (writing->pages == nullptr || writing->page_free == nullptr) return FAIL(OUT_OF_MEMORY);
    for (uint32_t i = 0; i < writing->page_count; i++)
        writing->page_free[i] = FAT32_PAGE_UNKNOWN;
    return OK;
}

void fat32_allocator_destroy(struct fat32_volume *volume)
{
    struct fat32_writing *writing = volume->writing;
    for (uint32_t i = 0; writing->pages != nullptr && i < writing->page_count; i++)
        heap_give(writing->pages[i]);
    heap_give(writing->pages);
    heap_give(writing->page_free);
}

/* ---- pages ---- */

/* How many clusters of the page are free by the table; sets their bits unless `bits` is nullptr. */
static status page_scan(struct fat32_volume *volume, uint32_t page, uint32_t *entries,
                        uint64_t *bits, uint16_t *out_free)
{
    uint32_t first = page * FAT32_PAGE_CLUSTERS;
    uint32_t count = min_of(FAT32_PAGE_CLUSTERS, clusters_end(volume) - first);
    uint16_t free_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i % FAT32_TABLE_READ == 0) TRY(fat32_table_read(volume, first + i, entries));
        if (entries[i % FAT32_TABLE_READ] != 0 || first + i < CLUSTER_FIRST) continue;
        free_count++;
        if (bits != nullptr) bitmap_set(bits, i);
    }
    *out_free = free_count;
    return OK;
}

static status page_load(struct fat32_volume *volume, uint32_t page)
{
    struct fat32_writing *writing = volume->writing;
    if (writing->pages[page] != nullptr) return OK;
    uint64_t *bits = heap_take_zeroed(FAT32_PAGE_CLUSTERS / 8);
    uint32_t *entries = heap_take(FAT32_TABLE_READ * sizeof(*entries));
    status scanned = FAIL(OUT_OF_MEMORY);
    if (bits != nullptr && entries != nullptr)
        scanned = page_scan(volume, page, entries, bits, &writing->page_free[page]);
    heap_give(entries);
    if (is_ok(scanned))
        writing->pages[page] = bits;
    else
        heap_give(bits);
    return scanned;
}

/* ---- counting ---- */

static status count_pages(struct fat32_volume *volume, uint32_t *entries, uint32_t *out_free)
{
    struct fat32_writing *writing = volume->writing;
    uint32_t free_count = 0;
    for (uint32_t page = 0; page < writing->page_count; page++) {
        if (writing->page_free[page] == FAT32_PAGE_UNKNOWN)
            TRY(page_scan(volume, page, entries, nullptr, &writing->page_free[page]));
        free_count += writing->page_free[page];
    }
    *out_free = free_count;
    return OK;
}

/* Counts, and corrects what was believed before. */
static status count_free(struct fat32_volume *volume)
{
    struct fat32_writing *writing = volume->writing;
    uint32_t *entries = heap_take(FAT32_TABLE_READ * sizeof(*entries));
    if (entries == nullptr) return FAIL(OUT_OF_MEMORY);
    uint32_t free_count;
    status counted = count_pages(volume, entries, &free_count);
    heap_give(entries);
    TRY(counted);
    uint32_t missing = writing->usable > free_count ? writing->usable - free_count : 0;
    uint32_t found = free_count > writing->usable ? free_count - writing->usable : 0;
    writing->usable = free_count;
    writing->is_counted = true;
    fat32_promise_give(volume, found);
    while (missing > 0 && !fat32_promise_take(volume, missing))
        missing = min_of(missing - 1, fat32_free_clusters(volume));
    return OK;
}

/* Whether FSInfo is worth believing: of a clean volume, when counting would take long. */
static bool is_believable(const struct fat32_volume *volume, uint32_t free_count)
{
    bool is_large = (uint64_t)volume->cluster_count * TABLE_ENTRY_BYTES > COUNT_ALWAYS_BYTES;
    return is_large && !volume->writing->was_dirty && free_count <= volume->cluster_count;
}

status fat32_free_load(struct fat32_volume *volume, uint32_t free_clusters)
{
    struct fat32_writing *writing = volume->writing;
    uint32_t free_count, next;
    TRY(fat32_information_read(volume, &free_count, &next));
    if (fat32_is_cluster(volume, next)) writing->hint = next;
    writing->is_counted = free_clusters != FAT32_FREE_UNKNOWN;
    if (writing->is_counted) free_count = free_clusters;
    if (!writing->is_counted && !is_believable(volume, free_count)) return count_free(volume);
    writing->usable = free_count;
    fat32_promise_give(volume, free_count);
    return OK;
}

uint32_t fat32_free_clusters(const struct fat32_volume *volume)
{
    if (volume->writing == nullptr) return 0;
    return atomic_load_explicit(&volume->writing->available, memory_order_relaxed);
}

bool fat32_promise_take(struct fat32_volume *volume, uint32_t count)
{
    if (volume->writing == nullptr) return false;
    _Atomic uint32_t *available = &volume->writing->available;
    uint32_t now = atomic_load_explicit(available, memory_order_relaxed);
    do {
        if (now < count) return false;
    } while (!atomic_compare_exchange_weak_explicit(available, &now, now - count,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void fat32_promise_give(struct fat32_volume *volume, uint32_t count)
{
    atomic_fetch_add_explicit(&volume->writing->available, count, memory_order_relaxed);
}

/* ---- taking and giving ---- */

/* Takes them out of the available ones, if need be after counting. */
static status claim_available(struct fat32_volume *volume, uint32_t count)
{
    if (fat32_promise_take(volume, count)) return OK;
    if (volume->writing->is_counted) return FAIL(NO_SPACE);
    TRY(count_free(volume));
    return fat32_promise_take(volume, count) ? OK : FAIL(NO_SPACE);
}

status fat32_clusters_claim(struct fat32_volume *volume, uint32_t count, bool is_promised)
{
    if (!is_promised) TRY(claim_available(volume, count));
    status claimed = OK;
    if (volume->writing->usable < count) claimed = fat32_checkpoint(volume);
    if (is_ok(claimed) && volume->writing->usable < count) claimed = FAIL(NO_SPACE);
    if (!is_ok(claimed)) fat32_clusters_unclaim(volume, count, is_promised);
    return claimed;
}

void fat32_clusters_unclaim(struct fat32_volume *volume, uint32_t count, bool is_promised)
{
    if (!is_promised) fat32_promise_give(volume, count);
}

/* What a search has come to. */
struct search {
    uint32_t wanted;
    uint32_t stretches_left;
    uint32_t pages_left;
    struct fat32_run best; /* count 0: nothing found yet */
};

static bool is_search_over(const struct search *search)
{
    bool is_tired = search->stretches_left == 0 || search->pages_left == 0;
    return search->best.count >= search->wanted || (is_tired && search->best.count > 0);
}

/* Looks through bits start..end of a page. */
static void search_page(const uint64_t *bits, uint32_t page, uint32_t start, uint32_t end,
                        struct search *search)
{
    while (!is_search_over(search)) {
        uint32_t first = (uint32_t)bitmap_find(bits, end, start, true);
        if (first == end) return;
        start = (uint32_t)bitmap_find(bits, end, first, false);
        uint32_t count = min_of(start - first, search->wanted);
        if (count > search->best.count)
            search->best = (struct fat32_run){0, page * FAT32_PAGE_CLUSTERS + first, count};
        if (search->stretches_left > 0) search->stretches_left--;
    }
}

/* From the hint round to the hint again: its page is looked at from there, and once more at last.
 */
static status search_volume(struct fat32_volume *volume, struct search *search)
{
    struct fat32_writing *writing = volume->writing;
    uint32_t hint_page = writing->hint / FAT32_PAGE_CLUSTERS;
    for (uint32_t i = 0; i <= writing->page_count && !is_search_over(search); i++) {
        uint32_t page = (hint_page + i) % writing->page_count;
        if (writing->page_free[page] == 0) continue;
        TRY(page_load(volume, page));
        uint32_t start = i == 0 ? writing->hint % FAT32_PAGE_CLUSTERS : 0;
        search_page(writing->pages[page], page, start, FAT32_PAGE_CLUSTERS, search);
        if (search->pages_left > 0) search->pages_left--;
    }
    return OK;
}

/* Free clusters from `near` on, as far as they go inside its page. */
static status search_near(struct fat32_volume *volume, uint32_t near, struct search *search)
{
    uint32_t page = near / FAT32_PAGE_CLUSTERS, first = near % FAT32_PAGE_CLUSTERS;
    if (!fat32_is_cluster(volume, near) || volume->writing->page_free[page] == 0) return OK;
    TRY(page_load(volume, page));
    uint32_t end =
        (uint32_t)bitmap_find(volume->writing->pages[page], FAT32_PAGE_CLUSTERS, first, false);
    search->best = (struct fat32_run){0, near, min_of(end - first, search->wanted)};
    return OK;
}

status fat32_clusters_take(struct fat32_volume *volume, uint32_t near, uint32_t wanted,
                           struct fat32_run *out_run)
{
    struct fat32_writing *writing = volume->writing;
    struct search search = {
        .wanted = wanted, .stretches_left = SEARCH_STRETCHES_MAX, .pages_left = SEARCH_PAGES_MAX};
    TRY(search_near(volume, near, &search));
    if (search.best.count == 0) TRY(search_volume(volume, &search));
    struct fat32_run found = search.best;
    if (found.count == 0) {
        TRY(count_free(volume));
        return FAIL(NO_SPACE);
    }
    uint32_t page = found.cluster / FAT32_PAGE_CLUSTERS;
    bitmap_clear_range(writing->pages[page], found.cluster % FAT32_PAGE_CLUSTERS, found.count);
    writing->page_free[page] = (uint16_t)(writing->page_free[page] - found.count);
    writing->usable -= found.count;
    writing->hint = found.cluster + found.count;
    if (writing->hint == clusters_end(volume)) writing->hint = CLUSTER_FIRST;
    *out_run = found;
    return OK;
}

void fat32_cluster_give(struct fat32_volume *volume, uint32_t cluster)
{
    struct fat32_writing *writing = volume->writing;
    uint32_t page = cluster / FAT32_PAGE_CLUSTERS;
    if (writing->pages[page] != nullptr)
        bitmap_set(writing->pages[page], cluster % FAT32_PAGE_CLUSTERS);
    if (writing->page_free[page] != FAT32_PAGE_UNKNOWN) writing->page_free[page]++;
    writing->usable++;
}
