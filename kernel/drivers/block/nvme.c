/*
 * NVMe disks: NVM Express Base Specification 2.0 ("base") and NVM Command Set Specification 1.0
 * ("nvm"); section numbers are theirs.
 *
 * A controller has a pair of queues for each processor, or as many as it grants; a request goes to
 * the pair of the processor that submits it and its completion is told there. What is on a
 * controller is its namespaces, each a block device.
 *
 *            bring_up                    misbehaves, or a request takes too long
 *   o ---------------------> WORKING <--------------------------------> RECOVERING
 *                                       reset and brought up again          |
 *                                                                           | does not come back,
 *                                                                           v or too often
 *                                                                         GONE
 *
 *   WORKING     requests go to the controller: all pairs are OPEN
 *   RECOVERING  a worker resets it; pair by pair is CLOSED, and requests wait there
 *   GONE        every request completes with IO_ERROR: all pairs are GONE
 *
 * A request waits until a *slot* of its pair is free and keeps it to its end; the slot's number is
 * the id of its commands. There are no more slots than the queue takes commands, so what has a slot
 * is with the controller, except in RECOVERING. A request that is no single command (nvme_prp.h) is
 * done command by command. After a reset, requests that did not take too long themselves are
 * started again with the command they were at: reading or writing the same sectors twice does no
 * harm.
 *
 * Completions are found by the interrupt of the pair's vector, which may be shared, and where the
 * controller has no message interrupts by a timer; the same timer, going slower, looks for what
 * takes too long.
 *
 * Locking: each pair's `lock` (LOCK_RANK_DEVICE) guards the pair; nobody has two. The controller's
 * state is atomic: whoever moves it from WORKING to RECOVERING has the worker run, and from there
 * on, until it moves it back, the registers (but for doorbells) and the queues of pairs that are
 * CLOSED are the worker's alone. Requests complete without a lock.
 */
#include "arch/arch/cpu.h"
#include "base/checked.h"
#include "base/container.h"
#include "base/format.h"
#include "debug/log.h"
#include "drivers/block/block_init.h"
#include "drivers/block/nvme_controller.h"
#include "drivers/block/nvme_identify.h"
#include "drivers/block/nvme_prp.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include "mm/heap.h"
#include "sched/worker.h"
#include "time/timer_queue.h"

/* PCI Code and ID Assignment Specification 1.11, 1.2: mass storage, non-volatile, NVMe */
static constexpr uint8_t CLASS_STORAGE = 0x01;
static constexpr uint8_t SUBCLASS_NON_VOLATILE = 0x08;
static constexpr uint8_t INTERFACE_NVME = 0x02;

static constexpr uint32_t REQUEST_BYTES_MAX = 1u << 20;
static constexpr uint32_t NAMESPACES_MAX = 16; /* of one controller */
static constexpr uint64_t WATCH_NS = 1'000'000'000;
static constexpr uint64_t POLL_NS = 100'000; /* without interrupts */
/* A controller that needs more resets than this within the time is given up. */
static constexpr uint32_t RECOVERIES_MAX = 8;
static constexpr uint64_t RECOVERIES_MS = 600'000;
static constexpr uint16_t NO_SLOT = UINT16_MAX;
/* A pair's queues, each from a page's start, and the lists of its slots. */
static constexpr uint64_t COMPLETIONS_AT = NVME_QUEUE_ENTRIES_MAX * sizeof(struct nvme_command);
static constexpr uint32_t QUEUES_ORDER = 2;
static constexpr uint32_t LISTS_ORDER = 5;
static_assert(COMPLETIONS_AT % NVME_PAGE_BYTES == 0 &&
              COMPLETIONS_AT + NVME_QUEUE_ENTRIES_MAX * sizeof(struct nvme_completion) <=
                  NVME_PAGE_BYTES << QUEUES_ORDER);
static_assert(NVME_COMMANDS_MAX * NVME_PRP_LIST_BYTES <= NVME_PAGE_BYTES << LISTS_ORDER &&
              NVME_PAGE_BYTES % NVME_PRP_LIST_BYTES == 0);

struct controller;

struct namespace
{
    struct block_device device;
    struct controller *controller;
    uint32_t id;
    struct nvme_prp_limits limits;
};

