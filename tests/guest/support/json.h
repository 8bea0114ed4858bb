/*
 * A strict reader of JSON (RFC 8259), for tests of what writes it: a text is checked as a whole,
 * then looked into. It accepts nothing the standard does not, nor nesting deeper than
 * JSON_DEPTH_MAX, nor strings that are not UTF-8.
 *
 * A value is the text it stands in; nothing is allocated.
 */
#pragma once
#include "peal/text.h"

#define JSON_DEPTH_MAX 32u

/* One value, with blanks around it at most. On failure *out_at is where it goes wrong. */
bool json_is_valid(text whole, size_t *out_at);

/* The rest is for values of texts that are valid. */

/* The value of a member of an object; false when the object has none of this name, or is none. */
bool json_member(text object, text key, text *out_value);
/* The value behind a path of member names: "data.tasks". */
bool json_find(text whole, text path, text *out_value);
/* Items of an array, one by one: `rest` begins as the array. False: there are no more. */
bool json_next_item(text *rest, text *out_item);
/* A whole number of 64 bits. */
bool json_to_number(text value, uint64_t *out_number);
bool json_is_true(text value);
/* The letters a string stands for; false when it is no string or they do not fit. */
bool json_to_text(text value, char *bytes, size_t capacity, text *out_text);
