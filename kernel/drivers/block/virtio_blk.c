/*
 * Virtio disks: Virtual I/O Device (VIRTIO) 1.2, section 5.2; section numbers are its own.
 *
 *            bring_up                    misbehaves, or a request takes too long
 *   o ---------------------> WORKING <--------------------------------> RECOVERING
 *                                       reset and brought up again          |
 *                                                                           | does not come back,
 *                                                                           v or too often
 *                                                                         GONE
 *
 *   WORKING     requests go to the device
 *   RECOVERING  a worker resets the device; requests wait
 *   GONE        every request completes with IO_ERROR
 *
 * A request waits until a *slot* is free and keeps it to its end. The slot holds the header and the
 * status byte that the device reads and writes, and gives the device the request slice by slice
 * (block_slice.h). After a reset, requests that did not take too long themselves are started again
 * from the slice they were in: reading or writing the same sectors twice does no harm.
 *
 * Locking: `lock` (LOCK_RANK_DEVICE) guards state, slots and lists, and the queue while WORKING. In
 * RECOVERING the queue and the registers are the worker's alone. Requests complete without the
 * lock.
 */
#include "arch/arch/cpu.h"
#include "base/checked.h"
#include "base/format.h"
#include "debug/log.h"
#include "drivers/block/block_init.h"
#include "drivers/block/block_slice.h"
#include "drivers/bus/virtio_pci.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include "mm/heap.h"
#include "sched/worker.h"
#include "time/timer_queue.h"

/* 5.2.3 */
#define FEATURE_SIZE_MAX  (1ull << 1)
#define FEATURE_SEG_MAX   (1ull << 2)
#define FEATURE_READ_ONLY (1ull << 5)
#define FEATURE_BLK_SIZE  (1ull << 6)
#define FEATURE_FLUSH     (1ull << 9)
#define FEATURES_WANTED \
    (FEATURE_SIZE_MAX | FEATURE_SEG_MAX | FEATURE_READ_ONLY | FEATURE_BLK_SIZE | FEATURE_FLUSH)

/* 5.2.4: offsets in the device's configuration */
#define CONFIG_CAPACITY 0
#define CONFIG_SIZE_MAX 8
#define CONFIG_SEG_MAX  12
#define CONFIG_BLK_SIZE 20

/* 5.2.6 */
#define REQUEST_READ  0u
#define REQUEST_WRITE 1u
#define REQUEST_FLUSH 4u
#define RESULT_OK     0u
#define RESULT_NONE   0xffu /* ours: the device has written nothing yet */

static constexpr uint32_t UNIT_BYTES = 512; /* of every sector number on the wire: 5.2.4 */
static constexpr uint32_t SLOT_COUNT = 128;
static constexpr uint32_t CHAIN_OVERHEAD = 2; /* header and status */
static constexpr uint32_t REQUEST_BYTES_MAX = 1u << 20;
static constexpr uint64_t WATCH_MS = 1000;
/* A device that needs more resets than this within the time is given up. */
static constexpr uint32_t RECOVERIES_MAX = 8;
static constexpr uint64_t RECOVERIES_MS = 600'000;
static constexpr uint16_t QUEUE_VECTOR = 0;
static constexpr uint16_t DEVICE_ID_TRANSITIONAL = 0x1001; /* may be modern too: 4.1.2.1 */

/* What the device reads and writes besides the data. */
struct slot_memory {
    uint32_t type;
    uint32_t reserved;
    uint64_t unit; /* in units of 512 bytes */
    _Atomic uint8_t result;
    uint8_t padding[15];
};
static_assert(sizeof(struct slot_memory) == 32 && offsetof(struct slot_memory, result) == 16,
              "hardware layout");
static_assert(sizeof(struct slot_memory) * SLOT_COUNT <= PAGE_BYTES, "one frame");

struct slot {
    struct list link; /* in `free_slots` or `ready_slots`; in none while the device has it */
    struct block_request *request;
    struct block_cursor cursor;
    uint32_t slice_bytes; /* with the device */
    bool is_with_device;
    deadline limit; /* for the slice with the device */
};

