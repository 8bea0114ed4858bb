/*
 * The page cache: handing dirty pages over to the file system.
 *
 *                   put                    begin_run
 *        clean -----------------> dirty -----------------> writing
 *          ^                      ^   ^                     |   |
 *          |                      |   |      it failed      |   | put
 *          |                      |   +---------------------+   v
 *          +----------------------|----- end_run ---------- writing and dirty
 *                 end_run         +------- end_run ------------+
 *
 * A page that is dirty or writing counts in its table and in all, and is not evicted. A table that
 * has such a page, or a `truncate` that failed, is in the list of dirty files with a reference to
 * its vnode; whoever hands over and leaves nothing takes it out.
 */
#include "base/checked.h"
#include "base/container.h"
#include "debug/log.h"
#include "fs/vfs/page_cache_internal.h"
#include "fs/vfs/write_error.h"
#include "sched/scheduler.h"
#include "time/clock.h"

static constexpr uint64_t WRITER_PERIOD_MS = 1000;
static constexpr uint64_t DIRTY_PAGES_MIN = 4 * PAGE_CACHE_WRITE_PAGES;
static constexpr uint32_t ROOM_ATTEMPTS_MAX = 16;

static struct {
    spin_lock lock;                     /* LOCK_RANK_DIRTY_FILES */
    struct list files GUARDED_BY(lock); /* those to be handed over next first */
    uint32_t count GUARDED_BY(lock);
    struct wait_queue writer GUARDED_BY(lock); /* the thread, between its rounds */
    bool is_writer_wanted GUARDED_BY(lock);    /* now, not when its time has come */
    uint64_t pass GUARDED_BY(lock);            /* of page_cache_write_all; ascends */
} dirty = {
    .lock = SPIN_LOCK_INIT(LOCK_RANK_DIRTY_FILES),
    .files = LIST_INIT(dirty.files),
    .writer = {LIST_INIT(dirty.writer.waiters)},
};

static _Atomic uint64_t dirty_pages;          /* dirty or writing; a count, ordered with nothing */
static uint64_t dirty_pages_max = UINT64_MAX; /* fixed after boot */

uint64_t page_cache_dirty_pages(void)
{
    return atomic_load_explicit(&dirty_pages, memory_order_relaxed);
}

bool page_cache_has_room(uint64_t pages)
{
    return page_cache_dirty_pages() + pages <= dirty_pages_max;
}

bool page_cache_is_dirty(struct vnode *vnode)
{
    const struct page_cache *cache = page_cache_find(vnode);
    return cache != nullptr && atomic_load_explicit(&cache->is_listed, memory_order_relaxed);
}

/* ---- the list ---- */

void page_cache_wake_writer(void)
{
    spin_acquire(&dirty.lock);
    dirty.is_writer_wanted = true;
    wait_queue_wake_all(&dirty.writer);
    spin_release(&dirty.lock);
}

void page_cache_list_locked(struct page_cache *cache)
{
    if (atomic_load_explicit(&cache->is_listed, memory_order_relaxed)) return;
    atomic_store_explicit(&cache->is_listed, true, memory_order_relaxed);
    vnode_get(cache->vnode);
    spin_acquire(&dirty.lock);
    list_push_back(&dirty.files, &cache->in_dirty_files);
    cache->listed_in_pass = dirty.pass;
    if (dirty.count++ == 0) wait_queue_wake_all(&dirty.writer);
    spin_release(&dirty.lock);
}

static void unlist_locked(struct page_cache *cache) REQUIRES(cache->lock)
{
    atomic_store_explicit(&cache->is_listed, false, memory_order_relaxed);
    spin_acquire(&dirty.lock);
    list_remove(&cache->in_dirty_files);
    dirty.count--;
    spin_release(&dirty.lock);
}

/* True: it was listed, and the reference that this meant is the caller's now. */
static bool unlist_if_clean(struct page_cache *cache)
{
    spin_acquire(&cache->lock);
    bool is_clean = cache->is_listed && cache->dirty_pages == 0 && !cache->is_cut_due;
    if (is_clean) unlist_locked(cache);
    spin_release(&cache->lock);
    return is_clean;
}

/* ---- pages ---- */

[[gnu::noinline]] static void page_newly_dirty_locked(struct page_cache *cache, uint64_t page)
    REQUIRES(cache->lock)
{
    uint64_t stretch = page / STRETCH_PAGES;
    cache->dirty_first = cache->dirty_pages == 0 ? stretch : min_of(cache->dirty_first, stretch);
    cache->dirty_last = cache->dirty_pages == 0 ? stretch : max_of(cache->dirty_last, stretch);
    cache->dirty_pages++;
    atomic_store_explicit(&cache->vnode->modified_ns, clock_real_ns(), memory_order_relaxed);
    page_cache_list_locked(cache);
    uint64_t before = atomic_fetch_add_explicit(&dirty_pages, 1, memory_order_relaxed);
    if (before == dirty_pages_max / 2) page_cache_wake_writer();
}

