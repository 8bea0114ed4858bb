/* Paths: checking and splitting. */
#include "fs/vfs/path.h"
#include <abi/ops.h>

static status name_check(text name)
{
    if (text_equal(name, TEXT(".."))) return FAIL(PERMISSION_DENIED);
    if (name.length == 0 || name.length > ABI_NAME_BYTES_MAX) return FAIL(INVALID_ARGUMENT);
    return text_equal(name, TEXT(".")) ? FAIL(INVALID_ARGUMENT) : OK;
}

status path_check(text path)
{
    if (path.length == 0 || path.length > ABI_PATH_BYTES_MAX) return FAIL(INVALID_ARGUMENT);
    if (!text_is_utf8(path)) return FAIL(INVALID_ARGUMENT);
    if (path.bytes[0] == '/') return FAIL(PERMISSION_DENIED);
    if (path.bytes[path.length - 1] == '/') return FAIL(INVALID_ARGUMENT);
    text rest = path, name;
    while (path_next(&rest, &name))
        TRY(name_check(name));
    return OK;
}

bool path_next(text *rest, text *out_name)
{
    if (rest->length == 0) return false;
    *out_name = text_split(rest, '/');
    return true;
}
