#include "base/bytes.h"
#include "drivers/input/keyboard.h"
#include "support/test.h"
#include <stdlib.h>

static struct keyboard keyboard;
static char typed[256];
static size_t typed_length;

/* Feeds scancodes up to a negative one to a new keyboard. */
static void type(const int *codes)
{
    keyboard = (struct keyboard){0};
    typed_length = 0;
    for (; *codes >= 0; codes++)
        typed_length += keyboard_decode(&keyboard, (uint8_t)*codes, typed + typed_length);
}
#define TYPED(expected, ...)                             \
    do {                                                 \
        type((int[]){__VA_ARGS__, -1});                  \
        CHECK_EQUAL(sizeof(expected) - 1, typed_length); \
        CHECK_BYTES(expected, typed, typed_length);      \
    } while (0)

TEST(letters_digits_and_signs_type_themselves)
{
    TYPED("hi", 0x23, 0xa3, 0x17, 0x97);
    TYPED("1-=", 0x02, 0x0c, 0x0d);
    TYPED("\r \t\033\177", 0x1c, 0x39, 0x0f, 0x01, 0x0e);
    TYPED("\\`;'", 0x2b, 0x29, 0x27, 0x28);
    TYPED("z/*", 0x2c, 0x35, 0x37);
    TYPED("", 0xa3);
}

TEST(shift_holds_until_it_is_released)
{
    TYPED("Aa!1", 0x2a, 0x1e, 0xaa, 0x1e, 0x36, 0x02, 0xb6, 0x02);
    TYPED("A", 0x2a, 0x36, 0xaa, 0x1e); /* the other one is still down */
    TYPED("?|~", 0x2a, 0x35, 0x2b, 0x29);
}

TEST(caps_lock_turns_letters_over_and_nothing_else)
{
    TYPED("A1a", 0x3a, 0xba, 0x1e, 0x02, 0x2a, 0x1e);
    TYPED("Aa", 0x3a, 0xba, 0x1e, 0x3a, 0xba, 0x1e);
}

TEST(control_makes_control_characters)
{
    TYPED("\3\4", 0x1d, 0x2e, 0x20);
    TYPED("\3", 0xe0, 0x1d, 0x2e, 0xe0, 0x9d);
    TYPED("\3c", 0x1d, 0x2e, 0x9d, 0x2e);
    type((int[]){0x1d, 0x39, -1}); /* Ctrl-Space types a zero */
    CHECK(typed_length == 1 && typed[0] == 0);
    TYPED("1", 0x1d, 0x02);
}

TEST(alt_puts_an_escape_in_front)
{
    TYPED("\033b", 0x38, 0x30);
}

TEST(arrows_and_their_neighbours_type_sequences)
{
    TYPED("\033[A\033[B\033[C\033[D", 0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0x50, 0xe0, 0x4d, 0xe0, 0x4b);
    TYPED("\033[H\033[F\033[3~", 0xe0, 0x47, 0xe0, 0x4f, 0xe0, 0x53);
    TYPED("\033OP\033[24~", 0x3b, 0x58);
    TYPED("\033[A", 0xe0, 0x2a, 0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0xaa); /* a shift that is none */
}

TEST(the_keypad_types_digits_and_its_own_signs)
{
    TYPED("7+0.", 0x47, 0x4e, 0x52, 0x53);
    TYPED("/\r", 0xe0, 0x35, 0xe0, 0x1c);
}

TEST(the_pause_key_types_nothing)
{
    TYPED("a", 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5, 0x1e);
}

TEST(no_scancodes_at_all_type_more_than_a_sequence)
{
    srand(5);
    keyboard = (struct keyboard){0};
    for (int i = 0; i < 200000; i++) {
        char one[KEYBOARD_SEQUENCE_BYTES_MAX];
        CHECK(keyboard_decode(&keyboard, (uint8_t)rand(), one) <= sizeof(one));
    }
}
