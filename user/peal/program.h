/*
 * What a program starts with, and how it ends.
 *
 *     int peal_main(struct peal_arguments arguments)
 *     {
 *         console_ref console = peal_granted_console(TEXT("console"));
 *         ...
 *         return 0;
 *     }
 *
 * The first argument is the program's name. Granted handles belong to the process for as long as it
 * runs: they are borrowed here, and never dropped.
 *
 * Context: any thread. The block these read is read-only.
 */
#pragma once
#include "peal/handle.h"
#include <abi/startup.h>

struct peal_arguments {
    uint32_t count;
    const struct abi_string *strings; /* offsets into the start-up block */
};

/* Every program defines this. What it returns is the exit code. */
int peal_main(struct peal_arguments arguments);

/* Argument `index`, or empty text when there are not so many. */
text peal_argument(struct peal_arguments arguments, uint32_t index);

/* The whole block, for what has no function. */
const struct abi_startup *peal_startup(void);

/* Value of an environment variable; false when it is not set. */
bool peal_environment_get(text name, text *out_value);
uint32_t peal_environment_count(void);
/* "NAME=value" */
text peal_environment_at(uint32_t index);

/* Its value as a number (text.h), or `otherwise` when it is not set or no number. */
uint64_t peal_environment_number(text name, uint64_t otherwise);

/* The handle granted under this name, or nullptr. */
const struct abi_startup_handle *peal_granted(text name);
/* Of any kind, untyped; ABI_HANDLE_NONE when there is none. */
peal_raw_handle peal_granted_raw(text name);
uint32_t peal_granted_count(void);
const struct abi_startup_handle *peal_granted_at(uint32_t index);

/* peal_granted_X(name): the handle granted under this name if it is of kind X; otherwise nil. */
#define KIND(NAME, name, number, summary)                                                   \
    static inline name##_ref peal_granted_##name(text handle_name)                          \
    {                                                                                       \
        const struct abi_startup_handle *granted = peal_granted(handle_name);               \
        if (granted == nullptr || granted->kind != ABI_KIND_##NAME) return (name##_ref){0}; \
        return (name##_ref){granted->handle};                                               \
    }
#include <abi/kinds.def>
#undef KIND

/* Writes out what is buffered and ends the process with all its threads. */
[[noreturn]] void peal_exit(int code);

/* As above, but what is buffered is lost. */
[[noreturn]] void peal_exit_at_once(int code);

/* Ends the process at once: what is buffered is lost. For states that cannot be. */
[[noreturn]] void peal_abort(void);
