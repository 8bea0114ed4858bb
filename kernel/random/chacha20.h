/*
 * The ChaCha20 block function: RFC 8439, section 2.3.
 * Context: any; no state.
 */
#pragma once
#include <stdint.h>

#define CHACHA20_KEY_BYTES   32u
#define CHACHA20_BLOCK_BYTES 64u

/* key and nonce as little-endian words; writes CHACHA20_BLOCK_BYTES. */
void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint8_t *out);
