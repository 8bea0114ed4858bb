/*
 * The block devices there are.
 *
 * Locking: registering is serialised by `lock`; `count` is published after the slot it makes valid,
 * so readers need no lock.
 */
#include "device/block_device.h"
#include "base/checked.h"
#include "sync/spin_lock.h"

static spin_lock registry_lock = SPIN_LOCK_INIT(LOCK_RANK_DEVICE);
static struct block_device *devices[BLOCK_DEVICES_MAX];
static _Atomic uint32_t device_count;

status block_device_register(struct block_device *device)
{
    ASSERT(device->sector_bytes >= BLOCK_SECTOR_BYTES_MIN &&
           device->sector_bytes <= BLOCK_SECTOR_BYTES_MAX &&
           is_aligned(device->sector_bytes, BLOCK_SECTOR_BYTES_MIN) &&
           device->sectors_per_request_max > 0);
    spin_acquire(&registry_lock);
    uint32_t count = atomic_load_explicit(&device_count, memory_order_relaxed);
    bool has_room = count < BLOCK_DEVICES_MAX;
    if (has_room) {
        devices[count] = device;
        /* Pairs with the acquire in block_device_count(). */
        atomic_store_explicit(&device_count, count + 1, memory_order_release);
    }
    spin_release(&registry_lock);
    return has_room ? OK : FAIL(QUOTA_EXCEEDED);
}

uint32_t block_device_count(void)
{
    return atomic_load_explicit(&device_count, memory_order_acquire);
}

struct block_device *block_device_at(uint32_t index)
{
    ASSERT(index < block_device_count());
    return devices[index];
}

text block_device_name(const struct block_device *device)
{
    text whole = {device->name, sizeof(device->name)};
    return text_slice(whole, 0, text_find(whole, '\0', 0));
}

static const struct block_device *disk_of(const struct block_device *device)
{
    return device->disk != nullptr ? device->disk : device;
}

static bool overlap(const struct block_device *a, const struct block_device *b)
{
    return a == b || (disk_of(a) == disk_of(b) && (a->disk == nullptr || b->disk == nullptr));
}

static bool is_claimed_locked(const struct block_device *device, enum block_claim claim)
    REQUIRES(registry_lock)
{
    uint32_t count = atomic_load_explicit(&device_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++)
        if (devices[i]->claims[claim] > 0 && overlap(devices[i], device)) return true;
    return false;
}

status block_device_claim(struct block_device *device, enum block_claim claim)
{
    enum block_claim other = claim == BLOCK_CLAIM_VOLUME ? BLOCK_CLAIM_HANDLE : BLOCK_CLAIM_VOLUME;
    spin_acquire(&registry_lock);
    bool is_free = !is_claimed_locked(device, other);
    if (is_free) device->claims[claim]++;
    spin_release(&registry_lock);
    return is_free ? OK : FAIL(BUSY);
}

void block_device_unclaim(struct block_device *device, enum block_claim claim)
{
    spin_acquire(&registry_lock);
    ASSERT(device->claims[claim] > 0);
    device->claims[claim]--;
    spin_release(&registry_lock);
}

void block_device_count_request(struct block_device *device, const struct block_request *request)
{
    /* Relaxed: statistics, ordered with nothing. */
    uint64_t bytes = (uint64_t)request->sector_count * device->sector_bytes;
    switch (request->direction) {
    case BLOCK_READ:
        atomic_fetch_add_explicit(&device->reads, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&device->read_bytes, bytes, memory_order_relaxed);
        break;
    case BLOCK_WRITE:
        atomic_fetch_add_explicit(&device->writes, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&device->written_bytes, bytes, memory_order_relaxed);
        break;
    case BLOCK_FLUSH:
        atomic_fetch_add_explicit(&device->flushes, 1, memory_order_relaxed);
        break;
    }
}

static bool pieces_are_sound(const struct block_request *request, uint64_t bytes_wanted)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < request->piece_count; i++) {
        const struct block_piece *piece = &request->pieces[i];
        if (!is_aligned(piece->start.value | piece->length_bytes, 4)) return false;
        if (piece->length_bytes == 0) return false;
        total += piece->length_bytes;
    }
    return total == bytes_wanted;
}

status block_request_check(const struct block_device *device, const struct block_request *request)
{
    if (request->piece_count > BLOCK_PIECES_MAX) return FAIL(INVALID_ARGUMENT);
    if (request->direction == BLOCK_FLUSH)
        return request->piece_count == 0 && request->sector_count == 0 ? OK
                                                                       : FAIL(INVALID_ARGUMENT);
    if (!span_fits(request->first_sector, request->sector_count, device->sector_count))
        return FAIL(OUT_OF_RANGE);
    if (request->sector_count > device->sectors_per_request_max) return FAIL(OUT_OF_RANGE);
    if (request->sector_count == 0) return FAIL(INVALID_ARGUMENT);
    if (!pieces_are_sound(request, (uint64_t)request->sector_count * device->sector_bytes))
        return FAIL(INVALID_ARGUMENT);
    if (request->direction == BLOCK_WRITE && device->is_read_only) return FAIL(PERMISSION_DENIED);
    return OK;
}
