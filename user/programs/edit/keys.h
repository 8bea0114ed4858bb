/*
 * From the bytes a terminal sends to keys: ECMA-48 sequences as xterm sends them. Pure.
 */
#pragma once
#include "peal/text.h"

enum key : uint8_t {
    KEY_NONE, /* more bytes are needed, or nothing is meant */
    KEY_BYTE, /* `byte`: a character, part of one, or a control character */
    KEY_UP,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
    KEY_DELETE,
    KEY_SIZE, /* the cursor's position, asked for to learn the size: `rows` and `columns` */
};

enum keys_state : uint8_t { KEYS_PLAIN, KEYS_ESCAPE, KEYS_SEQUENCE, KEYS_SS3 };

struct keys {
    enum keys_state state;
    uint8_t byte;
    uint32_t rows;
    uint32_t columns;
    uint32_t numbers[2]; /* of the sequence */
    uint32_t number_index;
};

enum key keys_feed(struct keys *keys, uint8_t byte);
