/*
 * Locking: `regions_mutex` orders changes of the region table and of `owned`; look-ups take
 * nothing.
 */
#include "peal/memory.h"
#include "peal/call.h"
#include "peal/memory_internal.h"
#include "peal/mutex.h"
#include "peal/region_table.h"

#define OWNED_MAPPINGS_MAX (REGION_TABLE_ENTRIES_MAX - 64)

static struct mutex regions_mutex;
static struct region_table regions;

/* What peal_memory_map made, so that the address alone is enough to give it back. */
struct owned_mapping {
    void *address;
    uint64_t length_bytes;
    buffer_handle buffer;
};
static struct owned_mapping owned[OWNED_MAPPINGS_MAX] __attribute__((guarded_by(&regions_mutex)));

bool peal_region_add(struct region region)
{
    mutex_lock(&regions_mutex);
    bool added = region_table_insert(&regions, region);
    mutex_unlock(&regions_mutex);
    return added;
}

status peal_locate(const void *address, size_t length, uint32_t access,
                   struct location *out_location)
{
    struct region region;
    if (!region_table_find(&regions, (uint64_t)address, &region) ||
        (region.access & access) != access) {
        if (length > 0) return FAIL(BUFFER_NOT_REGISTERED);
        *out_location = (struct location){0};
        return OK;
    }
    uint64_t into = (uint64_t)address - region.address;
    uint64_t rest = region.length_bytes - into;
    if (length > rest) length = rest;
    if (length > UINT32_MAX) length = UINT32_MAX & ~(ABI_PAGE_BYTES - 1);
    *out_location = (struct location){
        .buffer_index = region.buffer_index,
        .offset_bytes = (uint32_t)(region.buffer_offset_bytes + into),
        .length_bytes = (uint32_t)length,
    };
    return OK;
}

status peal_locate_whole(const void *address, size_t length, uint32_t access,
                         struct location *out_location)
{
    TRY(peal_locate(address, length, access, out_location));
    return out_location->length_bytes == length ? OK : FAIL(OUT_OF_RANGE);
}

peal_raw_status peal_raw_buffer_create(uint64_t bytes, uint32_t flags, peal_raw_handle *out_buffer)
{
    return peal_call_yielding(
        &(struct abi_submission){.op = ABI_OP_BUFFER_CREATE, .op_flags = flags, .args = {bytes}},
        out_buffer);
}

pointer_result peal_buffer_map(buffer_ref buffer, struct mapping_request request)
{
    size_result mapped =
        peal_call(&(struct abi_submission){.op = ABI_OP_BUFFER_MAP,
                                           .capability = buffer.raw,
                                           .offset_bytes = request.offset_bytes,
                                           .op_flags = request.access,
                                           .args = {request.address, request.length_bytes}});
    return (pointer_result){mapped.status, (void *)mapped.value};
}

status peal_buffer_unmap(void *address, uint64_t bytes)
{
    return peal_call(&(struct abi_submission){.op = ABI_OP_BUFFER_UNMAP,
                                              .args = {(uint64_t)address, bytes}})
        .status;
}

status peal_buffer_protect(void *address, uint64_t bytes, uint32_t access)
{
    return peal_call(&(struct abi_submission){.op = ABI_OP_BUFFER_PROTECT,
                                              .op_flags = access,
                                              .args = {(uint64_t)address, bytes}})
        .status;
}

size_result peal_buffer_register(buffer_ref buffer, uint32_t access)
{
    return peal_call(&(struct abi_submission){
        .op = ABI_OP_BUFFER_REGISTER, .capability = buffer.raw, .op_flags = access});
}

status peal_buffer_unregister(uint32_t buffer_index)
{
    return peal_call(
               &(struct abi_submission){.op = ABI_OP_BUFFER_UNREGISTER, .args = {buffer_index}})
        .status;
}

/* Makes `buffer` known to peal_locate at `address`, where it is mapped as a whole. */
static status mapping_publish(buffer_ref buffer, void *address, uint64_t bytes)
{
    size_result registered = peal_buffer_register(buffer, ABI_ACCESS_READ | ABI_ACCESS_WRITE);
    TRY(registered.status);
    struct region region = {
        .address = (uint64_t)address,
        .length_bytes = bytes,
        .buffer_index = (uint32_t)registered.value,
        .access = ABI_ACCESS_READ | ABI_ACCESS_WRITE,
    };
    if (peal_region_add(region)) return OK;
    ignore_status(peal_buffer_unregister(region.buffer_index)); /* it was registered just now */
    return FAIL(QUOTA_EXCEEDED);
}

static bool owned_insert(void *address, uint64_t bytes, buffer_handle *buffer)
{
    bool inserted = false;
    mutex_lock(&regions_mutex);
    for (size_t i = 0; i < OWNED_MAPPINGS_MAX && !inserted; i++) {
        if (owned[i].address != nullptr) continue;
        owned[i] = (struct owned_mapping){address, bytes, TAKE(*buffer)};
        inserted = true;
    }
    mutex_unlock(&regions_mutex);
    return inserted;
}

static struct owned_mapping owned_remove(void *address)
{
    struct owned_mapping removed = {0};
    mutex_lock(&regions_mutex);
    for (size_t i = 0; i < OWNED_MAPPINGS_MAX; i++) {
        if (address == nullptr || owned[i].address != address) continue;
        removed = owned[i];
        owned[i] = (struct owned_mapping){0};
        break;
    }
    mutex_unlock(&regions_mutex);
    return removed;
}

static void region_forget(void *address)
{
    struct region region;
    mutex_lock(&regions_mutex);
    bool found = region_table_remove(&regions, (uint64_t)address, &region);
    mutex_unlock(&regions_mutex);
    if (found)
        ignore_status(peal_buffer_unregister(region.buffer_index)); /* ours, and registered */
}

pointer_result peal_memory_map(size_t bytes)
{
    uint64_t rounded = (bytes + ABI_PAGE_BYTES - 1) & ~(uint64_t)(ABI_PAGE_BYTES - 1);
    if (bytes == 0 || rounded > (1ull << 32)) return (pointer_result){.status = FAIL(OUT_OF_RANGE)};
    buffer_result made = peal_buffer_create(rounded, 0);
    TRY_AS(pointer_result, made.status);
    OWNED(buffer_handle) buffer = TAKE(made.value);
    pointer_result mapped =
        peal_buffer_map(buffer_borrow(&buffer),
                        (struct mapping_request){.length_bytes = rounded,
                                                 .access = ABI_ACCESS_READ | ABI_ACCESS_WRITE});
    TRY_AS(pointer_result, mapped.status);

    status published = mapping_publish(buffer_borrow(&buffer), mapped.value, rounded);
    if (is_ok(published) && !owned_insert(mapped.value, rounded, &buffer)) {
        region_forget(mapped.value);
        published = FAIL(QUOTA_EXCEEDED);
    }
    if (is_ok(published)) return mapped;
    ignore_status(peal_buffer_unmap(mapped.value, rounded)); /* it was mapped just now */
    return (pointer_result){.status = published};
}

status peal_memory_unmap(void *address)
{
    struct owned_mapping mapping = owned_remove(address);
    if (mapping.address == nullptr) return FAIL(NOT_FOUND);
    OWNED(buffer_handle) buffer = TAKE(mapping.buffer);
    region_forget(address);
    return peal_buffer_unmap(address, mapping.length_bytes);
}
