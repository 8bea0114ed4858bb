/*
 * Four mistakes with handles, and a function without one. The analyser must report exactly the
 * mistakes: this file is analysed with every program and never linked.
 */
#include "peal/file.h"

bool leaks(directory_ref folder, text path);
status closes_twice(file_ref file);
status uses_after_close(file_ref file, struct abi_stat *out);
status restricts_and_closes(file_ref file);
status is_right(directory_ref folder, text path, struct abi_stat *out);

bool leaks(directory_ref folder, text path)
{
    file_result opened = peal_file_open(folder, path, RIGHTS_READ);
    /* expected-warning@+1 {{Potential leak of handle}} */
    return opened.status.code == STATUS_OK;
}

status closes_twice(file_ref file)
{
    file_result copy = file_dup(file, RIGHTS_READ);
    TRY(copy.status);
    peal_raw_close(copy.value.raw);
    /* expected-warning@+1 {{Releasing a previously released handle}} */
    peal_raw_close(copy.value.raw);
    return OK;
}

status uses_after_close(file_ref file, struct abi_stat *out)
{
    file_result copy = file_dup(file, RIGHTS_READ);
    TRY(copy.status);
    peal_raw_close(copy.value.raw);
    /* expected-warning@+1 {{Using a previously released handle}} */
    return peal_raw_stat(copy.value.raw, out);
}

status restricts_and_closes(file_ref file)
{
    peal_raw_handle copy, less;
    TRY(status_of_raw(peal_raw_dup(file.raw, RIGHTS_READ, &copy)));
    peal_raw_status restricted = peal_raw_restrict(copy, RIGHTS_HANDLE, &less);
    /* expected-warning@+1 {{Releasing a previously released handle}} */
    peal_raw_close(copy);
    if (restricted == 0) peal_raw_close(less);
    return OK;
}

status is_right(directory_ref folder, text path, struct abi_stat *out)
{
    file_result opened = peal_file_open(folder, path, RIGHTS_READ);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    file_result copy = file_dup(file_borrow(&file), RIGHTS_READ);
    TRY(copy.status);
    OWNED(file_handle) second = TAKE(copy.value);
    return file_stat(file_borrow(&second), out);
}
