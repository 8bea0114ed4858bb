/*
 * Handles, typed by the kind of thing they name.
 *
 * For each kind X of abi/kinds.def there are two types. An `X_handle` is owned by exactly one
 * variable, says so with OWNED(X_handle), and is closed at the end of its scope. An `X_ref` is
 * borrowed: good until the call it is passed to returns. Passing the wrong kind does not compile.
 *
 *     X_ref    X_borrow(const X_handle *)     to pass it to a call
 *     void     X_handle_drop(X_handle *)      closes; nil stays nil
 *     bool     X_is_nil(X_ref)
 *     X_result X_dup(X_ref, rights)           a second handle with some of the rights
 *     X_result X_restrict(CONSUMED X_handle, rights)
 *     size_result X_revoke(X_ref)             takes back every handle derived from it, wherever it
 *                                             is; when that returns nothing is under way through
 *                                             any of them. How many there were
 *
 * Context: any thread. What is closed on one thread must not be in use on another.
 */
#pragma once
#include "peal/analyser.h"
#include "peal/owned.h"
#include "peal/status.h"
#include <abi/ops.h>

/* One record for what a refused call told: which right, lost where. See ABI_DETAIL_MAKE. */
uint32_t peal_refusal_detail(void);

/* The untyped forms below the typed ones. Closing nil or a stale handle does nothing. */
void peal_raw_close(peal_raw_handle handle RELEASES_HANDLE);
/* The same, and tells what the kernel answered: of a file, what failed of its writing. */
status peal_raw_close_telling(peal_raw_handle handle RELEASES_HANDLE);
peal_raw_status peal_raw_dup(peal_raw_handle handle USES_HANDLE, uint64_t rights,
                             peal_raw_handle *out_handle ACQUIRES_HANDLE);
peal_raw_status peal_raw_restrict(peal_raw_handle handle RELEASES_HANDLE, uint64_t rights,
                                  peal_raw_handle *out_handle ACQUIRES_HANDLE);
size_result peal_raw_revoke(peal_raw_handle handle USES_HANDLE);
status peal_raw_stat(peal_raw_handle handle USES_HANDLE, struct abi_stat *out_stat);

static inline status status_of_raw(peal_raw_status code)
{
    return (status){(enum status_code)code};
}

#define KIND(NAME, name, number, summary)                                                        \
    typedef struct name##_handle {                                                               \
        peal_raw_handle raw;                                                                     \
    } name##_handle;                                                                             \
    typedef struct name##_ref {                                                                  \
        peal_raw_handle raw;                                                                     \
    } name##_ref;                                                                                \
    RESULT_TYPE(name##_result, name##_handle);                                                   \
    static inline name##_ref name##_borrow(const name##_handle *handle)                          \
    {                                                                                            \
        PEAL_ANALYSER_USE(handle->raw);                                                          \
        return (name##_ref){handle->raw};                                                        \
    }                                                                                            \
    static inline bool name##_is_nil(name##_ref ref)                                             \
    {                                                                                            \
        return ref.raw == ABI_HANDLE_NONE;                                                       \
    }                                                                                            \
    static inline void name##_handle_drop(name##_handle *handle)                                 \
    {                                                                                            \
        if (handle->raw != ABI_HANDLE_NONE) peal_raw_close(handle->raw);                         \
        handle->raw = ABI_HANDLE_NONE;                                                           \
    }                                                                                            \
    static inline name##_result name##_dup(name##_ref ref, uint64_t rights)                      \
    {                                                                                            \
        name##_result result = {0};                                                              \
        result.status = status_of_raw(peal_raw_dup(ref.raw, rights, &result.value.raw));         \
        return result;                                                                           \
    }                                                                                            \
    static inline name##_result name##_restrict(CONSUMED name##_handle handle, uint64_t rights)  \
    {                                                                                            \
        name##_result result = {0};                                                              \
        result.status = status_of_raw(peal_raw_restrict(handle.raw, rights, &result.value.raw)); \
        return result;                                                                           \
    }                                                                                            \
    static inline size_result name##_revoke(name##_ref ref)                                      \
    {                                                                                            \
        return peal_raw_revoke(ref.raw);                                                         \
    }                                                                                            \
    static inline status name##_stat(name##_ref ref, struct abi_stat *out_stat)                  \
    {                                                                                            \
        return peal_raw_stat(ref.raw, out_stat);                                                 \
    }
#include <abi/kinds.def>
#undef KIND
