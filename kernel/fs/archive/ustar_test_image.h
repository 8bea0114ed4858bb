/* Makes ustar archives in memory, entry by entry, for tests. */
#pragma once
#include "base/bytes.h"
#include <stdio.h>
#include <string.h>

struct test_archive {
    uint8_t bytes[65536];
    size_t length;
};

static inline void test_archive_sum(uint8_t *header)
{
    uint32_t sum = 0;
    memset(header + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
}

/* Appends a header and the content, padded; answers the header, whose sum must be renewed after
 * changes. */
static inline uint8_t *test_archive_add(struct test_archive *archive, char type, const char *name,
                                        const char *content)
{
    uint8_t *header = archive->bytes + archive->length;
    size_t size = strlen(content);
    memset(header, 0, 512);
    snprintf((char *)header, 100, "%s", name);
    memcpy(header + 100, "0000644", 8);
    snprintf((char *)header + 124, 12, "%011zo", size);
    snprintf((char *)header + 136, 12, "%011o", 946684800u);
    header[156] = (uint8_t)type;
    memcpy(header + 257,
           "ustar\0"
           "00",
           8);
    test_archive_sum(header);
    memset(header + 512, 0, (size + 511) / 512 * 512);
    memcpy(header + 512, content, size);
    archive->length += 512 + (size + 511) / 512 * 512;
    return header;
}

static inline void test_archive_end(struct test_archive *archive)
{
    memset(archive->bytes + archive->length, 0, 1024);
    archive->length += 1024;
}
