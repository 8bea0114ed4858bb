/*
 * Handle tables, derivation and revocation against the model of support/derivation_model.h.
 * Input: the bytes by which the model's steps are chosen.
 */
#include "support/derivation_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Tokens without entropy, to make it easy to find a slip: each is drawn once. */
static uint64_t tokens_drawn;
uint64_t random_number(void)
{
    return ++tokens_drawn << ABI_HANDLE_SLOT_BITS;
}

static const uint8_t *input;
static size_t input_left;
static uint8_t next_byte(void)
{
    if (input_left == 0) return 0;
    input_left--;
    return *input++;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    input = bytes;
    input_left = size;
    model_byte = next_byte;
    model_run(0, size / 2);
    return 0;
}