void page_dirty_locked(struct page_stretch *stretch, uint64_t page) NO_LOCK_CHECK
{
    uint64_t bit = stretch_bit(page);
    if (unlikely(((stretch->dirty | stretch->writing) & bit) == 0))
        page_newly_dirty_locked(stretch->cache, page);
    stretch->dirty |= bit;
}

void page_undirty_locked(struct page_stretch *stretch, uint64_t page) NO_LOCK_CHECK
{
    uint64_t bit = stretch_bit(page);
    if (((stretch->dirty | stretch->writing) & bit) == 0) return;
    stretch->dirty &= ~bit;
    stretch->writing &= ~bit;
    stretch->cache->dirty_pages--;
    atomic_fetch_sub_explicit(&dirty_pages, 1, memory_order_relaxed);
}

/* ---- runs: consecutive dirty pages ---- */

struct dirty_run {
    uint64_t first;
    uint32_t count;
    physical_address frames[PAGE_CACHE_WRITE_PAGES];
};

/* The first dirty page at or after `page`, below `end`; or `end`. */
static uint64_t find_dirty_locked(const struct page_cache *cache, uint64_t page, uint64_t end)
    REQUIRES(cache->lock)
{
    if (cache->dirty_pages == 0) return end;
    page = max_of(page, cache->dirty_first * STRETCH_PAGES);
    end = min_of(end, (cache->dirty_last + 1) * STRETCH_PAGES);
    while (page < end) {
        const struct page_stretch *stretch = cache->stretches[page / STRETCH_PAGES];
        uint64_t bits = stretch == nullptr ? 0 : stretch->dirty >> page % STRETCH_PAGES;
        if (bits != 0) return min_of(page + (uint64_t)__builtin_ctzll(bits), end);
        page = round_down(page, STRETCH_PAGES) + STRETCH_PAGES;
    }
    return end;
}

/* Takes the next run at or after `page`: what was dirty is being written. False: there is none. */
static bool begin_run(struct page_cache *cache, uint64_t page, uint64_t end, struct dirty_run *run)
{
    run->count = 0;
    spin_acquire(&cache->lock);
    run->first = find_dirty_locked(cache, page, end);
    for (page = run->first; page < end && run->count < PAGE_CACHE_WRITE_PAGES; page++) {
        struct page_stretch *stretch = stretch_of_locked(cache, page);
        if (stretch == nullptr || (stretch->dirty & stretch_bit(page)) == 0) break;
        stretch->dirty &= ~stretch_bit(page);
        stretch->writing |= stretch_bit(page);
        run->frames[run->count++] =
            physical_at(stretch->entries[page % STRETCH_PAGES] & ~ENTRY_FLAGS);
    }
    spin_release(&cache->lock);
    return run->count > 0;
}

static void end_run(struct page_cache *cache, const struct dirty_run *run,
                    bool is_written) NO_LOCK_CHECK
{
    spin_acquire(&cache->lock);
    for (uint64_t page = run->first; page < run->first + run->count; page++) {
        struct page_stretch *stretch = stretch_of_locked(cache, page);
        if (!is_written) stretch->dirty |= stretch_bit(page);
        if ((stretch->dirty & stretch_bit(page)) == 0)
            page_undirty_locked(stretch, page);
        else
            stretch->writing &= ~stretch_bit(page);
    }
    spin_release(&cache->lock);
}

/* ---- giving up ---- */

/*
 * What could not be written is dropped, and with it, if the file system has not so much of the
 * file, all that follows. That makes the file shorter without write_lock, which comes before
 * fill_lock: so whoever has write_lock may find the file shorter than it was. Putting checks the
 * size under the table's lock and answers OUT_OF_RANGE; cutting looks at it again under fill_lock.
 * The file never becomes shorter than what is stored, so direct transfers under way are not
 * concerned.
 */
static void give_up_run(struct page_cache *cache, const struct dirty_run *run, status why)
    REQUIRES(cache->vnode->fill_lock)
{
    const struct vnode *vnode = cache->vnode;
    uint64_t end = run->first + run->count;
    bool is_behind = end * PAGE_BYTES > cache->stored_bytes;
    log_line("files", "volume %llu, file %llx: %u pages from page %llu on are lost: status %u%s",
             (unsigned long long)vnode->volume_number, (unsigned long long)vnode->identity,
             run->count, (unsigned long long)run->first, why.code,
             is_behind ? ", and what follows" : "");
    if (is_behind) page_cache_set_end(cache, min_of(cache->stored_bytes, vnode->size_bytes));
    page_cache_drop(cache, run->first, is_behind ? UINT64_MAX : end, true);
}