/* Free when it has no request. */
struct slot {
    struct block_request *request;
    struct namespace *space;
    struct block_cursor cursor;
    uint32_t command_bytes; /* of the command under way */
    uint16_t next_free;
    deadline limit; /* for that command */
};

enum pair_state : uint8_t { PAIR_CLOSED, PAIR_OPEN, PAIR_GONE };

struct pair {
    /* Fixed when brought up. */
    struct controller *controller;
    struct nvme_queue_place place;
    uint64_t *lists; /* NVME_PRP_LIST_ENTRIES for each slot */
    physical_address lists_start;
    struct pair *next_on_vector; /* whose interrupts come through the same one */

    spin_lock lock;
    enum pair_state state GUARDED_BY(lock);
    uint16_t free_first GUARDED_BY(lock); /* slot, or NO_SLOT */
    uint16_t tail_told GUARDED_BY(lock);  /* what the doorbell has */
    bool is_watched GUARDED_BY(lock);     /* `watch` is armed */
    struct list waiting GUARDED_BY(lock); /* requests without a slot, oldest first */
    struct nvme_queue queue;              /* guarded by lock, when it is not the worker's */
    struct slot slots[NVME_COMMANDS_MAX]; /* likewise */
    deadline check GUARDED_BY(lock);      /* when to look for what takes too long */
    struct timer watch;
};

enum controller_state : uint32_t { CONTROLLER_WORKING, CONTROLLER_RECOVERING, CONTROLLER_GONE };

struct controller {
    /* Fixed when brought up. */
    uint32_t number;
    uint32_t pair_count;
    bool has_write_cache;
    bool has_interrupts;
    uint32_t transfer_bytes_max;
    uint32_t namespace_count; /* that there may be */
    struct pair *pairs[NVME_IO_QUEUES_MAX];

    struct nvme_controller hardware;
    _Atomic(enum controller_state) state;
    struct work recovery;

    /* The recovery's. */
    uint32_t recoveries; /* until `forgiven` */
    deadline forgiven;
};

/* ---- completing ---- */

/* Notes the outcome; the request completes in conclude(), without the lock. */
static void finish(struct namespace *space, struct block_request *request, status outcome,
                   struct list *finished)
{
    if (!is_ok(outcome)) atomic_fetch_add_explicit(&space->device.errors, 1, memory_order_relaxed);
    request->driver_data = (void *)(uintptr_t)outcome.code;
    list_push_back(finished, &request->link);
}

static void conclude(struct list *finished)
{
    struct list *member;
    while ((member = list_take_front(finished)) != nullptr) {
        struct block_request *request = list_entry(member, struct block_request, link);
        status outcome = {(enum status_code)(uintptr_t)request->driver_data};
        request->completed(request, outcome);
    }
}

static void finish_slot_locked(struct pair *pair, struct slot *slot, status outcome,
                               struct list *finished) REQUIRES(pair->lock)
{
    finish(slot->space, slot->request, outcome, finished);
    slot->request = nullptr;
    slot->next_free = pair->free_first;
    pair->free_first = (uint16_t)(slot - pair->slots);
}

/* ---- giving work to the controller ---- */

static uint8_t opcode_of(enum block_direction direction)
{
    switch (direction) {
    case BLOCK_READ:
        return NVME_READ;
    case BLOCK_WRITE:
        return NVME_WRITE;
    case BLOCK_FLUSH:
        return NVME_FLUSH;
    }
    return NVME_FLUSH; /* not reached: block_request_check() let it pass */
}

/* Reads and writes: nvm 3.2.4 and 3.2.6. False: the pieces cannot be expressed. */
static bool describe_data(const struct pair *pair, struct slot *slot, struct nvme_command *command)
{
    const struct block_request *request = slot->request;
    const struct nvme_prp_limits *limits = &slot->space->limits;
    uint64_t number = (uint64_t)(slot - pair->slots);
    struct nvme_prp_list list = {
        .entries = pair->lists + number * NVME_PRP_LIST_ENTRIES,
        .start = physical_add(pair->lists_start, number * NVME_PRP_LIST_BYTES),
    };
    struct nvme_prp_cut cut = nvme_prp_cut(request, &slot->cursor, limits, &list);
    if (cut.bytes == 0) return false;
    uint64_t sector = request->first_sector + slot->cursor.done_bytes / limits->sector_bytes;
    command->prp1 = cut.prp1;
    command->prp2 = cut.prp2;
    command->words[0] = (uint32_t)sector;
    command->words[1] = (uint32_t)(sector >> 32);
    command->words[2] = cut.bytes / limits->sector_bytes - 1;
    slot->command_bytes = cut.bytes;
    return true;
}