enum disk_state : uint8_t { DISK_WORKING, DISK_RECOVERING, DISK_GONE };

struct disk {
    struct block_device device;

    /* Fixed when brought up. */
    uint64_t features;
    struct block_limits limits;
    struct slot_memory *slot_memory; /* one frame, SLOT_COUNT of them */

    struct virtio_device virtio;
    struct virtio_queue queue;

    spin_lock lock;
    enum disk_state state GUARDED_BY(lock);
    struct list waiting GUARDED_BY(lock);     /* requests without a slot, oldest first */
    struct list ready_slots GUARDED_BY(lock); /* with a slice for the device, oldest first */
    struct list free_slots GUARDED_BY(lock);
    uint32_t recoveries GUARDED_BY(lock); /* until `forgiven` */
    deadline forgiven GUARDED_BY(lock);
    bool is_watched GUARDED_BY(lock); /* `watch` is armed */
    struct slot slots[SLOT_COUNT];
    struct timer watch;
    struct work recovery;
};

/* ---- completing ---- */

/* What remains to be done when the lock has been released: conclude(). */
struct aftermath {
    struct list finished; /* requests, with their outcome in driver_data */
    bool must_notify;
};

static void aftermath_init(struct aftermath *after)
{
    list_init(&after->finished);
    after->must_notify = false;
}

/* Notes the outcome; the request completes in conclude(), without the lock. */
static void finish_locked(struct disk *disk, struct block_request *request, status outcome,
                          struct aftermath *after) REQUIRES(disk->lock)
{
    if (!is_ok(outcome)) atomic_fetch_add_explicit(&disk->device.errors, 1, memory_order_relaxed);
    request->driver_data = (void *)(uintptr_t)outcome.code;
    list_push_back(&after->finished, &request->link);
}

static void finish_slot_locked(struct disk *disk, struct slot *slot, status outcome,
                               struct aftermath *after) REQUIRES(disk->lock)
{
    finish_locked(disk, slot->request, outcome, after);
    slot->request = nullptr;
    slot->is_with_device = false;
    list_push_front(&disk->free_slots, &slot->link);
}

/* Notifying the device costs a way out of the virtual machine: nobody spins for the lock meanwhile.
 */
static void conclude(struct disk *disk, struct aftermath *after)
{
    if (after->must_notify) virtio_notify(&disk->virtio, &disk->queue);
    struct list *member;
    while ((member = list_take_front(&after->finished)) != nullptr) {
        struct block_request *request = list_entry(member, struct block_request, link);
        status outcome = {(enum status_code)(uintptr_t)request->driver_data};
        request->completed(request, outcome);
    }
}

/* ---- giving work to the device ---- */

static physical_address slot_address(const struct disk *disk, const struct slot *slot)
{
    return direct_map_reverse(&disk->slot_memory[slot - disk->slots]);
}

static uint32_t request_type(enum block_direction direction)
{
    switch (direction) {
    case BLOCK_READ:
        return REQUEST_READ;
    case BLOCK_WRITE:
        return REQUEST_WRITE;
    case BLOCK_FLUSH:
        return REQUEST_FLUSH;
    }
    return REQUEST_FLUSH; /* not reached: block_request_check() let it pass */
}

enum push_outcome : uint8_t { PUSH_DONE, PUSH_NO_ROOM, PUSH_IMPOSSIBLE };

