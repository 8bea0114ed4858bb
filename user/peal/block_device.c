#include "peal/block_device.h"
#include "peal/call.h"

block_device_result peal_block_device_open(directory_ref folder, text path, uint64_t rights)
{
    block_device_result result = {0};
    peal_raw_handle raw;
    result.status = status_of_raw(peal_raw_open(folder, path, rights, 0, &raw));
    if (!is_ok(result.status)) return result;
    result.value.raw = raw;
    struct abi_stat stat;
    result.status = block_device_stat(block_device_borrow(&result.value), &stat);
    if (is_ok(result.status) && stat.kind == ABI_KIND_BLOCK_DEVICE) return result;
    if (is_ok(result.status)) result.status = FAIL(NOT_FOUND);
    block_device_handle_drop(&result.value);
    return result;
}

/* The calls are those of files, which any handle can be tried with. */
size_result peal_block_device_read(block_device_ref device, span into, uint64_t offset_bytes)
{
    return peal_file_read_at((file_ref){device.raw}, into, offset_bytes);
}

size_result peal_block_device_write(block_device_ref device, view from, uint64_t offset_bytes)
{
    return peal_file_write_at((file_ref){device.raw}, from, offset_bytes);
}
