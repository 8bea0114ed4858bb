/*
 * Operations in words: the table of all operations as data, and lines about what was submitted and
 * what came of it, for whoever shows requests to people.
 *
 * Context: any; no state.
 */
#pragma once
#include "peal/format.h"
#include <abi/ops.h>

/* What a row of abi/ops.def says. */
struct peal_operation {
    text name;    /* as in the table: "read" */
    text value;   /* what a success yields: "bytes read; 0 is the end of a file" */
    text summary; /* one sentence */
    uint64_t rights;
    uint32_t kinds; /* a set; 0: takes no handle */
    uint32_t flags;
    uint8_t number;
    bool has_offset;
    uint8_t argument_count;
    bool yields_handle;
};

/* nullptr when there is none with this number. */
const struct peal_operation *peal_operation_find(uint8_t number);
/* The `index`th, in order of their numbers; nullptr behind the last. */
const struct peal_operation *peal_operation_at(uint32_t index);

/* "read file/console in slot 5, 4096 bytes at 0": what is asked for. */
void peal_format_submission(struct writer *writer, const struct abi_submission *submission);
/*
 * "4096 bytes read", "a handle to the file in slot 7", or "INSUFFICIENT_RIGHTS: lacks write since
 * step 2": what came of operation `number`.
 */
void peal_format_success(struct writer *writer, uint8_t number, uint64_t value);
void peal_format_failure(struct writer *writer, uint32_t status, uint32_t detail);
