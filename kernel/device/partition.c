/*
 * Partitions: windows onto a disk, found through its partition table.
 *
 * A partition's submit moves the request's first sector and hands it to the disk, whose completion
 * goes straight to the submitter: a partition costs an addition.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/format.h"
#include "debug/log.h"
#include "device/block_device.h"
#include "device/gpt.h"
#include "mm/heap.h"

struct partition {
    struct block_device device;
    uint64_t first_sector;
};

struct partition_list {
    uint32_t count;
    struct gpt_partition entries[GPT_PARTITIONS_MAX];
    uint32_t numbers[GPT_PARTITIONS_MAX]; /* of the entry, from 1 */
};

static void partition_submit(struct block_device *device, struct block_request *request)
{
    struct partition *partition = device->driver;
    block_device_count_request(device, request);
    status checked = block_request_check(device, request);
    if (!is_ok(checked)) {
        atomic_fetch_add_explicit(&device->errors, 1, memory_order_relaxed);
        request->completed(request, checked);
        return;
    }
    request->first_sector += partition->first_sector;
    device->disk->submit(device->disk, request);
}

static status register_partition(struct block_device *disk, const struct gpt_partition *entry,
                                 uint32_t number)
{
    struct partition *partition = heap_take_zeroed(sizeof(*partition));
    if (partition == nullptr) return FAIL(OUT_OF_MEMORY);
    partition->first_sector = entry->first_sector;
    partition->device.sector_bytes = disk->sector_bytes;
    partition->device.sector_count = entry->sector_count;
    partition->device.sectors_per_request_max = disk->sectors_per_request_max;
    partition->device.is_read_only = disk->is_read_only;
    partition->device.is_system_partition = gpt_is_system_partition(entry);
    partition->device.disk = disk;
    partition->device.submit = partition_submit;
    partition->device.driver = partition;
    struct text_writer name = TEXT_WRITER(partition->device.name);
    text_format(&name, "%.*sp%u", TEXT_ARGUMENTS(block_device_name(disk)), number);

    status registered = block_device_register(&partition->device);
    if (!is_ok(registered)) heap_give(partition);
    return registered;
}

/* Adds the entry unless it is damaged or overlaps one that is in the list. */
static void consider_entry(struct block_device *disk, const struct gpt_header *header,
                           const uint8_t *bytes, uint32_t number, struct partition_list *list)
{
    struct gpt_partition entry;
    status read = gpt_read_entry(header, bytes, &entry);
    if (read.code == STATUS_NOT_FOUND) return;
    bool is_sound = is_ok(read);
    for (uint32_t i = 0; is_sound && i < list->count; i++)
        is_sound = !gpt_partitions_overlap(&entry, &list->entries[i]);
    if (!is_sound) {
        log_line("block", "%.*s: partition %u is outside the disk or overlaps another: ignored",
                 TEXT_ARGUMENTS(block_device_name(disk)), number);
        return;
    }
    if (list->count == GPT_PARTITIONS_MAX) return;
    list->entries[list->count] = entry;
    list->numbers[list->count++] = number;
}

static status read_entries(struct block_device *disk, const struct gpt_header *header,
                           struct partition_list *list)
{
    uint64_t sectors = gpt_entries_sectors(header, disk->sector_bytes);
    uint8_t *memory = heap_take(sectors * disk->sector_bytes);
    if (memory == nullptr) return FAIL(OUT_OF_MEMORY);
    status outcome = block_read(disk, header->entries_sector, (uint32_t)sectors, memory);
    size_t bytes = (size_t)header->entry_count * header->entry_bytes;
    if (is_ok(outcome) && gpt_checksum(0, memory, bytes) != header->entries_checksum)
        outcome = FAIL(IO_ERROR);
    for (uint32_t i = 0; is_ok(outcome) && i < header->entry_count; i++)
        consider_entry(disk, header, memory + (size_t)i * header->entry_bytes, i + 1, list);
    heap_give(memory);
    return outcome;
}

static status read_table(struct block_device *disk, uint64_t header_sector,
                         struct partition_list *list)
{
    uint8_t *sector = heap_take_zeroed(disk->sector_bytes);
    if (sector == nullptr) return FAIL(OUT_OF_MEMORY);
    struct gpt_header header;
    status outcome = block_read(disk, header_sector, 1, sector);
    if (is_ok(outcome))
        outcome =
            gpt_read_header(sector, disk->sector_bytes, header_sector, disk->sector_count, &header);
    heap_give(sector);
    return is_ok(outcome) ? read_entries(disk, &header, list) : outcome;
}

/* The primary table, or the backup when there is a primary that cannot be used. */
static status read_either_table(struct block_device *disk, struct partition_list *list)
{
    if (disk->sector_count <= GPT_PRIMARY_SECTOR) return FAIL(NOT_FOUND);
    status primary = read_table(disk, GPT_PRIMARY_SECTOR, list);
    if (is_ok(primary) || primary.code == STATUS_OUT_OF_MEMORY) return primary;
    status backup = read_table(disk, disk->sector_count - 1, list);
    if (is_ok(backup)) {
        log_line("block", "%.*s: partition table damaged, using its backup",
                 TEXT_ARGUMENTS(block_device_name(disk)));
        return OK;
    }
    return primary.code == STATUS_NOT_FOUND ? backup : primary;
}

uint32_t block_device_find_partitions(struct block_device *disk)
{
    struct partition_list list = {0};
    status outcome = read_either_table(disk, &list);
    if (!is_ok(outcome)) {
        if (outcome.code != STATUS_NOT_FOUND)
            log_line("block", "%.*s: partition table unusable (status %u)",
                     TEXT_ARGUMENTS(block_device_name(disk)), outcome.code);
        return 0;
    }
    uint32_t registered = 0;
    for (uint32_t i = 0; i < list.count; i++)
        registered += is_ok(register_partition(disk, &list.entries[i], list.numbers[i]));
    if (registered < list.count)
        log_line("block", "%.*s: %u partitions could not be registered",
                 TEXT_ARGUMENTS(block_device_name(disk)), list.count - registered);
    return registered;
}
