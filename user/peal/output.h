/*
 * What a program prints: to the granted streams "stdout" and "stderr", or else to "console".
 *
 * Standard output is buffered and written when the buffer is full, at peal_flush() and when the
 * program ends with peal_exit or by returning from peal_main. Errors flush it first and are
 * written at once. Without any of them, output goes nowhere. What could not be written, since the
 * disk is full, say, is told when the program ends, and its exit code is then not zero.
 *
 * Context: any thread; one mutex orders what threads print.
 */
#pragma once
#include "peal/format.h"
#include "peal/stream.h"

void peal_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void peal_print_list(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
void peal_print_text(text piece);
void peal_flush(void);

/* True when something could not be written. */
bool peal_output_failed(void);

/*
 * The library's, at the program's end: writes what is buffered. False when something of all the
 * output could not be written; that was then said on "stderr".
 */
[[nodiscard]] bool peal_output_end(void);

/*
 * Output and errors go to these from now on, or with nil to where they went at first; what is
 * buffered goes to where it was meant. For the shell, whose own commands can be redirected.
 *   what writing gave, if anything since the last change failed
 */
status peal_output_redirect(stream_ref output, stream_ref errors);

/* "NAME: MESSAGE\n" to standard error, where NAME is the program's; then what to do next. */
void peal_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Puts a status in words into an error: "cat: /x: Nothing of that name exists here. (NOT_FOUND)" */
void peal_error_status(text subject, status why);

/* Bits of `rights` as names separated by commas, into the writer; "none" for 0. */
void peal_format_rights(struct writer *writer, uint64_t rights);
/* The bit with this name ("read"), or 0. */
uint64_t peal_right_by_name(text name);
text peal_kind_name(uint32_t kind);
/* The detail of NOT_EXECUTABLE in words ("it is not an ELF file"); empty for others. */
text peal_not_executable_reason(uint32_t detail);
/* 1536 as "1.5K": at most five characters. */
void peal_format_bytes(struct writer *writer, uint64_t bytes);
