#include "uefi/console.h"
#include <stdarg.h>

static struct efi_text_output *screen;
static struct efi_serial_io *serial;

/* A serial port that a driver has opened carries the firmware's console: all would appear twice. */
static bool is_console_already(struct efi_boot_services *boot, efi_handle port)
{
    struct efi_open_protocol_entry *entries;
    uint64_t count = 0;
    if (efi_is_error(boot->open_protocol_information(port, &EFI_SERIAL_IO_GUID, &entries, &count)))
        return false;
    bool found = false;
    for (uint64_t i = 0; i < count; i++)
        found |= (entries[i].attributes & EFI_OPEN_BY_DRIVER) != 0;
    boot->free_pool(entries);
    return found;
}

void console_init(struct efi_system_table *system)
{
    screen = system->console_out;
    uint64_t count = 0;
    efi_handle *ports;
    if (efi_is_error(system->boot->locate_handle_buffer(EFI_LOCATE_BY_PROTOCOL, &EFI_SERIAL_IO_GUID,
                                                        nullptr, &count, &ports)))
        return;
    bool is_covered = false;
    for (uint64_t i = 0; screen && i < count; i++)
        is_covered |= is_console_already(system->boot, ports[i]);
    if (!is_covered && count > 0 &&
        efi_is_error(system->boot->handle_protocol(ports[0], &EFI_SERIAL_IO_GUID, &serial)))
        serial = nullptr;
    system->boot->free_pool(ports);
}

static void say(const char *text)
{
    while (*text) {
        efi_char piece[64];
        uint8_t bytes[64];
        size_t length = 0;
        for (; *text && length < 62; text++) {
            if (*text == '\n') piece[length] = '\r', bytes[length++] = '\r';
            uint8_t byte = (uint8_t)*text;
            piece[length] = byte < 128 ? byte : '?';
            bytes[length++] = byte;
        }
        piece[length] = 0;
        if (screen) screen->output_string(screen, piece);
        uint64_t wanted = length;
        if (serial) serial->write(serial, &wanted, bytes);
    }
}

void console_say(const char *first, ...)
{
    va_list rest;
    va_start(rest, first);
    for (const char *text = first; text; text = va_arg(rest, const char *))
        say(text);
    va_end(rest);
    say("\n");
}

const char *console_status_name(efi_status status)
{
    switch (status) {
    case EFI_SUCCESS:
        return "no error";
    case EFI_LOAD_ERROR:
        return "EFI_LOAD_ERROR";
    case EFI_INVALID_PARAMETER:
        return "EFI_INVALID_PARAMETER";
    case EFI_UNSUPPORTED:
        return "EFI_UNSUPPORTED";
    case EFI_BUFFER_TOO_SMALL:
        return "EFI_BUFFER_TOO_SMALL";
    case EFI_DEVICE_ERROR:
        return "EFI_DEVICE_ERROR";
    case EFI_OUT_OF_RESOURCES:
        return "EFI_OUT_OF_RESOURCES";
    case EFI_VOLUME_CORRUPTED:
        return "EFI_VOLUME_CORRUPTED";
    case EFI_NO_MEDIA:
        return "EFI_NO_MEDIA";
    case EFI_NOT_FOUND:
        return "EFI_NOT_FOUND";
    case EFI_ACCESS_DENIED:
        return "EFI_ACCESS_DENIED";
    default:
        return "an unexpected firmware error";
    }
}
