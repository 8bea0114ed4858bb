#include "document.h"
#include "peal/bytes.h"
#include "peal/heap.h"
#include "peal/path.h"

#define ROOM_BYTES 4096u

/* All of the file behind what `bytes` has; *out_length is how much it was. */
static status read_all(file_ref file, char *bytes, size_t size, size_t *out_length)
{
    *out_length = 0;
    while (*out_length < size) {
        size_result read = peal_file_read(file, (span){bytes + *out_length, size - *out_length});
        TRY(read.status);
        if (read.value == 0) break;
        *out_length += read.value;
    }
    return OK;
}

static status document_take(struct document *document, file_ref file, size_t size)
{
    size_t length;
    if (size > DOCUMENT_BYTES_MAX) return FAIL(OUT_OF_RANGE);
    OWNED(heap_block) block = {peal_allocate(size + ROOM_BYTES)};
    if (block.bytes == nullptr) return FAIL(OUT_OF_MEMORY);
    TRY(read_all(file, block.bytes, size, &length));
    buffer_init(&document->buffer, TAKE(block).bytes, length, size + ROOM_BYTES);
    return OK;
}

static status document_take_none(struct document *document)
{
    char *bytes = peal_allocate(ROOM_BYTES);
    if (bytes == nullptr) return FAIL(OUT_OF_MEMORY);
    buffer_init(&document->buffer, bytes, 0, ROOM_BYTES);
    document->is_new = true;
    return OK;
}

status document_read(struct document *document, text path)
{
    *document = (struct document){.path = path};
    file_result opened = peal_path_open_file(path, RIGHTS_READ);
    if (opened.status.code == STATUS_NOT_FOUND) return document_take_none(document);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    size_result size = peal_file_size(file_borrow(&file));
    TRY(size.status);
    return document_take(document, file_borrow(&file), size.value);
}

status document_make_room(struct document *document, size_t bytes)
{
    struct buffer *buffer = &document->buffer;
    size_t capacity = buffer->capacity + buffer->capacity / 2 + bytes;
    if (buffer_length(buffer) + bytes > DOCUMENT_BYTES_MAX) return FAIL(OUT_OF_RANGE);
    char *old = buffer->bytes, *larger = peal_allocate(capacity);
    if (larger == nullptr) return FAIL(OUT_OF_MEMORY);
    buffer_move(buffer, larger, capacity);
    peal_release(old);
    return OK;
}

static status write_all(const struct buffer *buffer, file_ref file)
{
    TRY(peal_file_truncate(file, 0));
    TRY(peal_stream_write_all(stream_of_file(file), view_of(buffer_before_gap(buffer))));
    TRY(peal_stream_write_all(stream_of_file(file), view_of(buffer_behind_gap(buffer))));
    return peal_file_sync(file);
}

static status write_beside(const struct document *document, text beside)
{
    file_result opened = peal_path_open_file(beside, RIGHTS_WRITE);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    return write_all(&document->buffer, file_borrow(&file));
}

status document_save(struct document *document)
{
    char bytes[PATH_BYTES_MAX];
    text path = document->path;
    if (path.length + 1 > sizeof(bytes)) return FAIL(INVALID_ARGUMENT);
    memcpy(bytes, path.bytes, path.length);
    bytes[path.length] = '~';
    text beside = {bytes, path.length + 1};
    status saved = write_beside(document, beside);
    if (is_ok(saved)) saved = peal_path_rename(beside, path, 0);
    if (!is_ok(saved)) {
        ignore_status(peal_path_delete(beside, 0)); /* it may not even be there */
        return saved;
    }
    document->is_new = document->is_changed = false;
    return OK;
}
