/*
 * What every program says about itself. Context: the program's start.
 */
#pragma once
#include "peal/program.h"

/* Exit codes that all programs share. */
#define EXIT_CODE_FAILED 1
#define EXIT_CODE_USAGE  2

/* Prints `usage` and returns true when the first argument is --help. */
bool peal_wants_help(struct peal_arguments arguments, const char *usage);

/* "NAME: MESSAGE; see `NAME --help`" to standard error. Returns EXIT_CODE_USAGE. */
int peal_usage_error(const char *message);

/*
 * As peal_error_status for a path that was to be opened as a file: when it names a directory, that
 * is said instead of NOT_FOUND; and of INVALID_ARGUMENT what is wrong with the name.
 */
void peal_error_path(text path, status why);