/* Adds a chain for the slot's next slice: header, data, status byte: 5.2.6. */
static enum push_outcome push_slice_locked(struct disk *disk, struct slot *slot)
    REQUIRES(disk->lock)
{
    const struct block_request *request = slot->request;
    struct block_slice slice;
    block_slice_cut(request, &slot->cursor, &disk->limits, &slice);
    bool is_flush = request->direction == BLOCK_FLUSH;
    if (slice.bytes == 0 && !is_flush) return PUSH_IMPOSSIBLE;

    struct virtqueue_segment segments[BLOCK_SLICE_SEGMENTS_MAX + CHAIN_OVERHEAD];
    physical_address memory = slot_address(disk, slot);
    uint16_t count = 0;
    segments[count++] = (struct virtqueue_segment){memory, offsetof(struct slot_memory, result)};
    for (uint16_t i = 0; i < slice.segment_count; i++)
        segments[count++] = slice.segments[i];
    segments[count++] =
        (struct virtqueue_segment){physical_add(memory, offsetof(struct slot_memory, result)), 1};

    struct slot_memory *shared = &disk->slot_memory[slot - disk->slots];
    uint64_t units_per_sector = disk->device.sector_bytes / UNIT_BYTES;
    shared->type = request_type(request->direction);
    shared->reserved = 0;
    shared->unit =
        is_flush ? 0
                 : request->first_sector * units_per_sector + slot->cursor.done_bytes / UNIT_BYTES;
    atomic_store_explicit(&shared->result, RESULT_NONE, memory_order_relaxed);
    uint16_t readable = request->direction == BLOCK_READ ? 1 : (uint16_t)(count - 1);
    if (!virtqueue_add(&disk->queue.ring, segments, count, readable, slot)) return PUSH_NO_ROOM;

    slot->slice_bytes = slice.bytes;
    slot->is_with_device = true;
    slot->limit = deadline_in_ms(BLOCK_TIMEOUT_MS);
    return PUSH_DONE;
}

/* Gives waiting requests free slots. */
static void fill_slots_locked(struct disk *disk) REQUIRES(disk->lock)
{
    while (!list_is_empty(&disk->waiting) && !list_is_empty(&disk->free_slots)) {
        struct slot *slot = list_entry(list_take_front(&disk->free_slots), struct slot, link);
        slot->request = list_entry(list_take_front(&disk->waiting), struct block_request, link);
        slot->cursor = (struct block_cursor){0};
        list_push_back(&disk->ready_slots, &slot->link);
    }
}

/* Gives the device as much as it takes. */
static void pump_locked(struct disk *disk, struct aftermath *after) REQUIRES(disk->lock)
{
    if (disk->state != DISK_WORKING) return;
    bool has_added = false;
    for (;;) {
        fill_slots_locked(disk);
        if (list_is_empty(&disk->ready_slots)) break;
        struct slot *slot = list_entry(disk->ready_slots.next, struct slot, link);
        enum push_outcome pushed = push_slice_locked(disk, slot);
        if (pushed == PUSH_NO_ROOM) break;
        list_remove(&slot->link);
        if (pushed == PUSH_DONE)
            has_added = true;
        else
            finish_slot_locked(disk, slot, FAIL(IO_ERROR), after);
    }
    if (!has_added) return;
    if (virtqueue_publish(&disk->queue.ring)) after->must_notify = true;
    if (!disk->is_watched) {
        disk->is_watched = true;
        timer_arm(&disk->watch, deadline_in_ms(WATCH_MS));
    }
}

static void disk_submit(struct block_device *device, struct block_request *request)
{
    struct disk *disk = device->driver;
    struct aftermath after;
    aftermath_init(&after);
    block_device_count_request(device, request);
    status checked = block_request_check(device, request);
    /* Without the feature every write is durable when it completes: 5.2.6.2. */
    bool is_done = is_ok(checked) && request->direction == BLOCK_FLUSH &&
                   (disk->features & FEATURE_FLUSH) == 0;

    spin_acquire(&disk->lock);
    if (is_done || !is_ok(checked))
        finish_locked(disk, request, checked, &after);
    else if (disk->state == DISK_GONE)
        finish_locked(disk, request, FAIL(IO_ERROR), &after);
    else
        list_push_back(&disk->waiting, &request->link);
    pump_locked(disk, &after);
    spin_release(&disk->lock);
    conclude(disk, &after);
}

/* ---- what the device answers ---- */

/*
 * What a slice that came back amounts to. A read that wrote less than it says would show whoever
 * asked what was in the memory before.
 */