/* ---- handing over ---- */

static status write_run(struct page_cache *cache, const struct dirty_run *run)
    REQUIRES(cache->vnode->fill_lock)
{
    struct vnode *vnode = cache->vnode;
    status outcome = vnode->operations->write_pages(vnode, run->first, run->count, run->frames);
    end_run(cache, run, is_ok(outcome));
    if (!is_ok(outcome)) {
        write_error_keep(vnode, outcome);
        return outcome;
    }
    uint64_t size = atomic_load_explicit(&vnode->size_bytes, memory_order_relaxed);
    uint64_t stored = min_of(size, (run->first + run->count) * PAGE_BYTES);
    cache->stored_bytes = max_of(cache->stored_bytes, stored);
    return OK;
}

/* Hands over what is dirty in first..end, once; stops at the first failure, unless it gives up. */
static status write_pages(struct page_cache *cache, uint64_t first, uint64_t end, bool gives_up)
    REQUIRES(cache->vnode->fill_lock)
{
    status outcome = OK;
    struct dirty_run run;
    while (begin_run(cache, first, end, &run)) {
        status written = write_run(cache, &run);
        if (!is_ok(written)) {
            outcome = written;
            if (!gives_up) break;
            give_up_run(cache, &run, written);
        }
        first = run.first + run.count;
    }
    return outcome;
}

/* A `truncate` that failed comes before pages that would make the file longer again. */
static status finish_cut(struct page_cache *cache) REQUIRES(cache->vnode->fill_lock)
{
    struct vnode *vnode = cache->vnode;
    spin_acquire(&cache->lock);
    bool is_due = cache->is_cut_due;
    spin_release(&cache->lock);
    if (!is_due) return OK;
    status outcome = vnode->operations->truncate(vnode, cache->stored_bytes);
    if (!is_ok(outcome)) {
        write_error_keep(vnode, outcome);
        return outcome;
    }
    spin_acquire(&cache->lock);
    cache->is_cut_due = false;
    spin_release(&cache->lock);
    return OK;
}

/* Whose size is behind what is stored, and what follows, grows from there on. */
status page_cache_write_range(struct vnode *vnode, uint64_t first, uint64_t end) NO_LOCK_CHECK
{
    struct page_cache *cache = page_cache_find(vnode);
    TRY(finish_cut(cache));
    if (end * PAGE_BYTES > cache->stored_bytes)
        first = min_of(first, cache->stored_bytes / PAGE_BYTES);
    return write_pages(cache, first, end, false);
}

/* All that is dirty now: whoever writes on does not keep us. */
static status write_all_of(struct page_cache *cache, bool is_background)
    REQUIRES(cache->vnode->fill_lock)
{
    bool gives_up = is_background && cache->failures + 1 >= PAGE_CACHE_WRITE_ATTEMPTS;
    uint64_t size = atomic_load_explicit(&cache->vnode->size_bytes, memory_order_relaxed);
    status outcome = finish_cut(cache);
    if (is_ok(outcome) || gives_up)
        outcome = write_pages(cache, 0, size / PAGE_BYTES + 1, gives_up);
    if (is_ok(outcome) || gives_up)
        cache->failures = 0;
    else if (is_background)
        cache->failures++;
    return outcome;
}

static status write_file(struct vnode *vnode, bool is_background) NO_LOCK_CHECK
{
    struct page_cache *cache = page_cache_find(vnode);
    if (cache == nullptr) return OK;
    mutex_acquire(&vnode->fill_lock);
    status outcome = write_all_of(cache, is_background);
    bool was_listed = unlist_if_clean(cache);
    mutex_release(&vnode->fill_lock);
    if (was_listed) vnode_put(vnode); /* not the last: the caller has one */
    return outcome;
}

status page_cache_write(struct vnode *vnode)
{
    return write_file(vnode, false);
}

/* ---- many files ---- */

/* The dirty file whose turn it is, with a reference, or nullptr. */
static struct vnode *next_in_turn(void)
{
    struct vnode *vnode = nullptr;
    spin_acquire(&dirty.lock);
    struct list *link = list_take_front(&dirty.files);
    if (link != nullptr) {
        list_push_back(&dirty.files, link);
        vnode = list_entry(link, struct page_cache, in_dirty_files)->vnode;
        vnode_get(vnode);
    }
    spin_release(&dirty.lock);
    return vnode;
}

