/*
 * Patterns of grep: a subset of POSIX basic regular expressions, with + and ? besides.
 *
 *     c       itself          .       any character        [a-z] [^a-z]   one of these, none of
 * these x*  x+  x?  any number of x, one at least, one at most ^  $    begin and end of the line,
 * at the pattern's begin and end
 *     \c      c itself
 *
 * Characters are bytes, but for '.' and [^...], which take a whole UTF-8 character.
 *
 * A line is matched by following all possibilities at once, so no pattern takes longer than
 * its length times the line's.
 *
 * Pure; no allocation. Context: any.
 */
#pragma once
#include "peal/text.h"

#define PATTERN_ITEMS_MAX 63u

/* One character to match, and how often. */
struct pattern_item {
    uint64_t bytes[4]; /* bit set of the bytes it matches */
    bool may_repeat;
    bool may_be_absent;
    bool is_wide; /* bytes 0x80.. it matches stand for whole characters */
};

struct pattern {
    struct pattern_item items[PATTERN_ITEMS_MAX];
    uint32_t count;
    bool is_at_begin;
    bool is_at_end;
};

/* nullptr, or one sentence about what is wrong. With `ignore_case` ASCII letters match both. */
const char *pattern_parse(text source, bool ignore_case, struct pattern *out_pattern);
/* A pattern that matches the text itself. As above. */
const char *pattern_literal(text source, bool ignore_case, struct pattern *out_pattern);
/* True when the pattern matches anywhere in the line. */
bool pattern_matches(const struct pattern *pattern, text line);
