/*
 * Files of the volume that the loader was started from.
 *
 * Every failure has been explained on the console when false is returned.
 */
#pragma once
#include "uefi/uefi.h"

struct loaded_file {
    uint8_t *data; /* whole pages; they stay allocated, as LoaderData, for the kernel to free */
    uint64_t bytes;
    uint64_t allocated_bytes;
};

bool volume_open(struct efi_boot_services *boot, const struct efi_loaded_image *self,
                 struct efi_file **out_root);

/* Reads a whole file. `name` is `path` for people. A file that is not there: empty, when it may be.
 */
bool volume_read(struct efi_boot_services *boot, struct efi_file *root, const efi_char *path,
                 const char *name, bool may_be_missing, struct loaded_file *out);

/* Whole pages for something that outlives the loader; nullptr when the firmware has none. */
void *memory_take(struct efi_boot_services *boot, uint64_t bytes);
