/*
 * One handle of every kind that exists, with all rights it can have, for tests that go through
 * kinds.
 */
#pragma once
#include <abi/types.h>

/*
 * The handle of that kind, made on first use and kept; 0 when this system cannot make one yet (the
 * kind has no operations). The program must have been given "root", "console" and "system".
 */
uint64_t object_of_kind(enum abi_kind kind);
/* Of any kind in the set, and of one that is not in it; 0 when there is none. */
uint64_t object_of_kinds(uint32_t kinds);
uint64_t object_outside_kinds(uint32_t kinds);

/* A request with these of its rights, which cannot be doubled: a new one each time, of which
 * the caller may have two. Threads that are started for it ask. 0 when that is not possible. */
uint64_t object_fresh_request(uint64_t rights);
