#include "uefi/volume.h"
#include "uefi/console.h"

static constexpr uint64_t PAGE_BYTES = 4096;

/* Some firmware fails on large reads; this much at once is common practice. */
static constexpr uint64_t READ_BYTES_MAX = 1 << 20;

void *memory_take(struct efi_boot_services *boot, uint64_t bytes)
{
    uint64_t physical = 0;
    uint64_t pages = bytes / PAGE_BYTES + (bytes % PAGE_BYTES != 0);
    if (pages == 0) pages = 1;
    efi_status status =
        boot->allocate_pages(EFI_ALLOCATE_ANY, EFI_MEMORY_LOADER_DATA, pages, &physical);
    return efi_is_error(status) ? nullptr
                                : (void *)physical; /* NOLINT(performance-no-int-to-ptr) */
}

bool volume_open(struct efi_boot_services *boot, const struct efi_loaded_image *self,
                 struct efi_file **out_root)
{
    struct efi_file_system *system;
    efi_status status = boot->handle_protocol(self->device, &EFI_FILE_SYSTEM_GUID, &system);
    if (!efi_is_error(status)) status = system->open_volume(system, out_root);
    if (!efi_is_error(status)) return true;
    console_say(
        "Peal cannot start: the volume this loader came from cannot be read (",
        console_status_name(status),
        ").\nStart it from a FAT volume that also holds \\peal\\kernel and \\peal\\archive.",
        nullptr);
    return false;
}

static efi_status file_size(struct efi_boot_services *boot, struct efi_file *file, uint64_t *out)
{
    /* The name at the end is at most 255 characters on the only file system UEFI asks for. */
    struct {
        struct efi_file_info info;
        efi_char name[512];
    } answer;
    uint64_t bytes = sizeof(answer);
    efi_status status = file->get_info(file, &EFI_FILE_INFO_GUID, &bytes, &answer);
    if (efi_is_error(status)) return status;
    if (answer.info.attributes & EFI_FILE_ATTR_DIRECTORY) return EFI_NOT_FOUND;
    *out = answer.info.file_bytes;
    (void)boot;
    return EFI_SUCCESS;
}

static efi_status read_all(struct efi_file *file, struct loaded_file *out)
{
    for (uint64_t done = 0; done < out->bytes;) {
        uint64_t piece = out->bytes - done < READ_BYTES_MAX ? out->bytes - done : READ_BYTES_MAX;
        efi_status status = file->read(file, &piece, out->data + done);
        if (efi_is_error(status)) return status;
        if (piece == 0) return EFI_VOLUME_CORRUPTED; /* shorter than it said */
        done += piece;
    }
    return EFI_SUCCESS;
}

static efi_status read_open_file(struct efi_boot_services *boot, struct efi_file *file,
                                 struct loaded_file *out)
{
    efi_status status = file_size(boot, file, &out->bytes);
    if (efi_is_error(status)) return status;
    out->allocated_bytes = (out->bytes / PAGE_BYTES + 1) * PAGE_BYTES;
    out->data = memory_take(boot, out->allocated_bytes);
    if (!out->data) return EFI_OUT_OF_RESOURCES;
    status = read_all(file, out);
    __builtin_memset(out->data + out->bytes, 0, out->allocated_bytes - out->bytes);
    return status;
}

bool volume_read(struct efi_boot_services *boot, struct efi_file *root, const efi_char *path,
                 const char *name, bool may_be_missing, struct loaded_file *out)
{
    struct efi_file *file;
    *out = (struct loaded_file){0};
    efi_status status = root->open(root, &file, path, EFI_FILE_MODE_READ, 0);
    if (status == EFI_NOT_FOUND && may_be_missing) return true;
    if (!efi_is_error(status)) {
        status = read_open_file(boot, file, out);
        file->close(file);
    }
    if (!efi_is_error(status)) return true;
    if (status == EFI_NOT_FOUND)
        console_say("Peal cannot start: there is no file ", name,
                    " on the volume this loader came from.\n"
                    "Copy it there, or make the image again: ./peal run does.",
                    nullptr);
    else if (status == EFI_OUT_OF_RESOURCES)
        console_say("Peal cannot start: not enough memory to load ", name,
                    ".\nGive the machine more: ./peal run --memory 256M, for example.", nullptr);
    else
        console_say("Peal cannot start: ", name, " cannot be read (", console_status_name(status),
                    ").\nThe disk may be damaged; make the image again: ./peal run does.", nullptr);
    return false;
}
