/*
 * The boot archive's format: POSIX.1-1988 "ustar", one 512-byte header before each file. Pure
 * checks over bytes, no trust.
 *
 * Context: any; no state but the reader's.
 */
#pragma once
#include "base/status.h"
#include "base/text.h"

#define USTAR_BLOCK_BYTES    512u
#define USTAR_NAME_BYTES_MAX 256u /* prefix, '/', name */

struct ustar_reader {
    const uint8_t *bytes; /* borrowed */
    uint64_t length;
    uint64_t offset; /* of the next header */
};

enum ustar_kind : uint8_t { USTAR_FILE, USTAR_DIRECTORY, USTAR_OTHER };

struct ustar_entry {
    enum ustar_kind kind;
    uint16_t name_bytes;
    char name[USTAR_NAME_BYTES_MAX]; /* as it stands there, but for one '/' at a directory's end */
    const uint8_t *content;          /* of a file; borrowed from the archive */
    uint64_t size_bytes;
    uint64_t modified_seconds; /* since 1970 */
};

/*
 * The next entry. Links, devices and the like are USTAR_OTHER.
 *   NOT_FOUND   the archive ends here, as it should
 *   IO_ERROR    what stands here is no header, or its content is not all there: *out_reason says
 *               what. The reader stays where it is; nothing behind can be trusted
 */
status ustar_next(struct ustar_reader *reader, struct ustar_entry *out_entry, text *out_reason);