/* Adds the slot's next command, or ends its request when there can be none. */
static void start_command_locked(struct pair *pair, struct slot *slot, struct list *finished)
    REQUIRES(pair->lock)
{
    struct nvme_command command = {
        .opcode = opcode_of(slot->request->direction),
        .namespace_id = slot->space->id,
    };
    slot->command_bytes = 0;
    if (slot->request->direction != BLOCK_FLUSH && !describe_data(pair, slot, &command)) {
        finish_slot_locked(pair, slot, FAIL(INVALID_ARGUMENT), finished);
        return;
    }
    slot->limit = deadline_in_ms(BLOCK_TIMEOUT_MS);
    nvme_queue_push(&pair->queue, &command, (uint16_t)(slot - pair->slots));
}

/* Gives waiting requests free slots. */
static void pump_locked(struct pair *pair, struct list *finished) REQUIRES(pair->lock)
{
    while (pair->free_first != NO_SLOT && !list_is_empty(&pair->waiting)) {
        struct slot *slot = &pair->slots[pair->free_first];
        pair->free_first = slot->next_free;
        slot->request = list_entry(list_take_front(&pair->waiting), struct block_request, link);
        slot->space = slot->request->driver_data;
        slot->cursor = (struct block_cursor){0};
        start_command_locked(pair, slot, finished);
    }
}

/* Lets the controller look at what was added, and somebody look after the controller. */
static void tell_locked(struct pair *pair) REQUIRES(pair->lock)
{
    if (pair->tail_told != pair->queue.tail) {
        pair->tail_told = pair->queue.tail;
        nvme_controller_tell_tail(&pair->controller->hardware, pair->place.number,
                                  pair->queue.tail);
    }
    if (pair->queue.flight_count > 0 && !pair->is_watched) {
        pair->is_watched = true;
        timer_arm(&pair->watch,
                  deadline_in_ns(pair->controller->has_interrupts ? WATCH_NS : POLL_NS));
    }
}

static void namespace_submit(struct block_device *device, struct block_request *request)
{
    struct namespace *space = device->driver;
    struct controller *controller = space->controller;
    struct list finished;
    list_init(&finished);
    block_device_count_request(device, request);
    status checked = block_request_check(device, request);
    /* Without a write cache every write is durable when it completes: base 5.17.2.1, VWC. */
    bool is_done = request->direction == BLOCK_FLUSH && !controller->has_write_cache;
    if (!is_ok(checked) || is_done) {
        finish(space, request, checked, &finished);
        conclude(&finished);
        return;
    }
    request->driver_data = space;
    /* Whoever is moved to another processor in between uses this one's all the same. */
    struct pair *pair = controller->pairs[cpu_index() % controller->pair_count];
    spin_acquire(&pair->lock);
    if (pair->state == PAIR_GONE)
        finish(space, request, FAIL(IO_ERROR), &finished);
    else
        list_push_back(&pair->waiting, &request->link);
    if (pair->state == PAIR_OPEN) {
        pump_locked(pair, &finished);
        tell_locked(pair);
    }
    spin_release(&pair->lock);
    conclude(&finished);
}

/* ---- what the controller answers ---- */

static void command_done_locked(struct pair *pair, const struct nvme_outcome *answer,
                                struct list *finished) REQUIRES(pair->lock)
{
    struct slot *slot = &pair->slots[answer->id];
    status outcome = nvme_status_read(answer->status_field);
    block_cursor_advance(slot->request, &slot->cursor, slot->command_bytes);
    uint64_t wanted = (uint64_t)slot->request->sector_count * slot->space->limits.sector_bytes;
    if (!is_ok(outcome) || slot->cursor.done_bytes == wanted)
        finish_slot_locked(pair, slot, outcome, finished);
    else
        start_command_locked(pair, slot, finished);
}

