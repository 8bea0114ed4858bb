/* Scancode set 1, US layout. */
#include "drivers/input/keyboard.h"
#include "base/bytes.h"
#include "base/container.h"
#include "base/text.h"

/* Codes that are not a character; with the high bit, or after 0xe0, as said. */
#define CODE_EXTENDED     0xe0u
#define CODE_PAUSE        0xe1u /* two codes follow, of two bytes in all; both are sent twice */
#define CODE_RELEASED     0x80u
#define CODE_SHIFT_LEFT   0x2au
#define CODE_SHIFT_RIGHT  0x36u
#define CODE_CONTROL      0x1du /* extended: the right one */
#define CODE_ALT          0x38u /* extended: the right one */
#define CODE_CAPS_LOCK    0x3au
#define CODE_KEYPAD_SLASH 0x35u /* extended */
#define CODE_KEYPAD_ENTER 0x1cu /* extended */

static constexpr uint32_t PLAIN_COUNT = 0x3a;

/* By code, from 0. Zero: no character. */
static const char plain[PLAIN_COUNT] = "\0\033"
                                       "1234567890-=\177\t"
                                       "qwertyuiop[]\r\0"
                                       "asdfghjkl;'`\0\\"
                                       "zxcvbnm,./\0*\0 ";
static const char shifted[PLAIN_COUNT] = "\0\033"
                                         "!@#$%^&*()_+\177\t"
                                         "QWERTYUIOP{}\r\0"
                                         "ASDFGHJKL:\"~\0|"
                                         "ZXCVBNM<>?\0*\0 ";
/* The keypad, from 0x47, which acts as if NumLock were on. */
static const char keypad[] = "789-456+1230.";
static constexpr uint8_t KEYPAD_FIRST = 0x47;

struct sequence {
    uint8_t code;
    const char *bytes; /* a literal, behind the escape */
    uint8_t length;
};
#define SEQUENCE(code, literal) {(code), (literal), sizeof(literal) - 1}

static const struct sequence extended_sequences[] = {
    SEQUENCE(0x48, "[A"),  SEQUENCE(0x50, "[B"),  SEQUENCE(0x4d, "[C"),  SEQUENCE(0x4b, "[D"),
    SEQUENCE(0x47, "[H"),  SEQUENCE(0x4f, "[F"),  SEQUENCE(0x52, "[2~"), SEQUENCE(0x53, "[3~"),
    SEQUENCE(0x49, "[5~"), SEQUENCE(0x51, "[6~"),
};
static const struct sequence function_sequences[] = {
    SEQUENCE(0x3b, "OP"),   SEQUENCE(0x3c, "OQ"),   SEQUENCE(0x3d, "OR"),   SEQUENCE(0x3e, "OS"),
    SEQUENCE(0x3f, "[15~"), SEQUENCE(0x40, "[17~"), SEQUENCE(0x41, "[18~"), SEQUENCE(0x42, "[19~"),
    SEQUENCE(0x43, "[20~"), SEQUENCE(0x44, "[21~"), SEQUENCE(0x57, "[23~"), SEQUENCE(0x58, "[24~"),
};

static size_t type_sequence(const struct sequence *sequences, size_t count, uint8_t code,
                            char *typed)
{
    for (size_t i = 0; i < count; i++) {
        if (sequences[i].code != code) continue;
        typed[0] = '\033';
        bytes_copy(typed + 1, sequences[i].bytes, sequences[i].length);
        return sequences[i].length + 1u;
    }
    return 0;
}

static size_t type_character(const struct keyboard *keyboard, char character, char *typed)
{
    if (character == 0) return 0;
    size_t length = 0;
    bool has_control = keyboard->control_left || keyboard->control_right;
    if (has_control && character == ' ') character = '@';
    /* The control characters are those of columns 4 to 7, less the high bits: ECMA-48, 5.2. */
    if (has_control && character >= '@' && character < '\177') character &= 0x1f;
    if (keyboard->alt) typed[length++] = '\033';
    typed[length++] = character;
    return length;
}

static char character_of(const struct keyboard *keyboard, uint8_t code)
{
    if (code >= KEYPAD_FIRST && code < KEYPAD_FIRST + sizeof(keypad) - 1)
        return keypad[code - KEYPAD_FIRST];
    if (code >= PLAIN_COUNT) return 0;
    bool is_letter = plain[code] >= 'a' && plain[code] <= 'z';
    bool has_shift = keyboard->shift_left || keyboard->shift_right;
    return has_shift != (is_letter && keyboard->caps_lock) ? shifted[code] : plain[code];
}

static bool note_modifier(struct keyboard *keyboard, uint8_t code, bool is_extended,
                          bool is_pressed)
{
    switch (code) {
    case CODE_SHIFT_LEFT: /* extended: sent around other keys, and means nothing */
        if (!is_extended) keyboard->shift_left = is_pressed;
        return true;
    case CODE_SHIFT_RIGHT:
        if (!is_extended) keyboard->shift_right = is_pressed;
        return true;
    case CODE_CONTROL:
        *(is_extended ? &keyboard->control_right : &keyboard->control_left) = is_pressed;
        return true;
    case CODE_ALT:
        keyboard->alt = is_pressed;
        return true;
    case CODE_CAPS_LOCK:
        if (is_pressed && !is_extended) keyboard->caps_lock = !keyboard->caps_lock;
        return true;
    default:
        return false;
    }
}

static size_t type_extended(const struct keyboard *keyboard, uint8_t code, char *typed)
{
    if (code == CODE_KEYPAD_SLASH) return type_character(keyboard, '/', typed);
    if (code == CODE_KEYPAD_ENTER) return type_character(keyboard, '\r', typed);
    return type_sequence(extended_sequences, array_count(extended_sequences), code, typed);
}

size_t keyboard_decode(struct keyboard *keyboard, uint8_t scancode,
                       char typed[KEYBOARD_SEQUENCE_BYTES_MAX])
{
    if (keyboard->to_skip > 0) {
        keyboard->to_skip--;
        return 0;
    }
    if (scancode == CODE_PAUSE) {
        keyboard->to_skip = 2;
        return 0;
    }
    if (scancode == CODE_EXTENDED) {
        keyboard->is_extended = true;
        return 0;
    }
    bool is_extended = keyboard->is_extended;
    keyboard->is_extended = false;
    bool is_pressed = (scancode & CODE_RELEASED) == 0;
    uint8_t code = scancode & (uint8_t)~CODE_RELEASED;
    if (note_modifier(keyboard, code, is_extended, is_pressed) || !is_pressed) return 0;
    if (is_extended) return type_extended(keyboard, code, typed);
    char character = character_of(keyboard, code);
    if (character != 0) return type_character(keyboard, character, typed);
    return type_sequence(function_sequences, array_count(function_sequences), code, typed);
}