static status judge_slice(struct disk *disk, const struct slot *slot, uint32_t written_bytes)
{
    struct slot_memory *shared = &disk->slot_memory[slot - disk->slots];
    uint8_t result = atomic_load_explicit(&shared->result, memory_order_relaxed);
    if (result != RESULT_OK) return FAIL(IO_ERROR);
    bool is_short = slot->request->direction == BLOCK_READ && written_bytes < slot->slice_bytes + 1;
    return is_short ? FAIL(IO_ERROR) : OK;
}

static void slice_done_locked(struct disk *disk, struct slot *slot, uint32_t written_bytes,
                              struct aftermath *after) REQUIRES(disk->lock)
{
    status outcome = judge_slice(disk, slot, written_bytes);
    slot->is_with_device = false;
    block_cursor_advance(slot->request, &slot->cursor, slot->slice_bytes);
    uint64_t wanted = (uint64_t)slot->request->sector_count * disk->device.sector_bytes;
    if (!is_ok(outcome) || slot->cursor.done_bytes == wanted)
        finish_slot_locked(disk, slot, outcome, after);
    else
        list_push_back(&disk->ready_slots, &slot->link);
}

static void recover(struct work *work);

static void begin_recovery_locked(struct disk *disk, const char *why) REQUIRES(disk->lock)
{
    if (disk->state != DISK_WORKING) return;
    disk->state = DISK_RECOVERING;
    if (deadline_passed(disk->forgiven)) {
        disk->recoveries = 0;
        disk->forgiven = deadline_in_ms(RECOVERIES_MS);
    }
    disk->recoveries++;
    log_line("virtio-blk", "%.*s: %s: resetting it",
             TEXT_ARGUMENTS(block_device_name(&disk->device)), why);
    work_submit(work_queue_shared(), &disk->recovery, recover);
}

static void reap_locked(struct disk *disk, struct aftermath *after) REQUIRES(disk->lock)
{
    if (disk->state != DISK_WORKING) return;
    for (;;) {
        void *token;
        uint32_t written_bytes;
        switch (virtqueue_reap(&disk->queue.ring, &token, &written_bytes)) {
        case VIRTQUEUE_NOTHING:
            return;
        case VIRTQUEUE_CHAIN:
            slice_done_locked(disk, token, written_bytes, after);
            break;
        case VIRTQUEUE_BROKEN:
            begin_recovery_locked(disk, "broke the rules of its queue");
            return;
        }
    }
}

static void disk_interrupt(void *argument)
{
    struct disk *disk = argument;
    struct aftermath after;
    aftermath_init(&after);
    spin_acquire(&disk->lock);
    reap_locked(disk, &after);
    pump_locked(disk, &after);
    spin_release(&disk->lock);
    conclude(disk, &after);
}

struct flight {
    bool is_any;
    bool is_late;
};

static struct flight look_at_flight_locked(const struct disk *disk) REQUIRES(disk->lock)
{
    struct flight flight = {0};
    for (uint32_t i = 0; i < SLOT_COUNT; i++) {
        if (!disk->slots[i].is_with_device) continue;
        flight.is_any = true;
        flight.is_late = flight.is_late || deadline_passed(disk->slots[i].limit);
    }
    return flight;
}

/* Once a second while the device has work: also finds what an interrupt that was lost announced. */
static void disk_watch(struct timer *timer)
{
    struct disk *disk = container_of(timer, struct disk, watch);
    struct aftermath after;
    aftermath_init(&after);
    spin_acquire(&disk->lock);
    disk->is_watched = false;
    reap_locked(disk, &after);
    struct flight flight = look_at_flight_locked(disk);
    if (disk->state == DISK_WORKING && flight.is_any) {
        if (flight.is_late)
            begin_recovery_locked(disk, "did not answer in time");
        else if (virtio_needs_reset(&disk->virtio))
            begin_recovery_locked(disk, "is in trouble or gone");
    }
    pump_locked(disk, &after);
    if (disk->state == DISK_WORKING && flight.is_any && !disk->is_watched) {
        disk->is_watched = true;
        timer_arm(&disk->watch, deadline_in_ms(WATCH_MS));
    }
    spin_release(&disk->lock);
    conclude(disk, &after);
}

