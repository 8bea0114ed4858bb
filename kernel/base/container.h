/* From a member back to the struct that holds it; the member's type is checked. */
#pragma once
#include <stddef.h>

#define container_of(pointer, type, member)                 \
    ({                                                      \
        typeof(((type *)0)->member) *member_ = (pointer);   \
        (type *)((char *)member_ - offsetof(type, member)); \
    })
#define array_count(array) (sizeof(array) / sizeof((array)[0]))
