/*
 * From scancodes to what a terminal types: US layout, scancode set 1.
 *
 * A key press yields the byte, or the escape sequence, that a VT100-like terminal sends for it; a
 * release yields nothing. Shift, Ctrl, Alt (a leading escape) and CapsLock are kept track of.
 *
 * IBM Personal System/2 Hardware Interface Technical Reference, "Keyboard (101/102-key)", scan code
 * set 1; ECMA-48 and the VT220 Programmer Reference Manual, 3.2, for the sequences.
 *
 * Context: any. Pure logic; the caller provides the locking.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct keyboard {
    bool shift_left, shift_right;
    bool control_left, control_right;
    bool alt;
    bool caps_lock;
    bool is_extended; /* the byte before was 0xe0 */
    uint8_t to_skip;  /* bytes of a longer code that means nothing here */
};

#define KEYBOARD_SEQUENCE_BYTES_MAX 8u

/* Takes one byte from the keyboard; writes what it types and answers how many bytes: mostly 0 or 1.
 */
size_t keyboard_decode(struct keyboard *keyboard, uint8_t scancode,
                       char typed[KEYBOARD_SEQUENCE_BYTES_MAX]);