static void recover(struct work *work);

static void begin_recovery(struct controller *controller, const char *why)
{
    enum controller_state expected = CONTROLLER_WORKING;
    /* Acquire: of what the last recovery left, pairs with the release at its end. */
    if (!atomic_compare_exchange_strong_explicit(&controller->state, &expected,
                                                 CONTROLLER_RECOVERING, memory_order_acquire,
                                                 memory_order_relaxed))
        return;
    log_line("nvme", "nvme%u: %s: resetting it", controller->number, why);
    work_submit(work_queue_shared(), &controller->recovery, recover);
}

/* Takes what has been completed, begins what can be begun. */
static void serve_locked(struct pair *pair, struct list *finished) REQUIRES(pair->lock)
{
    if (pair->state != PAIR_OPEN) return;
    struct nvme_outcome answer;
    uint16_t head = pair->queue.head;
    enum nvme_answer answered;
    while ((answered = nvme_queue_reap(&pair->queue, &answer)) == NVME_COMPLETED)
        command_done_locked(pair, &answer, finished);
    if (answered == NVME_BROKEN) {
        begin_recovery(pair->controller, "answered what was not asked");
        return;
    }
    if (pair->queue.head != head)
        nvme_controller_tell_head(&pair->controller->hardware, pair->place.number,
                                  pair->queue.head);
    pump_locked(pair, finished);
    tell_locked(pair);
}

static void vector_interrupt(void *argument)
{
    for (struct pair *pair = argument; pair != nullptr; pair = pair->next_on_vector) {
        struct list finished;
        list_init(&finished);
        spin_acquire(&pair->lock);
        serve_locked(pair, &finished);
        spin_release(&pair->lock);
        conclude(&finished);
    }
}

static bool has_late_locked(const struct pair *pair) REQUIRES(pair->lock)
{
    for (uint32_t i = 0; i < NVME_COMMANDS_MAX; i++)
        if (pair->slots[i].request != nullptr && deadline_passed(pair->slots[i].limit)) return true;
    return false;
}

static void check_locked(struct pair *pair) REQUIRES(pair->lock)
{
    if (pair->state != PAIR_OPEN || pair->queue.flight_count == 0 || !deadline_passed(pair->check))
        return;
    pair->check = deadline_in_ns(WATCH_NS);
    if (nvme_controller_is_in_trouble(&pair->controller->hardware))
        begin_recovery(pair->controller, "is in trouble or gone");
    else if (has_late_locked(pair))
        begin_recovery(pair->controller, "did not answer in time");
}

/* While there is work: also finds what an interrupt that was lost announced. */
static void pair_watch(struct timer *timer)
{
    struct pair *pair = container_of(timer, struct pair, watch);
    struct list finished;
    list_init(&finished);
    spin_acquire(&pair->lock);
    pair->is_watched = false;
    serve_locked(pair, &finished);
    check_locked(pair);
    if (pair->state == PAIR_OPEN) tell_locked(pair);
    spin_release(&pair->lock);
    conclude(&finished);
}

/* ---- bringing it up, and up again ---- */

static void make_queue(struct pair *pair)
{
    nvme_queue_init(&pair->queue, pair->place.entries, direct_map(pair->place.commands),
                    direct_map(pair->place.completions));
}

static status start_controller(struct controller *controller)
{
    TRY(nvme_controller_start(&controller->hardware));
    uint32_t granted = nvme_controller_grant_queues(&controller->hardware, controller->pair_count);
    if (granted < controller->pair_count) return FAIL(IO_ERROR);
    for (uint32_t i = 0; i < controller->pair_count; i++) {
        make_queue(controller->pairs[i]);
        TRY(nvme_controller_create_queues(&controller->hardware, &controller->pairs[i]->place));
    }
    return OK;
}

static void close_pairs(struct controller *controller)
{
    for (uint32_t i = 0; i < controller->pair_count; i++) {
        struct pair *pair = controller->pairs[i];
        spin_acquire(&pair->lock);
        pair->state = PAIR_CLOSED;
        spin_release(&pair->lock);
    }
}

