/*
 * Patterns for names of files. Pure.
 *
 *     *        any characters, also none
 *     ?        one character
 *     [a-cx]   one of these     [!a-cx]   one that is none of these
 *     \        the next character as it is
 *
 * A character is a code point of UTF-8, or a byte that belongs to none. A name that begins with a
 * dot matches only a pattern that does. Letters match in their own case only. A [ that is not
 * closed stands for itself. / does not occur: patterns are matched name by name.
 */
#pragma once
#include "peal/text.h"

/* Cost: length of the pattern times length of the name, at most. */
bool glob_matches(text pattern, text name);

/* True when the pattern could match anything but itself. */
bool glob_is_pattern(text pattern);

/* The pattern's characters without the \ before them, into `bytes`, as long as the pattern. */
text glob_plain(text pattern, char *bytes);

/* Sorts by bytes. Cost: count^1.5 at most, about. */
void glob_sort(text *names, uint32_t count);
