/*
 * What commands read: files that are named, or standard input; as bytes or line by line.
 *
 * A console gives bytes as they are typed, without showing them. Here they are shown, Enter is a
 * line's end, and Ctrl-D at the beginning of a read is the end.
 *
 * Context: one thread at a time for each reader; sleeps until there is something.
 */
#pragma once
#include "peal/file.h"
#include "peal/program.h"

/* At most what the span holds; 0 is the end. Statuses of the stream. */
size_result peal_input_read(stream_ref from, span into);

/* Does something with one input; `name` is the path, or "standard input". */
typedef status peal_input_function(void *context, stream_ref from, text name);
/*
 * Calls `use` for each file that the arguments from `first` on name ('-' is standard input), or for
 * standard input when there are none. Errors are printed; answers the program's exit code.
 */
int peal_for_each_input(struct peal_arguments arguments, uint32_t first, peal_input_function *use,
                        void *context);

/*
 * Lines of an input, without what ends them. A line may be as long as memory allows.
 *
 *     OWNED(line_reader) reader = {.from = from};
 *     text line;
 *     while (line_reader_next(&reader, &line)) ...
 *     TRY(reader.status);
 *
 * A line is good until the next call.
 */
typedef struct line_reader {
    stream_ref from;
    status status;
    bool is_at_end;
    bool had_newline; /* the line returned last ended with one */
    char *bytes;      /* owned */
    size_t capacity;
    size_t start; /* of what was read and not yet returned */
    size_t end;
} line_reader;
bool line_reader_next(line_reader *reader, text *out_line);
void line_reader_drop(line_reader *reader);