/* The controller is stopped: what it had is ours again. Late requests end. */
static void end_late(struct pair *pair)
{
    struct list finished;
    list_init(&finished);
    spin_acquire(&pair->lock);
    for (uint32_t i = 0; i < NVME_COMMANDS_MAX; i++) {
        struct slot *slot = &pair->slots[i];
        if (slot->request != nullptr && deadline_passed(slot->limit))
            finish_slot_locked(pair, slot, FAIL(TIMED_OUT), &finished);
    }
    spin_release(&pair->lock);
    conclude(&finished);
}

/* The queue is there and empty: what has a slot is started again. */
static void open_pair(struct pair *pair)
{
    struct list finished;
    list_init(&finished);
    spin_acquire(&pair->lock);
    pair->state = PAIR_OPEN;
    pair->tail_told = 0;
    pair->check = deadline_in_ns(WATCH_NS);
    for (uint32_t i = 0; i < NVME_COMMANDS_MAX; i++)
        if (pair->slots[i].request != nullptr)
            start_command_locked(pair, &pair->slots[i], &finished);
    pump_locked(pair, &finished);
    tell_locked(pair);
    spin_release(&pair->lock);
    conclude(&finished);
}

static void give_up_pair(struct pair *pair)
{
    struct list finished;
    list_init(&finished);
    spin_acquire(&pair->lock);
    pair->state = PAIR_GONE;
    for (uint32_t i = 0; i < NVME_COMMANDS_MAX; i++)
        if (pair->slots[i].request != nullptr)
            finish_slot_locked(pair, &pair->slots[i], FAIL(IO_ERROR), &finished);
    struct list *member;
    while ((member = list_take_front(&pair->waiting)) != nullptr) {
        struct block_request *request = list_entry(member, struct block_request, link);
        finish(request->driver_data, request, FAIL(IO_ERROR), &finished);
    }
    spin_release(&pair->lock);
    conclude(&finished);
}

static void for_each_pair(struct controller *controller, void (*visit)(struct pair *pair))
{
    for (uint32_t i = 0; i < controller->pair_count; i++)
        visit(controller->pairs[i]);
}

static bool may_try_again(struct controller *controller)
{
    if (deadline_passed(controller->forgiven)) {
        controller->recoveries = 0;
        controller->forgiven = deadline_in_ms(RECOVERIES_MS);
    }
    return ++controller->recoveries <= RECOVERIES_MAX;
}

static void recover(struct work *work)
{
    struct controller *controller = container_of(work, struct controller, recovery);
    close_pairs(controller);
    bool is_stopped = nvme_controller_stop(&controller->hardware);
    for_each_pair(controller, end_late);
    if (may_try_again(controller) && is_stopped && is_ok(start_controller(controller))) {
        for_each_pair(controller, open_pair);
        /* Last: trouble found meanwhile is found again by `watch`. Release: see begin_recovery().
         */
        atomic_store_explicit(&controller->state, CONTROLLER_WORKING, memory_order_release);
        return;
    }
    nvme_controller_fail(&controller->hardware);
    atomic_store_explicit(&controller->state, CONTROLLER_GONE, memory_order_relaxed);
    log_line("nvme", "nvme%u: given up", controller->number);
    for_each_pair(controller, give_up_pair);
}

static void init_slots(struct pair *pair)
{
    spin_acquire(&pair->lock);
    list_init(&pair->waiting);
    pair->free_first = NO_SLOT;
    for (uint16_t i = (uint16_t)(pair->place.entries - 1); i-- > 0;) {
        pair->slots[i].next_free = pair->free_first;
        pair->free_first = i;
    }
    spin_release(&pair->lock);
}

