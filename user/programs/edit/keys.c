#include "keys.h"

#define ESCAPE     0x1bu
#define NUMBER_MAX 9999u

static enum key key_of_final(struct keys *keys, uint8_t byte)
{
    switch (byte) {
    case 'A':
        return KEY_UP;
    case 'B':
        return KEY_DOWN;
    case 'C':
        return KEY_RIGHT;
    case 'D':
        return KEY_LEFT;
    case 'H':
        return KEY_HOME;
    case 'F':
        return KEY_END;
    case 'R':
        keys->rows = keys->numbers[0];
        keys->columns = keys->numbers[1];
        return KEY_SIZE;
    default:
        return KEY_NONE;
    }
}

/* ESC [ number ~ */
static enum key key_of_number(uint32_t number)
{
    switch (number) {
    case 1:
    case 7:
        return KEY_HOME;
    case 3:
        return KEY_DELETE;
    case 4:
    case 8:
        return KEY_END;
    case 5:
        return KEY_PAGE_UP;
    case 6:
        return KEY_PAGE_DOWN;
    default:
        return KEY_NONE;
    }
}

static enum key feed_sequence(struct keys *keys, uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        uint32_t *number = &keys->numbers[keys->number_index];
        *number = *number * 10 + (byte - '0');
        if (*number > NUMBER_MAX) *number = NUMBER_MAX;
        return KEY_NONE;
    }
    if (byte == ';') {
        keys->number_index = 1;
        return KEY_NONE;
    }
    if (byte < 0x40 || byte > 0x7e) return KEY_NONE; /* not the final byte: ECMA-48, 5.4 */
    keys->state = KEYS_PLAIN;
    return byte == '~' ? key_of_number(keys->numbers[0]) : key_of_final(keys, byte);
}

enum key keys_feed(struct keys *keys, uint8_t byte)
{
    switch (keys->state) {
    case KEYS_PLAIN:
        if (byte == ESCAPE) {
            keys->state = KEYS_ESCAPE;
            return KEY_NONE;
        }
        keys->byte = byte;
        return KEY_BYTE;
    case KEYS_ESCAPE:
        keys->numbers[0] = keys->numbers[1] = keys->number_index = 0;
        keys->state = byte == '[' ? KEYS_SEQUENCE : byte == 'O' ? KEYS_SS3 : KEYS_PLAIN;
        return KEY_NONE;
    case KEYS_SEQUENCE:
        return feed_sequence(keys, byte);
    case KEYS_SS3:
        keys->state = KEYS_PLAIN;
        return key_of_final(keys, byte);
    }
    return KEY_NONE;
}
