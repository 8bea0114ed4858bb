#include "peal/path.h"
#include "peal/bytes.h"

/* Adds the names of `path` to what is in `out`. An absolute path of no names has length 0 here. */
static bool append_names(text path, char out[static PATH_BYTES_MAX], size_t *length)
{
    while (path.length > 0) {
        text name = peal_text_split(&path, '/');
        if (name.length == 0 || peal_text_equal(name, TEXT("."))) continue;
        if (peal_text_equal(name, TEXT(".."))) {
            while (*length > 0 && out[--*length] != '/') {
            }
            continue;
        }
        if (name.length + 1 > PATH_BYTES_MAX - *length) return false;
        out[(*length)++] = '/';
        memcpy(out + *length, name.bytes, name.length);
        *length += name.length;
    }
    return true;
}

bool path_resolve(text current, text path, char out[static PATH_BYTES_MAX], text *out_path)
{
    size_t length = 0;
    bool is_absolute = peal_text_starts_with(path, TEXT("/"));
    if (!is_absolute && !append_names(current, out, &length)) return false;
    if (!append_names(path, out, &length)) return false;
    if (length == 0) out[length++] = '/';
    *out_path = (text){out, length};
    return true;
}

bool path_is_plain(text path)
{
    if (path.length == 0 || path.bytes[0] == '/' || path.bytes[path.length - 1] == '/')
        return false;
    while (path.length > 0) {
        text name = peal_text_split(&path, '/');
        if (name.length == 0 || peal_text_equal(name, TEXT(".")) ||
            peal_text_equal(name, TEXT("..")))
            return false;
    }
    return true;
}

text path_last_name(text path)
{
    while (path.length > 0 && path.bytes[path.length - 1] == '/')
        path.length--;
    size_t at = path.length;
    while (at > 0 && path.bytes[at - 1] != '/')
        at--;
    return peal_text_slice(path, at, SIZE_MAX);
}