/* ---- bringing it up, and up again ---- */

static status start_device(struct disk *disk)
{
    TRY(virtio_negotiate(&disk->virtio, FEATURES_WANTED));
    TRY(virtio_queue_start(&disk->virtio, &disk->queue, 0, VIRTQUEUE_SIZE_MAX, QUEUE_VECTOR));
    return disk->queue.ring.size > CHAIN_OVERHEAD ? OK : FAIL(IO_ERROR);
}

/* The device is stopped: what it had is ours again. Late requests end, others are started again. */
static void take_back_locked(struct disk *disk, struct aftermath *after) REQUIRES(disk->lock)
{
    struct slot *slot;
    while ((slot = virtqueue_take_back(&disk->queue.ring)) != nullptr) {
        if (deadline_passed(slot->limit)) {
            finish_slot_locked(disk, slot, FAIL(TIMED_OUT), after);
        } else {
            slot->is_with_device = false;
            list_push_back(&disk->ready_slots, &slot->link);
        }
    }
}

static void give_up_locked(struct disk *disk, struct aftermath *after) REQUIRES(disk->lock)
{
    disk->state = DISK_GONE;
    log_line("virtio-blk", "%.*s: given up", TEXT_ARGUMENTS(block_device_name(&disk->device)));
    struct list *member;
    while ((member = list_take_front(&disk->ready_slots)) != nullptr)
        finish_slot_locked(disk, list_entry(member, struct slot, link), FAIL(IO_ERROR), after);
    while ((member = list_take_front(&disk->waiting)) != nullptr)
        finish_locked(disk, list_entry(member, struct block_request, link), FAIL(IO_ERROR), after);
}

static void recover(struct work *work)
{
    struct disk *disk = container_of(work, struct disk, recovery);
    struct aftermath after;
    aftermath_init(&after);
    bool is_stopped = virtio_reset(&disk->virtio);

    spin_acquire(&disk->lock);
    take_back_locked(disk, &after);
    bool may_try = is_stopped && disk->recoveries <= RECOVERIES_MAX;
    spin_release(&disk->lock);

    bool is_up = may_try && is_ok(start_device(disk)) && disk->virtio.features == disk->features;
    if (is_up)
        virtio_start(&disk->virtio);
    else
        virtio_fail(&disk->virtio);
    spin_acquire(&disk->lock);
    if (is_up)
        disk->state = DISK_WORKING;
    else
        give_up_locked(disk, &after);
    pump_locked(disk, &after);
    spin_release(&disk->lock);
    conclude(disk, &after);
}

static status read_config32(struct disk *disk, uint64_t feature, uint32_t offset,
                            uint32_t *in_out_value)
{
    if ((disk->features & feature) == 0) return OK;
    return virtio_read_config(&disk->virtio, offset, in_out_value, sizeof(*in_out_value));
}

static bool is_sector_size(uint32_t bytes)
{
    return bytes >= BLOCK_SECTOR_BYTES_MIN && bytes <= BLOCK_SECTOR_BYTES_MAX &&
           (bytes & (bytes - 1)) == 0;
}

/* Size and limits; what makes no sense is replaced by what always works, or refused. */
static status read_geometry(struct disk *disk)
{
    uint64_t units = 0;
    uint32_t sector_bytes = UNIT_BYTES;
    uint32_t segment_bytes = 0;
    uint32_t segments = 1; /* without the feature the device promises no more */
    TRY(virtio_read_config(&disk->virtio, CONFIG_CAPACITY, &units, sizeof(units)));
    TRY(read_config32(disk, FEATURE_BLK_SIZE, CONFIG_BLK_SIZE, &sector_bytes));
    TRY(read_config32(disk, FEATURE_SIZE_MAX, CONFIG_SIZE_MAX, &segment_bytes));
    TRY(read_config32(disk, FEATURE_SEG_MAX, CONFIG_SEG_MAX, &segments));

    if (!is_sector_size(sector_bytes)) sector_bytes = UNIT_BYTES;
    if (units > UINT64_MAX / UNIT_BYTES) return FAIL(IO_ERROR);
    uint32_t room = min_of(disk->queue.ring.size - CHAIN_OVERHEAD, BLOCK_SLICE_SEGMENTS_MAX);
    uint32_t segments_max = min_of(segments, room);
    disk->limits = (struct block_limits){
        .segments_max = max_of(segments_max, 1u),
        .segment_bytes_max = segment_bytes == 0 ? UINT32_MAX : segment_bytes,
        .sector_bytes = sector_bytes,
    };
    disk->device.sector_bytes = sector_bytes;
    disk->device.sector_count = units / (sector_bytes / UNIT_BYTES);
    disk->device.sectors_per_request_max = REQUEST_BYTES_MAX / sector_bytes;
    disk->device.is_read_only = (disk->features & FEATURE_READ_ONLY) != 0;
    return OK;
}

