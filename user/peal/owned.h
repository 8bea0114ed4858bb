/*
 * Ownership in types: who must end a thing, said where the variable is declared.
 *
 *     OWNED(file_handle) file = TAKE(opened.value);   closes at the end of its scope
 *     return TAKE(file);                              moves it out; nothing is closed then
 *
 * A type used with OWNED has a function `void TYPE_drop(TYPE *)` that accepts the nil value.
 */
#pragma once
#include "peal/analyser.h"

#define OWNED(type) __attribute__((cleanup(type##_drop))) type

/* Moves out of a variable: yields its value and leaves nil, whose drop does nothing. */
#define TAKE(source)                      \
    ({                                    \
        typeof(source) taken_ = (source); \
        PEAL_ANALYSER_MOVED(taken_);      \
        (source) = (typeof(source)){0};   \
        taken_;                           \
    })

/* On a parameter: the callee owns it from the call on, whether it succeeds or fails. */
#define CONSUMED
