/* ChaCha20: RFC 8439, sections 2.1 to 2.3. */
#include "random/chacha20.h"
#include "base/bytes.h"

static constexpr uint32_t DOUBLE_ROUNDS = 10;

static uint32_t rotate_left(uint32_t value, uint32_t bits)
{
    return value << bits | value >> (32 - bits);
}

static void quarter_round(uint32_t *state, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    state[a] += state[b];
    state[d] = rotate_left(state[d] ^ state[a], 16);
    state[c] += state[d];
    state[b] = rotate_left(state[b] ^ state[c], 12);
    state[a] += state[b];
    state[d] = rotate_left(state[d] ^ state[a], 8);
    state[c] += state[d];
    state[b] = rotate_left(state[b] ^ state[c], 7);
}

void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint8_t *out)
{
    const uint32_t start[16] = {
        0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, /* "expand 32-byte k" */
        key[0],     key[1],     key[2],     key[3],     key[4],   key[5],
        key[6],     key[7],     counter,    nonce[0],   nonce[1], nonce[2],
    };
    uint32_t state[16];
    bytes_copy(state, start, sizeof(state));
    for (uint32_t round = 0; round < DOUBLE_ROUNDS; round++) {
        quarter_round(state, 0, 4, 8, 12);
        quarter_round(state, 1, 5, 9, 13);
        quarter_round(state, 2, 6, 10, 14);
        quarter_round(state, 3, 7, 11, 15);
        quarter_round(state, 0, 5, 10, 15);
        quarter_round(state, 1, 6, 11, 12);
        quarter_round(state, 2, 7, 8, 13);
        quarter_round(state, 3, 4, 9, 14);
    }
    for (uint32_t i = 0; i < 16; i++)
        store_le32(out + 4 * i, state[i] + start[i]);
}
