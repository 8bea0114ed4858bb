/* What there is to tell of the machine. */
#include "arch/arch/cpu.h"
#include "base/format.h"
#include "base/version.h"
#include "device/block_device.h"
#include "device/console.h"
#include "drivers/bus/pci.h"
#include "fs/procfs/procfs_internal.h"
#include "fs/vfs/page_cache.h"
#include "fs/vfs/vfs.h"
#include "mm/frame_pool.h"
#include "mm/heap.h"
#include "sched/scheduler.h"
#include "time/clock.h"

static status make_version(struct json_writer *json, const struct proc_subject *subject)
{
    (void)subject;
    json_put_string(json, TEXT("name"), TEXT(PEAL_NAME));
    json_put_string(json, TEXT("version"), TEXT(PEAL_VERSION));
    json_put_number(json, TEXT("abi_version"), ABI_VERSION);
    return OK;
}

static status make_uptime(struct json_writer *json, const struct proc_subject *subject)
{
    (void)subject;
    json_put_number(json, TEXT("uptime_ns"), clock_now_ns());
    json_put_number(json, TEXT("real_time_ns"), clock_real_ns());
    json_put_number(json, TEXT("idle_ns"), scheduler_idle_ns());
    json_put_number(json, TEXT("processor_count"), cpu_count());
    return OK;
}

static status make_memory(struct json_writer *json, const struct proc_subject *subject)
{
    (void)subject;
    struct frame_pool_counts frames = frame_pool_count();
    struct heap_counts heap = heap_count();
    struct image_counts images = image_count();
    json_put_number(json, TEXT("total_bytes"), frames.total_frames * PAGE_BYTES);
    json_put_number(json, TEXT("free_bytes"), frames.free_frames * PAGE_BYTES);
    json_put_number(json, TEXT("file_cache_bytes"), vfs_cache_bytes());
    json_put_number(json, TEXT("idle_program_bytes"), images.idle_bytes);
    json_put_number(json, TEXT("kernel_heap_bytes"), heap.bytes_reserved);
    json_put_number(json, TEXT("kernel_heap_object_count"), heap.objects_taken);
    json_put_number(json, TEXT("bookkeeping_bytes"), frames.bookkeeping_bytes);
    json_put_number(json, TEXT("region_count"), frames.region_count);
    json_put_number(json, TEXT("process_count"), process_count());
    json_put_number(json, TEXT("thread_count"), scheduler_thread_count());
    json_put_number(json, TEXT("object_count"), object_count());
    json_put_number(json, TEXT("handle_count"), handle_count_all());
    json_put_number(json, TEXT("derivation_count"), capability_count());
    return OK;
}

/* ---- devices ---- */

/* "0000:00:1f.2" */
static void put_place(struct json_writer *json, const struct pci_place *place)
{
    char bytes[24];
    struct text_writer words = TEXT_WRITER(bytes);
    text_format(&words, "%04x:%02x:%02x.%x", place->segment, place->bus, place->device,
                place->function);
    json_put_string(json, TEXT("place"), text_written(&words));
}

static void put_pci_function(struct json_writer *json, const struct pci_function *function)
{
    json_open_object(json);
    put_place(json, &function->place);
    json_put_number(json, TEXT("vendor_id"), function->vendor_id);
    json_put_number(json, TEXT("device_id"), function->device_id);
    json_put_number(json, TEXT("class_code"), function->class_code);
    json_put_number(json, TEXT("subclass"), function->subclass);
    json_close_object(json);
}

static status make_devices(struct json_writer *json, const struct proc_subject *subject)
{
    (void)subject;
    json_put_array(json, TEXT("pci_functions"));
    for (uint32_t i = 0; i < pci_function_count(); i++)
        put_pci_function(json, pci_function_at(i));
    json_close_array(json);
    json_put_array(json, TEXT("block_devices"));
    for (uint32_t i = 0; i < block_device_count(); i++)
        json_string(json, block_device_name(block_device_at(i)));
    json_close_array(json);
    json_put_object(json, TEXT("console"));
    json_put_number(json, TEXT("input_dropped_bytes"), console_dropped());
    json_close_object(json);
    return OK;
}

