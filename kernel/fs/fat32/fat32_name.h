/*
 * Names and times as FAT stores them: pure conversions, no trust.
 *
 * Names come out as UTF-8. What UTF-8 or a path cannot hold (an unpaired surrogate, a control
 * character, '/') becomes U+FFFD, in listings and in comparisons alike, so that every name listed
 * can be opened.
 *
 * Context: any; no state.
 */
#pragma once
#include "base/text.h"
#include <stdint.h>

#define FAT32_NAME_BYTES_MAX  765u /* 255 UTF-16 units, three UTF-8 bytes each */
#define FAT32_ALIAS_BYTES_MAX 34u  /* 11 characters, three bytes each, and a dot */
#define FAT32_NAME_UNITS      260u /* 20 parts of 13 */

/* A long name while its parts are being collected. */
struct fat32_long_name {
    uint8_t parts_missing; /* the next part's number, or 0: complete */
    uint8_t checksum;      /* of the short name it belongs to */
    uint16_t unit_count;   /* 0: no name is being collected */
    uint16_t units[FAT32_NAME_UNITS];
};

/* Forgets what has been collected. */
void fat32_long_name_reset(struct fat32_long_name *name);
/* Takes one part, 32 bytes of a directory. A part out of order makes the collection empty. */
void fat32_long_name_add(struct fat32_long_name *name, const uint8_t *part);
/*
 * Writes the name, if all parts are there, belong to this short entry and make a name that a path
 * can hold. Answers its bytes, 0 when there is no such name.
 */
uint32_t fat32_long_name_finish(const struct fat32_long_name *name, const uint8_t *short_entry,
                                char to[FAT32_NAME_BYTES_MAX]);

/* The name in a short entry, with its lower-case flags; answers its bytes. */
uint32_t fat32_short_name(const uint8_t *short_entry, char to[FAT32_ALIAS_BYTES_MAX]);
/* "FAT Long Directory Entries": the sum that ties a long name to its short entry. */
uint8_t fat32_short_name_checksum(const uint8_t *short_entry);

/*
 * Equal when case is ignored: Latin, Greek and Cyrillic letters by simple folding, everything else
 * as it is. Bytes that are no UTF-8 equal nothing but themselves.
 */
bool fat32_names_match(text a, text b);

/* Nanoseconds since 1970; 0 when there is no such date. `tenths` counts 10 ms. */
uint64_t fat32_time_ns(uint16_t date, uint16_t time, uint8_t tenths);