/* Its memory stays even when what follows fails: the controller may have been told of it. */
static status make_pair(struct controller *controller, uint16_t number)
{
    struct pair *pair = heap_take_zeroed(sizeof(*pair));
    if (pair == nullptr) return FAIL(OUT_OF_MEMORY);
    frame_result queues = frame_pool_take(nullptr, QUEUES_ORDER);
    frame_result lists = frame_pool_take(nullptr, LISTS_ORDER);
    if (!is_ok(queues.status) || !is_ok(lists.status)) {
        if (is_ok(queues.status)) frame_pool_give(nullptr, queues.value, QUEUES_ORDER);
        if (is_ok(lists.status)) frame_pool_give(nullptr, lists.value, LISTS_ORDER);
        heap_give(pair);
        return FAIL(OUT_OF_MEMORY);
    }
    uint32_t entries = controller->hardware.capabilities.queue_entries_max;
    pair->controller = controller;
    pair->place = (struct nvme_queue_place){
        .number = number,
        .entries = (uint16_t)min_of(entries, NVME_QUEUE_ENTRIES_MAX),
        .commands = queues.value,
        .completions = physical_add(queues.value, COMPLETIONS_AT),
    };
    pair->lists = direct_map(lists.value);
    pair->lists_start = lists.value;
    spin_lock_init(&pair->lock, LOCK_RANK_DEVICE);
    timer_init(&pair->watch, pair_watch);
    init_slots(pair);
    controller->pairs[controller->pair_count++] = pair;
    return OK;
}

/* As many as there are processors and the controller grants; one at least. */
static status make_pairs(struct controller *controller)
{
    uint32_t wanted = min_of(cpu_count(), NVME_IO_QUEUES_MAX);
    uint32_t granted = nvme_controller_grant_queues(&controller->hardware, wanted);
    while (controller->pair_count < granted) {
        status made = make_pair(controller, (uint16_t)(controller->pair_count + 1));
        if (!is_ok(made)) return controller->pair_count > 0 ? OK : made;
    }
    return OK;
}

/* Pairs share vectors where there are too few; the first is also the admin queue's, which needs
 * none, if there is another. */
static void set_vectors(struct controller *controller)
{
    struct pci_function *function = controller->hardware.function;
    if (!is_ok(pci_msix_start(function))) return;
    uint32_t first = pci_msix_count(function) > 1 ? 1 : 0;
    uint32_t count = min_of(pci_msix_count(function) - first, controller->pair_count);
    for (uint32_t i = 0; i < controller->pair_count; i++) {
        struct pair *pair = controller->pairs[i];
        pair->place.vector = (uint16_t)(first + i % count);
        pair->place.has_vector = true;
        if (i + count < controller->pair_count) pair->next_on_vector = controller->pairs[i + count];
    }
    controller->has_interrupts = true;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t cpu = (controller->number + i) % cpu_count();
        if (count == controller->pair_count && count > 1) cpu = i;
        status set = pci_msix_set(function, controller->pairs[i]->place.vector, vector_interrupt,
                                  controller->pairs[i], cpu);
        /* Then the timer finds everything. */
        if (!is_ok(set)) controller->has_interrupts = false;
    }
}

static status read_identity(struct controller *controller)
{
    const uint8_t *bytes;
    struct nvme_controller_identity identity;
    TRY(nvme_controller_identify(&controller->hardware, NVME_IDENTIFY_CONTROLLER, 0, &bytes));
    TRY(nvme_identify_controller(bytes, &identity));
    controller->has_write_cache = identity.has_write_cache;
    controller->transfer_bytes_max = identity.transfer_bytes_max;
    controller->namespace_count = identity.namespace_count;
    text model = {identity.model, sizeof(identity.model)};
    log_line("nvme", "nvme%u: %.*s", controller->number,
             TEXT_ARGUMENTS(text_slice(model, 0, text_find(model, '\0', 0))));
    return OK;
}

static status bring_up(struct controller *controller, struct pci_function *function)
{
    TRY(nvme_controller_open(&controller->hardware, function));
    TRY(nvme_controller_start(&controller->hardware));
    TRY(read_identity(controller));
    TRY(make_pairs(controller));
    set_vectors(controller);
    /* Again, with the number of queues and their interrupts known: the same as after a reset. */
    if (!nvme_controller_stop(&controller->hardware)) return FAIL(IO_ERROR);
    TRY(start_controller(controller));
    for_each_pair(controller, open_pair);
    return OK;
}

static struct controller *try_function(struct pci_function *function, uint32_t number)
{
    struct controller *controller = heap_take_zeroed(sizeof(*controller));
    if (controller == nullptr) return nullptr;
    controller->number = number;
    status outcome = bring_up(controller, function);
    if (is_ok(outcome)) return controller;
    /* What it was told of stays where it is. */
    log_line("nvme", "%02x:%02x.%x does not work (status %u)", function->place.bus,
             function->place.device, function->place.function, outcome.code);
    nvme_controller_fail(&controller->hardware);
    return nullptr;
}