static uint64_t counted(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void put_block_device(struct json_writer *json, const struct block_device *device)
{
    json_open_object(json);
    json_put_string(json, TEXT("name"), block_device_name(device));
    json_put_number(json, TEXT("size_bytes"), device->sector_count * device->sector_bytes);
    json_put_number(json, TEXT("sector_bytes"), device->sector_bytes);
    json_put_boolean(json, TEXT("is_read_only"), device->is_read_only);
    json_put_number(json, TEXT("read_count"), counted(&device->reads));
    json_put_number(json, TEXT("write_count"), counted(&device->writes));
    json_put_number(json, TEXT("flush_count"), counted(&device->flushes));
    json_put_number(json, TEXT("error_count"), counted(&device->errors));
    json_put_number(json, TEXT("read_bytes"), counted(&device->read_bytes));
    json_put_number(json, TEXT("written_bytes"), counted(&device->written_bytes));
    json_close_object(json);
}

static status make_block(struct json_writer *json, const struct proc_subject *subject)
{
    (void)subject;
    json_put_array(json, TEXT("devices"));
    for (uint32_t i = 0; i < block_device_count(); i++)
        put_block_device(json, block_device_at(i));
    json_close_array(json);
    return OK;
}

/* ---- volumes ---- */

static void put_volume_info(struct json_writer *json, const struct vnode_volume_info *info)
{
    json_put_string(json, TEXT("device"), info->device);
    json_put_boolean(json, TEXT("is_read_only"), (info->flags & ABI_VOLUME_READ_ONLY) != 0);
    json_put_boolean(json, TEXT("is_damaged"), (info->flags & ABI_VOLUME_DAMAGED) != 0);
    json_put_number(json, TEXT("total_bytes"), info->total_bytes);
    json_put_number(json, TEXT("free_bytes"), info->free_bytes);
    json_put_number(json, TEXT("cluster_bytes"), info->cluster_bytes);
}

static void put_volume(struct json_writer *json, const struct vfs_volume *volume)
{
    const struct vnode_operations *operations = volume->root->operations;
    /* Those that have nothing to say are made up by the kernel: no device, nothing to be written.
     */
    struct vnode_volume_info info = {.flags = ABI_VOLUME_READ_ONLY};
    if (operations->volume_info != nullptr) operations->volume_info(volume->root, &info);
    json_open_object(json);
    json_put_string(json, TEXT("name"), (text){volume->name, volume->name_bytes});
    json_put_number(json, TEXT("number"), volume->root->volume_number);
    json_put_string(json, TEXT("file_system"), operations->file_system);
    put_volume_info(json, &info);
    json_close_object(json);
}

static status make_volumes(struct json_writer *json, const struct proc_subject *subject)
{
    (void)subject;
    json_put_array(json, TEXT("volumes"));
    struct vfs_volume volume;
    for (uint64_t i = 0; vfs_volume_at(i, &volume); i++)
        put_volume(json, &volume);
    json_close_array(json);
    return OK;
}

static status make_cache(struct json_writer *json, const struct proc_subject *subject)
{
    (void)subject;
    json_put_number(json, TEXT("page_bytes"), PAGE_BYTES);
    json_put_number(json, TEXT("page_count"), page_cache_pages());
    json_put_number(json, TEXT("cached_bytes"), vfs_cache_bytes());
    return OK;
}

const struct proc_file proc_machine_files[PROC_MACHINE_FILES] = {
    {TEXT("version"), make_version},      {TEXT("uptime"), make_uptime},
    {TEXT("memory"), make_memory},        {TEXT("tasks"), proc_make_tasks},
    {TEXT("devices"), make_devices},      {TEXT("block"), make_block},
    {TEXT("volumes"), make_volumes},      {TEXT("cache"), make_cache},
    {TEXT("rings"), proc_make_all_rings}, {TEXT("reach"), proc_make_reach},
};
