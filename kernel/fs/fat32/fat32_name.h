/*
 * Names and times as FAT stores them: pure conversions, no trust.
 *
 * Names come out as UTF-8. What UTF-8 or a path cannot hold (an unpaired surrogate, a control
 * character, '/') becomes U+FFFD, in listings and in comparisons alike, so that every name listed
 * can be opened.
 *
 * Names that go in are taken as they are or refused: nothing is stripped or replaced, so that what
 * was created is found under the name that was given. Refused are
 *   - an empty name, and one of more than 255 UTF-16 units (characters above U+FFFF take two);
 *   - what is not well-formed UTF-8, or contains NUL;
 *   - characters below U+0020, U+007F, and " * / : < > ? \ |
 *   - names that end in a dot or a space, "." and ".." with them: other systems strip those.
 *
 * Each name has a short form of 8 and 3 upper-case characters. A name that is one already, or has
 * its base or its extension all in lower case (Windows NT's flags), needs nothing besides. Any
 * other has a long form too; its short form is the same in upper case if it fits, else what fits
 * of it and a tail "~number".
 *
 * Context: any; no state.
 */
#pragma once
#include "base/status.h"
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

/* ---- names that go in ---- */

#define FAT32_TAIL_MAX 999999u

struct fat32_encoded_name {
    uint16_t unit_count;              /* of the name in UTF-16 */
    uint8_t part_count;               /* of the long form; 0: the short entry says it all */
    uint8_t letter_case;              /* the short entry's flags */
    bool needs_tail;                  /* the short form stands only with a number */
    uint8_t short_name[11];           /* padded; without a tail */
    uint16_t units[FAT32_NAME_UNITS]; /* zero and 0xffff behind the name, as the parts have it */
};

/* INVALID_ARGUMENT   FAT cannot hold the name: see above; *out_name is then undefined */
status fat32_name_encode(text name, struct fat32_encoded_name *out_name);
/* The short form with a tail, 1..FAT32_TAIL_MAX: the base gives up as many characters as that
 * takes. */
void fat32_name_set_tail(const struct fat32_encoded_name *name, uint32_t tail, uint8_t to[11]);
/* The number that would make the short form this one; 0: none does. */
uint32_t fat32_name_tail_of(const struct fat32_encoded_name *name, const uint8_t *short_name);
/* Part 1..part_count as the directory holds it, 32 bytes; the checksum is that of the short form.
 */
void fat32_name_put_part(const struct fat32_encoded_name *name, uint32_t number, uint8_t checksum,
                         uint8_t *to);

/* ---- comparing ---- */

/* A name to be looked for among many, prepared once. */
struct fat32_sought_name {
    uint32_t unit_count; /* 0: no entry can have this name */
    uint16_t units[255]; /* UTF-16, case folded */
};
void fat32_sought_prepare(text name, struct fat32_sought_name *out_sought);
/* True when the entry's name or its short name is the one sought, as fat32_names_match of both
 * would say. */
bool fat32_sought_is(const struct fat32_sought_name *sought,
                     const struct fat32_long_name *long_name, const uint8_t *short_entry);

/*
 * Equal when case is ignored: Latin, Greek and Cyrillic letters by simple folding, everything else
 * as it is. Bytes that are no UTF-8 equal nothing but themselves.
 */
bool fat32_names_match(text a, text b);
/* A number that is the same for names that match. */
uint64_t fat32_name_hash(text name);

/* ---- times ---- */

struct fat32_time {
    uint16_t date;
    uint16_t time;  /* 2 s */
    uint8_t tenths; /* 10 ms, 0..199: what `time` leaves out */
};
/* From nanoseconds since 1970; moved to the nearest that FAT knows, 1980 to 2107. 0 stays the
 * unknown time. */
struct fat32_time fat32_time_of(uint64_t ns);
/* Nanoseconds since 1970; 0 when there is no such date. `tenths` counts 10 ms. */
uint64_t fat32_time_ns(uint16_t date, uint16_t time, uint8_t tenths);
