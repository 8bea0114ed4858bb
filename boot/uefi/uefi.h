/*
 * The part of UEFI that the loader uses. Layout only; members that are never called are `void *`.
 *
 * Numbers in comments are sections of the UEFI Specification, version 2.10. The compiler's default
 * calling convention for the loader's target is the firmware's (2.3.4).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef uint64_t efi_status; /* appendix D: an error has the highest bit set */
typedef void *efi_handle;
typedef uint16_t efi_char; /* UCS-2: what u"" makes */

#define EFI_ERROR(code)       (0x8000'0000'0000'0000ull | (code))
#define EFI_SUCCESS           0ull
#define EFI_LOAD_ERROR        EFI_ERROR(1)
#define EFI_INVALID_PARAMETER EFI_ERROR(2)
#define EFI_UNSUPPORTED       EFI_ERROR(3)
#define EFI_BUFFER_TOO_SMALL  EFI_ERROR(5)
#define EFI_DEVICE_ERROR      EFI_ERROR(7)
#define EFI_OUT_OF_RESOURCES  EFI_ERROR(9)
#define EFI_VOLUME_CORRUPTED  EFI_ERROR(10)
#define EFI_NO_MEDIA          EFI_ERROR(12)
#define EFI_NOT_FOUND         EFI_ERROR(14)
#define EFI_ACCESS_DENIED     EFI_ERROR(15)

static inline bool efi_is_error(efi_status status)
{
    return status >> 63;
}

struct efi_guid {
    uint32_t a;
    uint16_t b;
    uint16_t c;
    uint8_t d[8];
};

/* 4.2 */
struct efi_table_header {
    uint64_t signature;
    uint32_t revision;
    uint32_t header_bytes;
    uint32_t crc32;
    uint32_t reserved;
};

/* 12.4 */
struct efi_text_output {
    void *reset;
    efi_status (*output_string)(struct efi_text_output *this, const efi_char *text);
    /* and more */
};

/* 12.8 */
struct efi_serial_io {
    uint32_t revision;
    void *reset, *set_attributes, *set_control, *get_control;
    efi_status (*write)(struct efi_serial_io *this, uint64_t *bytes, const void *data);
    /* and more */
};

/* 8.3.1 */
struct efi_time {
    uint16_t year;
    uint8_t month, day, hour, minute, second, padding_1;
    uint32_t nanosecond;
    int16_t time_zone_minutes; /* UTC = local time + this; or EFI_TIME_ZONE_UNSPECIFIED */
    uint8_t daylight, padding_2;
};
#define EFI_TIME_ZONE_UNSPECIFIED 2047

/* 8.1: only the first service is called here */
struct efi_runtime_services {
    struct efi_table_header header;
    efi_status (*get_time)(struct efi_time *time, void *capabilities);
    /* and more */
};

/* 7.2 */
enum efi_memory_type : uint32_t {
    EFI_MEMORY_RESERVED = 0,
    EFI_MEMORY_LOADER_CODE = 1,
    EFI_MEMORY_LOADER_DATA = 2,
    EFI_MEMORY_BOOT_CODE = 3,
    EFI_MEMORY_BOOT_DATA = 4,
    EFI_MEMORY_RUNTIME_CODE = 5,
    EFI_MEMORY_RUNTIME_DATA = 6,
    EFI_MEMORY_CONVENTIONAL = 7,
    EFI_MEMORY_UNUSABLE = 8,
    EFI_MEMORY_ACPI_RECLAIM = 9,
    EFI_MEMORY_ACPI_STORAGE = 10,
    EFI_MEMORY_DEVICE = 11,
    EFI_MEMORY_DEVICE_PORTS = 12,
};
enum efi_allocate_type : uint32_t { EFI_ALLOCATE_ANY = 0 };

/* 7.2, GetMemoryMap: the firmware says how far apart these are, which may be more than their size.
 */
struct efi_memory_descriptor {
    uint32_t type; /* enum efi_memory_type, or a number of the firmware's own */
    uint32_t padding;
    uint64_t physical_start;
    uint64_t virtual_start;
    uint64_t pages;
    uint64_t attributes;
};

/* 7.3, OpenProtocolInformation */
struct efi_open_protocol_entry {
    efi_handle agent;
    efi_handle controller;
    uint32_t attributes;
    uint32_t open_count;
};
#define EFI_OPEN_BY_DRIVER 0x10u

/* 4.4 */
struct efi_boot_services {
    struct efi_table_header header;
    void *raise_tpl, *restore_tpl;
    efi_status (*allocate_pages)(enum efi_allocate_type how, enum efi_memory_type type,
                                 uint64_t pages, uint64_t *physical);
    void *free_pages;
    efi_status (*get_memory_map)(uint64_t *bytes, void *map, uint64_t *key,
                                 uint64_t *descriptor_bytes, uint32_t *descriptor_version);
    void *allocate_pool;
    efi_status (*free_pool)(void *memory);
    void *create_event, *set_timer, *wait_for_event, *signal_event, *close_event, *check_event;
    void *install_protocol, *reinstall_protocol, *uninstall_protocol;
    efi_status (*handle_protocol)(efi_handle handle, const struct efi_guid *protocol, void *out);
    void *reserved, *register_notify, *locate_handle, *locate_device_path;
    void *install_configuration_table, *load_image, *start_image, *exit, *unload_image;
    efi_status (*exit_boot_services)(efi_handle image, uint64_t map_key);
    void *get_next_count;
    efi_status (*stall)(uint64_t microseconds);
    void *set_watchdog, *connect_controller, *disconnect_controller, *open_protocol,
        *close_protocol;
    efi_status (*open_protocol_information)(efi_handle handle, const struct efi_guid *protocol,
                                            struct efi_open_protocol_entry **out, uint64_t *count);
    void *protocols_per_handle;
    efi_status (*locate_handle_buffer)(uint32_t search, const struct efi_guid *protocol, void *key,
                                       uint64_t *count, efi_handle **out);
    efi_status (*locate_protocol)(const struct efi_guid *protocol, void *registration, void *out);
    /* and more */
};
#define EFI_LOCATE_BY_PROTOCOL 2u

