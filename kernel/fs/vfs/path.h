/*
 * Paths: names separated by '/', relative to a directory.
 * Context: any; no state.
 */
#pragma once
#include "base/status.h"
#include "base/text.h"

/*
 * Checks a whole path, so that nothing on the way has to be checked again.
 *   PERMISSION_DENIED   it begins with '/' or has a name "..": it tries to leave its directory
 *   INVALID_ARGUMENT    not UTF-8, with NUL, empty or too long, as a whole or a name of it; or "."
 */
status path_check(text path);

/* Takes the first name off a checked path; false when there is none left. */
bool path_next(text *rest, text *out_name);