static void init_disk(struct disk *disk, physical_address slot_memory)
{
    spin_lock_init(&disk->lock, LOCK_RANK_DEVICE);
    spin_acquire(&disk->lock);
    list_init(&disk->waiting);
    list_init(&disk->ready_slots);
    list_init(&disk->free_slots);
    disk->slot_memory = direct_map(slot_memory);
    for (uint32_t i = 0; i < SLOT_COUNT; i++)
        list_push_back(&disk->free_slots, &disk->slots[i].link);
    spin_release(&disk->lock);
    timer_init(&disk->watch, disk_watch);
    disk->device.submit = disk_submit;
    disk->device.driver = disk;
}

static status bring_up(struct disk *disk, struct pci_function *function, uint32_t number)
{
    TRY(virtio_open(&disk->virtio, function));
    TRY(pci_msix_set(function, QUEUE_VECTOR, disk_interrupt, disk, number % cpu_count()));
    TRY(start_device(disk));
    disk->features = disk->virtio.features;
    TRY(read_geometry(disk));
    struct text_writer name = TEXT_WRITER(disk->device.name);
    text_format(&name, "virtio%u", number);
    virtio_start(&disk->virtio);
    return block_device_register(&disk->device);
}

/* The disk's memory stays even when this fails: the device may have been told of it. */
static struct disk *try_function(struct pci_function *function, uint32_t number)
{
    struct disk *disk = heap_take_zeroed(sizeof(*disk));
    if (disk == nullptr) return nullptr;
    frame_result memory = frame_pool_take_zeroed(nullptr);
    if (!is_ok(memory.status)) {
        heap_give(disk);
        return nullptr;
    }
    init_disk(disk, memory.value);
    status outcome = bring_up(disk, function, number);
    if (is_ok(outcome)) return disk;
    log_line("virtio-blk", "%02x:%02x.%x does not work (status %u)", function->place.bus,
             function->place.device, function->place.function, outcome.code);
    if (disk->virtio.common != nullptr) virtio_fail(&disk->virtio);
    return nullptr;
}

static bool is_virtio_blk(const struct pci_function *function)
{
    return function->vendor_id == VIRTIO_VENDOR_ID &&
           (function->device_id == VIRTIO_DEVICE_ID(VIRTIO_TYPE_BLOCK) ||
            function->device_id == DEVICE_ID_TRANSITIONAL);
}

void virtio_blk_init(void)
{
    uint32_t number = 0;
    for (uint32_t i = 0; i < pci_function_count(); i++) {
        struct pci_function *function = pci_function_at(i);
        if (!is_virtio_blk(function)) continue;
        struct disk *disk = try_function(function, number);
        if (disk == nullptr) continue;
        number++;
        uint32_t partitions = block_device_find_partitions(&disk->device);
        log_line("virtio-blk", "%.*s: %s%llu sectors of %u bytes, %u partition%s",
                 TEXT_ARGUMENTS(block_device_name(&disk->device)),
                 disk->device.is_read_only ? "read-only, " : "",
                 (unsigned long long)disk->device.sector_count, disk->device.sector_bytes,
                 partitions, partitions == 1 ? "" : "s");
    }
}
