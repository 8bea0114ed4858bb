/*
 * The kernel's command line: words separated by blanks, each `name` or `name=value`.
 *
 * Semicolons separate as blanks do. Of an option given twice the last counts; unknown ones are kept
 * for others to look up and are no error. Pure.
 *
 * Context: any. The texts borrow from the command line.
 */
#pragma once
#include "base/text.h"

/* The value of an option: empty, though found, for one without. False when it is not there. */
bool command_line_find(text command_line, text name, text *out_value);
/* Whether the option is there, with or without a value. */
bool command_line_has(text command_line, text name);
/* The option's value as a number, or the default when it is missing or none. */
uint64_t command_line_number(text command_line, text name, uint64_t otherwise);
/* Whether the option has exactly this value. */
bool command_line_is(text command_line, text name, text value);
