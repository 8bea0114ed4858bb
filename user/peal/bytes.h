/*
 * The four functions that the compiler itself calls. Context: any; no state.
 * Cost: about ten instructions for 64 bytes; a string instruction would count one for each byte.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *where, int byte, size_t length);
int memcmp(const void *a, const void *b, size_t length);
