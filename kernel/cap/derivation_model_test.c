/*
 * Random sequences of derive, transfer, restrict, close, use, revoke and the deaths of processes,
 * on the real thing and on a model of it. PEAL_MODEL_SEQUENCES says how many, if not so many:
 */
#include "support/derivation_model.h"
#include <stdlib.h>

static constexpr uint64_t SEQUENCES = 20000;
static constexpr uint64_t STEPS = 80;

static uint64_t random_state;

uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static uint8_t random_byte(void)
{
    return (uint8_t)(random_number() >> 32);
}

TEST(random_sequences_do_what_the_model_says)
{
    const char *wanted = getenv("PEAL_MODEL_SEQUENCES");
    uint64_t sequences = wanted != nullptr ? strtoull(wanted, nullptr, 10) : SEQUENCES;
    model_byte = random_byte;
    for (uint64_t sequence = 1; sequence <= sequences; sequence++) {
        random_state = sequence * 0x9e37'79b9'7f4a'7c15ull | 1; /* each can be repeated alone */
        model_run(sequence, STEPS);
    }
}
