/*
 * What a process finds when it starts.
 *
 * The kernel maps one read-only block, and the first thread begins at the program's entry point
 * with
 *   rdi   address of the block      rsi   address of its ring      rdx   its thread id
 *   rsp   top of its stack, 16-byte aligned, nothing on it
 * all other general registers zero, and fs base zero.
 */
#pragma once
#include <abi/ops.h>

#define ABI_STARTUP_MAGIC 0x7472617453'6c6550ull /* "PelStart" */

/* A handle the creator granted. */
struct abi_startup_handle {
    uint64_t handle;
    uint64_t rights;
    uint32_t kind;
    uint32_t reserved;
    uint8_t name[ABI_HANDLE_NAME_BYTES_MAX + 1];
};
static_assert(sizeof(struct abi_startup_handle) == 56, "ABI");

/*
 * A registered region: addresses address..address+length are bytes offset.. of the buffer with this
 * index. Constants and code are registered for reading, data and the first stack for both.
 */
struct abi_startup_region {
    uint64_t address;
    uint64_t length_bytes;
    uint64_t buffer_offset_bytes;
    uint32_t buffer_index;
    uint32_t access; /* ABI_ACCESS_... of the registration */
};
static_assert(sizeof(struct abi_startup_region) == 32, "ABI");

/* Offsets are from the start of this struct. Strings are counted and also followed by a zero byte.
 */
struct abi_startup {
    uint64_t magic;
    uint32_t version;
    uint32_t total_bytes;
    uint64_t ring_address;  /* of the first thread */
    uint64_t clock_address; /* of the clock page, see clock.h */
    uint64_t image_address; /* where the program's lowest segment was placed */
    uint64_t image_bytes;
    uint64_t entry_address;
    uint64_t program_headers_address; /* of the ELF program headers in memory; 0 when not mapped */
    uint32_t program_headers_count;
    uint32_t arguments_count;
    uint32_t arguments_offset; /* struct abi_string each */
    uint32_t environment_count;
    uint32_t environment_offset; /* struct abi_string each */
    uint32_t handles_count;
    uint32_t handles_offset; /* struct abi_startup_handle each */
    uint32_t regions_count;
    uint32_t regions_offset; /* struct abi_startup_region each */
    uint32_t reserved;
    uint64_t stack_address; /* lowest usable address of the first stack */
    uint64_t stack_bytes;
    uint64_t process_id;
    uint8_t random[32]; /* fresh for this process: stack protector, hash seeds */
};
static_assert(sizeof(struct abi_startup) == 160, "ABI");
