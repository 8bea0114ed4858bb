/*
 * Ownership in types: who must end a thing, said where the variable is declared.
 *
 *     OWNED(object_owner) file = ...;   runs object_owner_drop(&file) at the end of its scope
 *     return TAKE(file);                moves it out; the drop then finds nil and does nothing
 *
 * A type used with OWNED has a function `void TYPE_drop(TYPE *)` that accepts the nil value.
 */
#pragma once

#define OWNED(type) __attribute__((cleanup(type##_drop))) type

/* Moves out of a variable: yields its value and leaves nil, whose drop does nothing. */
#define TAKE(source)                      \
    ({                                    \
        typeof(source) taken_ = (source); \
        (source) = (typeof(source)){0};   \
        taken_;                           \
    })

/* On a parameter: the callee owns it from the call on, whether it succeeds or fails. */
#define CONSUMED
