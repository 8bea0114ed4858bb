/*
 * What the shell waits for: typed bytes, Ctrl-C, the end of the program in the foreground.
 *
 * All three are submissions in flight. The watch for Ctrl-C is renewed as soon as it has fired, so
 * the key never reaches a program that reads the console.
 */
#pragma once
#include "peal/process.h"

/* Exit code of a program that Ctrl-C ended. */
#define EVENTS_CODE_INTERRUPTED 130u

void events_init(console_ref console);

/* Waits for typed bytes. False: Ctrl-C was typed instead, and nothing is in *out_typed. */
bool events_read(text *out_typed, status *out_status);

/* Waits for the end of `process`; Ctrl-C ends it, with EVENTS_CODE_INTERRUPTED. */
status events_wait(process_ref process, struct abi_exit *out_exit);