/* 4.6 */
struct efi_configuration_table {
    struct efi_guid guid;
    void *table;
};

/* 4.3 */
struct efi_system_table {
    struct efi_table_header header;
    const efi_char *firmware_vendor;
    uint32_t firmware_revision;
    uint32_t padding;
    efi_handle console_in_handle;
    void *console_in;
    efi_handle console_out_handle;
    struct efi_text_output *console_out;
    efi_handle console_error_handle;
    struct efi_text_output *console_error;
    struct efi_runtime_services *runtime;
    struct efi_boot_services *boot;
    uint64_t configuration_count;
    struct efi_configuration_table *configuration;
};
static_assert(offsetof(struct efi_system_table, boot) == 96, "UEFI 4.3");
static_assert(offsetof(struct efi_boot_services, exit_boot_services) == 232, "UEFI 4.4");
static_assert(offsetof(struct efi_boot_services, locate_protocol) == 320, "UEFI 4.4");

/* 9.1 */
struct efi_loaded_image {
    uint32_t revision;
    uint32_t padding;
    efi_handle parent;
    struct efi_system_table *system_table;
    efi_handle device;
    void *file_path;
    void *reserved;
    uint32_t load_options_bytes;
    uint32_t padding_2;
    void *load_options;
    void *image_base;
    uint64_t image_bytes;
    /* and more */
};

/* 13.5 */
struct efi_file {
    uint64_t revision;
    efi_status (*open)(struct efi_file *this, struct efi_file **out, const efi_char *path,
                       uint64_t mode, uint64_t attributes);
    efi_status (*close)(struct efi_file *this);
    void *remove;
    efi_status (*read)(struct efi_file *this, uint64_t *bytes, void *buffer);
    void *write, *get_position, *set_position;
    efi_status (*get_info)(struct efi_file *this, const struct efi_guid *what, uint64_t *bytes,
                           void *buffer);
    /* and more */
};
#define EFI_FILE_MODE_READ      1ull
#define EFI_FILE_ATTR_DIRECTORY 0x10ull

/* 13.5, EFI_FILE_INFO: a name of any length follows */
struct efi_file_info {
    uint64_t size_bytes; /* of this struct with the name */
    uint64_t file_bytes;
    uint64_t stored_bytes;
    struct efi_time created, accessed, modified;
    uint64_t attributes;
};

/* 13.4 */
struct efi_file_system {
    uint64_t revision;
    efi_status (*open_volume)(struct efi_file_system *this, struct efi_file **out);
};

/* 12.9 */
enum efi_pixel_format : uint32_t {
    EFI_PIXEL_RGBX = 0,
    EFI_PIXEL_BGRX = 1,
    EFI_PIXEL_MASKS = 2,
    EFI_PIXEL_NO_MEMORY = 3, /* drawing through calls only */
};
struct efi_graphics_mode_info {
    uint32_t version;
    uint32_t width;
    uint32_t height;
    uint32_t format; /* enum efi_pixel_format */
    uint32_t red_mask, green_mask, blue_mask, reserved_mask;
    uint32_t pixels_per_line;
};
struct efi_graphics_mode {
    uint32_t modes_count;
    uint32_t mode;
    struct efi_graphics_mode_info *info;
    uint64_t info_bytes;
    uint64_t framebuffer_start;
    uint64_t framebuffer_bytes;
};
struct efi_graphics_output {
    void *query_mode, *set_mode, *blt;
    struct efi_graphics_mode *mode;
};

/* 37.5 */
struct efi_random {
    void *get_info;
    efi_status (*get)(struct efi_random *this, const struct efi_guid *algorithm, uint64_t bytes,
                      uint8_t *out);
};

#define EFI_LOADED_IMAGE_GUID \
    ((struct efi_guid){       \
        0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}})
#define EFI_FILE_SYSTEM_GUID \
    ((struct efi_guid){      \
        0x964e5b22, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}})
#define EFI_FILE_INFO_GUID \
    ((struct efi_guid){    \
        0x09576e92, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}})
#define EFI_SERIAL_IO_GUID \
    ((struct efi_guid){    \
        0xbb25cf6f, 0xf1d4, 0x11d2, {0x9a, 0x0c, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0xfd}})
#define EFI_GRAPHICS_OUTPUT_GUID \
    ((struct efi_guid){          \
        0x9042a9de, 0x23dc, 0x4a38, {0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a}})
#define EFI_RANDOM_GUID \
    ((struct efi_guid){ \
        0x3152bca5, 0xeade, 0x433d, {0x86, 0x2e, 0xc0, 0x1c, 0xdc, 0x29, 0x1f, 0x44}})
#define EFI_ACPI_2_GUID \
    ((struct efi_guid){ \
        0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}})
#define EFI_ACPI_1_GUID \
    ((struct efi_guid){ \
        0xeb9d2d30, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}})
