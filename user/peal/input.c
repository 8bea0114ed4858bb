#include "peal/input.h"
#include "peal/bytes.h"
#include "peal/heap.h"
#include "peal/output.h"
#include "peal/usage.h"

#define END_OF_INPUT     4 /* Ctrl-D */
#define LINE_BYTES_FIRST 4096u

/* ---- bytes ---- */

/* Makes what was typed what a file would hold; stops at Ctrl-D. */
static size_t take_typed(char *typed, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (typed[i] == END_OF_INPUT) return i;
        if (typed[i] == '\r') typed[i] = '\n';
    }
    return length;
}

size_result peal_input_read(stream_ref from, span into)
{
    size_result read = peal_stream_read(from, into);
    if (!is_ok(read.status) || read.value == 0 || from.kind != ABI_KIND_CONSOLE) return read;
    read.value = take_typed(into.bytes, read.value);
    /* At the console itself: the output may go elsewhere. One that cannot be written to is silent.
     */
    ignore_status(peal_stream_write_all(from, (view){into.bytes, read.value}));
    return read;
}

/* ---- files, or standard input ---- */

static status use_input(text path, peal_input_function *use, void *context)
{
    if (peal_text_equal(path, TEXT("-")))
        return use(context, peal_granted_stream(TEXT("stdin")), TEXT("standard input"));
    file_result opened = peal_path_open_file(path, RIGHTS_READ);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    return use(context, stream_of_file(file_borrow(&file)), path);
}

static int use_and_tell(text path, peal_input_function *use, void *context)
{
    status used = use_input(path, use, context);
    if (is_ok(used)) return 0;
    peal_error_path(path, used);
    return EXIT_CODE_FAILED;
}

int peal_for_each_input(struct peal_arguments arguments, uint32_t first, peal_input_function *use,
                        void *context)
{
    if (first >= arguments.count) return use_and_tell(TEXT("-"), use, context);
    int code = 0;
    for (uint32_t i = first; i < arguments.count; i++) {
        if (use_and_tell(peal_argument(arguments, i), use, context) != 0) code = EXIT_CODE_FAILED;
    }
    return code;
}

/* ---- lines ---- */

/* Makes room behind what is there. */
static bool make_room(line_reader *reader)
{
    if (reader->start > 0) {
        memmove(reader->bytes, reader->bytes + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
    }
    if (reader->end < reader->capacity) return true;
    size_t capacity = reader->capacity == 0 ? LINE_BYTES_FIRST : 2 * reader->capacity;
    char *larger = peal_resize(reader->bytes, capacity);
    if (larger == nullptr) return false;
    reader->bytes = larger;
    reader->capacity = capacity;
    return true;
}

/* More bytes behind those that are there; false at the end. */
static bool read_more(line_reader *reader)
{
    if (reader->is_at_end) return false;
    if (!make_room(reader)) {
        reader->status = FAIL(OUT_OF_MEMORY);
    } else {
        span room = {reader->bytes + reader->end, reader->capacity - reader->end};
        size_result read = peal_input_read(reader->from, room);
        reader->status = read.status;
        reader->end += read.value;
        if (is_ok(read.status) && read.value > 0) return true;
    }
    reader->is_at_end = true;
    return false;
}

bool line_reader_next(line_reader *reader, text *out_line)
{
    size_t searched = 0;
    for (;;) {
        text there = {reader->bytes + reader->start, reader->end - reader->start};
        size_t newline = peal_text_find(there, '\n', searched);
        reader->had_newline = newline < there.length;
        if (reader->had_newline || (reader->is_at_end && there.length > 0)) {
            *out_line = peal_text_slice(there, 0, newline);
            reader->start += newline + (reader->had_newline ? 1 : 0);
            return is_ok(reader->status);
        }
        searched = there.length;
        if (!read_more(reader) && reader->start == reader->end) return false;
    }
}

void line_reader_drop(line_reader *reader)
{
    peal_release(reader->bytes);
    *reader = (line_reader){.from = reader->from};
}