/* One that was dirty before the pass began and has not been seen in it. */
static struct vnode *next_in_pass(uint64_t pass, uint64_t volume_number)
{
    struct page_cache *cache;
    struct vnode *found = nullptr;
    spin_acquire(&dirty.lock);
    list_for_each (cache, &dirty.files, in_dirty_files) {
        bool is_wanted =
            volume_number == VOLUME_ANY || cache->vnode->volume_number == volume_number;
        if (!is_wanted || cache->listed_in_pass >= pass) continue;
        cache->listed_in_pass = pass;
        found = cache->vnode;
        vnode_get(found);
        break;
    }
    spin_release(&dirty.lock);
    return found;
}

/* One pass at a time, or one would take what the other has begun for done. */
static mutex pass_lock;

static uint64_t begin_pass(void)
{
    spin_acquire(&dirty.lock);
    uint64_t pass = ++dirty.pass;
    spin_release(&dirty.lock);
    return pass;
}

uint32_t page_cache_write_all(uint64_t volume_number)
{
    uint32_t failures = 0;
    mutex_acquire(&pass_lock);
    uint64_t pass = begin_pass();
    struct vnode *vnode;
    while ((vnode = next_in_pass(pass, volume_number)) != nullptr) {
        if (!is_ok(page_cache_write(vnode))) failures++;
        vnode_put(vnode);
    }
    mutex_release(&pass_lock);
    return failures;
}

/* Hands over the pages of one file, whichever has waited longest. False: there is none. */
static bool write_next(bool is_background)
{
    struct vnode *vnode = next_in_turn();
    if (vnode == nullptr) return false;
    /* The status is kept for those who have the file open. */
    ignore_status(write_file(vnode, is_background));
    vnode_put(vnode);
    return true;
}

status page_cache_make_room(struct vnode *vnode, uint64_t pages)
{
    for (uint32_t i = 0; i < ROOM_ATTEMPTS_MAX && !page_cache_has_room(pages); i++) {
        TRY(page_cache_write(vnode));
        if (!page_cache_has_room(pages)) write_next(false);
    }
    return page_cache_has_room(pages) ? OK : FAIL(OUT_OF_MEMORY);
}

/* ---- files without names ---- */

static bool is_removed(const struct vnode *vnode)
{
    /* Pairs with the release of whoever took the last name away. */
    return atomic_load_explicit(&vnode->is_removed, memory_order_acquire);
}

static constexpr uint32_t REFERENCES_OF_THE_LAST = 2; /* the list's, and the caller's */

bool page_cache_forget_removed(struct vnode *vnode)
{
    struct page_cache *cache = page_cache_find(vnode);
    if (cache == nullptr || !is_removed(vnode)) return false;
    spin_acquire(&cache->lock);
    /* Nobody gets a new reference to what has no name, except from these two. */
    bool is_last =
        cache->is_listed &&
        atomic_load_explicit(&vnode->references, memory_order_acquire) == REFERENCES_OF_THE_LAST;
    if (is_last) unlist_locked(cache);
    spin_release(&cache->lock);
    if (is_last) vnode_put(vnode);
    return is_last;
}

/* ---- the writer thread ---- */

/* Sleeps while nothing is dirty, and then until it is time. */
static uint32_t await_round(void)
{
    spin_acquire(&dirty.lock);
    while (dirty.count == 0)
        ignore_status(wait_queue_sleep(&dirty.writer, &dirty.lock, deadline_never(), false));
    deadline next = deadline_in_ms(WRITER_PERIOD_MS);
    while (!dirty.is_writer_wanted && !deadline_passed(next))
        ignore_status(wait_queue_sleep(&dirty.writer, &dirty.lock, next, false));
    dirty.is_writer_wanted = false;
    uint32_t count = dirty.count;
    spin_release(&dirty.lock);
    return count;
}

static void writer_round(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct vnode *vnode = next_in_turn();
        if (vnode == nullptr) return;
        /* What has no name is written only to make room. */
        bool is_needed = !is_removed(vnode) || !page_cache_has_room(dirty_pages_max / 2);
        if (!page_cache_forget_removed(vnode) && is_needed)
            ignore_status(write_file(vnode, true)); /* kept for those who have the file open */
        vnode_put(vnode);
    }
}

[[noreturn]] static void writer_loop(void *argument)
{
    (void)argument;
    for (;;)
        writer_round(await_round());
}

void page_cache_init_writing(uint64_t pages_max)
{
    dirty_pages_max = max_of(pages_max, DIRTY_PAGES_MIN);
    mutex_init(&pass_lock, LOCK_RANK_WRITE_PASS);
}

status page_cache_start_writer(void)
{
    thread_result made = thread_create(&(struct thread_options){
        .entry = writer_loop, .name = "page writer", .priority = THREAD_PRIORITY_WORKER});
    TRY(made.status);
    thread_start(made.value);
    thread_put(made.value);
    return OK;
}