/* ---- namespaces ---- */

static void describe_device(struct namespace *space, const struct nvme_namespace_identity *identity)
{
    struct block_device *device = &space->device;
    device->sector_bytes = identity->sector_bytes;
    device->sector_count = identity->sector_count;
    device->sectors_per_request_max = REQUEST_BYTES_MAX / identity->sector_bytes;
    device->is_read_only = identity->is_read_only;
    device->submit = namespace_submit;
    device->driver = space;
    space->limits = (struct nvme_prp_limits){
        .command_bytes_max = min_of(space->controller->transfer_bytes_max, NVME_PRP_BYTES_MAX),
        .sector_bytes = identity->sector_bytes,
    };
    struct text_writer name = TEXT_WRITER(device->name);
    text_format(&name, "nvme%un%u", space->controller->number, space->id);
}

static status add_namespace(struct controller *controller, uint32_t id)
{
    const uint8_t *bytes;
    struct nvme_namespace_identity identity;
    TRY(nvme_controller_identify(&controller->hardware, NVME_IDENTIFY_NAMESPACE, id, &bytes));
    TRY(nvme_identify_namespace(bytes, &identity));
    struct namespace *space = heap_take_zeroed(sizeof(*space));
    if (space == nullptr) return FAIL(OUT_OF_MEMORY);
    space->controller = controller;
    space->id = id;
    describe_device(space, &identity);
    status registered = block_device_register(&space->device);
    if (!is_ok(registered)) {
        heap_give(space);
        return registered;
    }
    uint32_t partitions = block_device_find_partitions(&space->device);
    log_line("nvme", "%.*s: %s%llu sectors of %u bytes, %u partition%s",
             TEXT_ARGUMENTS(block_device_name(&space->device)),
             identity.is_read_only ? "read-only, " : "", (unsigned long long)identity.sector_count,
             identity.sector_bytes, partitions, partitions == 1 ? "" : "s");
    return OK;
}

struct namespace_ids {
    uint32_t count;
    uint32_t ids[NAMESPACES_MAX];
};

/* Those that are active; a controller that cannot list them (before version 1.1) has the first few
 * tried. */
static void list_namespaces(struct controller *controller, struct namespace_ids *out_ids)
{
    const uint8_t *bytes = nullptr;
    bool has_list =
        is_ok(nvme_controller_identify(&controller->hardware, NVME_IDENTIFY_LIST, 0, &bytes));
    uint32_t count = 0;
    for (uint32_t i = 0; i < NAMESPACES_MAX; i++) {
        uint32_t id = i + 1;
        if (has_list)
            id = nvme_identify_list(bytes, i);
        else if (id > controller->namespace_count)
            id = 0;
        if (id == 0) break;
        out_ids->ids[count++] = id;
    }
    out_ids->count = count;
}

/* In the order of their ids: base 5.17.2.2. */
static void add_namespaces(struct controller *controller)
{
    struct namespace_ids found;
    list_namespaces(controller, &found);
    for (uint32_t i = 0; i < found.count; i++) {
        status added = add_namespace(controller, found.ids[i]);
        if (!is_ok(added) && added.code != STATUS_NOT_FOUND)
            log_line("nvme", "nvme%un%u: not usable (status %u)", controller->number, found.ids[i],
                     added.code);
    }
    if (found.count == 0) log_line("nvme", "nvme%u: no namespaces", controller->number);
}

static bool is_nvme(const struct pci_function *function)
{
    return function->class_code == CLASS_STORAGE && function->subclass == SUBCLASS_NON_VOLATILE &&
           function->interface == INTERFACE_NVME;
}

void nvme_init(void)
{
    uint32_t number = 0;
    for (uint32_t i = 0; i < pci_function_count(); i++) {
        struct pci_function *function = pci_function_at(i);
        if (!is_nvme(function)) continue;
        struct controller *controller = try_function(function, number);
        if (controller == nullptr) continue;
        number++;
        add_namespaces(controller);
    }
}
