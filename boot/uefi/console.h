/*
 * What the loader says: on the firmware's console, and on the first serial port when the console
 * does not go there already. Only until boot services end.
 */
#pragma once
#include "uefi/uefi.h"

/* Before anything else here. Without any console, messages are lost and all else works. */
void console_init(struct efi_system_table *system);

/* Prints the texts one after another, and a line break. UTF-8 from the command line may appear as
 * question marks; texts of our own are ASCII. End the list with nullptr. */
[[gnu::sentinel]] void console_say(const char *first, ...);

/* A name for a status that a person can look up. */
const char *console_status_name(efi_status status);
