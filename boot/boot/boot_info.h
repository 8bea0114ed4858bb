/*
 * What the loader hands to the kernel.
 *
 * The loader enters the kernel's ELF entry point on the boot processor with interrupts off, paging
 * on, rdi = physical address of a struct boot_info, and these mappings, in pages of any size:
 *   - the kernel image at its (slid) virtual address, each segment with its own access, never
 *     writable and executable at once; .bss cleared; R_X86_64_RELATIVE relocations applied
 *   - all memory the map names, and at least the first 4 GiB, writable at BOOT_DIRECT_MAP
 *   - all memory the map names, at its physical address (identity), executable only where the
 *     loader itself is; the kernel drops this half as soon as it can
 *   - a stack of BOOT_STACK_BYTES; rsp is an address in the direct map
 * EFER.NXE and CR0.WP are set. Everything the loader allocated is marked in the memory map.
 *
 * Layout is little-endian with no implicit padding. Both sides check magic, version and size before
 * using anything else. Physical addresses are plain uint64_t here and become typed in the kernel.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define BOOT_INFO_MAGIC   0x746f6f42'6c616550ull /* "PealBoot" */
#define BOOT_INFO_VERSION 1u

#define BOOT_DIRECT_MAP             0xffff'8000'0000'0000ull /* physical 0 appears here */
#define BOOT_KERNEL_BASE            0xffff'ffff'8000'0000ull /* the image: 1 GiB above, 2 MiB aligned */
#define BOOT_STACK_BYTES            65536u
#define BOOT_COMMAND_LINE_BYTES_MAX 1024u
#define BOOT_MEMORY_RANGES_MAX      512u

enum boot_memory_kind : uint32_t {
    BOOT_MEMORY_USABLE = 1,   /* free for the kernel at once */
    BOOT_MEMORY_LOADER = 2,   /* loader's code, page tables, boot_info, stack: free once the kernel
                                 has its own page tables and has copied what it needs */
    BOOT_MEMORY_KERNEL = 3,   /* the kernel image */
    BOOT_MEMORY_ARCHIVE = 4,  /* the boot archive */
    BOOT_MEMORY_ACPI = 5,     /* tables; reclaimable after reading */
    BOOT_MEMORY_FIRMWARE = 6, /* runtime services: leave alone, may be mapped for calls */
    BOOT_MEMORY_DEVICE = 7,   /* memory-mapped I/O listed by the firmware */
    BOOT_MEMORY_RESERVED = 8, /* anything else */
};

/* Sorted by start, not overlapping, start and length multiples of 4096; neighbours of one kind
 * merged. */
struct boot_memory_range {
    uint64_t start;
    uint64_t length_bytes;
    uint32_t kind; /* enum boot_memory_kind */
    uint32_t reserved;
};

enum boot_pixel_format : uint32_t {
    BOOT_PIXEL_NONE = 0, /* no framebuffer */
    BOOT_PIXEL_BGRX = 1, /* bytes blue, green, red, unused */
    BOOT_PIXEL_RGBX = 2,
};

struct boot_framebuffer {
    uint64_t start; /* physical */
    uint64_t length_bytes;
    uint32_t width_pixels;
    uint32_t height_pixels;
    uint32_t stride_bytes;
    uint32_t format; /* enum boot_pixel_format */
};

struct boot_info {
    uint64_t magic;
    uint32_t version;
    uint32_t size_bytes; /* sizeof(struct boot_info) */

    uint64_t kernel_physical; /* start of the image in memory, contiguous */
    uint64_t kernel_virtual;  /* where it runs: BOOT_KERNEL_BASE + slide */
    uint64_t kernel_bytes;

    uint64_t archive_physical; /* the boot archive (ustar); page aligned */
    uint64_t archive_bytes;

    uint64_t acpi_root;          /* physical address of the RSDP, 0 when there is none */
    uint64_t acpi_root_revision; /* 2 for ACPI 2.0 and later (XSDT) */
    uint64_t runtime_services;   /* physical EFI_RUNTIME_SERVICES, 0 when unusable */
    uint64_t real_time_seconds;  /* since 1970-01-01 UTC when the loader ran; 0 when unknown */
    uint64_t entry_ticks;        /* time stamp counter just before the kernel was entered */

    struct boot_framebuffer framebuffer;

    uint8_t random_seed[64]; /* from EFI_RNG_PROTOCOL and RDRAND; may be partly predictable */

    uint32_t command_line_bytes;
    uint8_t command_line[BOOT_COMMAND_LINE_BYTES_MAX]; /* UTF-8, no terminator */

    uint32_t memory_ranges_count;
    struct boot_memory_range memory_ranges[BOOT_MEMORY_RANGES_MAX];
};
static_assert(offsetof(struct boot_info, framebuffer) == 96, "boot contract");
static_assert(offsetof(struct boot_info, random_seed) == 128, "boot contract");
static_assert(offsetof(struct boot_info, command_line_bytes) == 192, "boot contract");
static_assert(offsetof(struct boot_info, memory_ranges_count) == 1220, "boot contract");
static_assert(offsetof(struct boot_info, memory_ranges) == 1224, "boot contract");
