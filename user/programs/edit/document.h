/*
 * A text in memory, and the file it came from.
 */
#pragma once
#include "buffer.h"
#include "peal/file.h"

#define DOCUMENT_BYTES_MAX (16u << 20)

struct document {
    text path;
    struct buffer buffer; /* its memory is the document's, on the heap */
    bool is_new;          /* there is no such file yet */
    bool is_changed;
};

/*
 * Reads the file; what is not there is an empty document.
 *   OUT_OF_RANGE (more than DOCUMENT_BYTES_MAX), OUT_OF_MEMORY, and what reading gives
 */
status document_read(struct document *document, text path);

/* Room for `bytes` more. OUT_OF_RANGE, OUT_OF_MEMORY */
status document_make_room(struct document *document, size_t bytes);

/*
 * Writes the text to the file PATH~, syncs that, and gives it the name PATH: at any moment there is
 * the old or the new text, whole. On an error the file is as it was, and PATH~ is removed.
 *   NO_SPACE, PERMISSION_DENIED, IO_ERROR, INVALID_ARGUMENT (the path is too long)
 */
status document_save(struct document *document);
