/*
 * From a file to its text.
 *
 * How long a text becomes is known when it is written; what did not fit is written again, into as
 * much as the first attempt would have taken and an eighth more, for things come into being
 * meanwhile.
 */
#include "base/checked.h"
#include "debug/assert.h"
#include "fs/procfs/procfs_internal.h"
#include "mm/heap.h"
#include "sched/scheduler.h"

static constexpr uint64_t FIRST_BYTES = 4096;
static constexpr uint32_t ATTEMPTS_MAX = 6;

/* ---- lists ---- */

struct proc_list proc_list_open(struct json_writer *json, text key)
{
    json_put_array(json, key);
    return (struct proc_list){.json = json};
}

bool proc_list_has_room(struct proc_list *list)
{
    if (list->count < PROC_LIST_ENTRIES_MAX) {
        list->count++;
        return true;
    }
    list->left_out++;
    return false;
}

void proc_list_close(struct proc_list *list)
{
    json_close_array(list->json);
    json_put_number(list->json, TEXT("left_out_count"), list->left_out);
}

/* ---- documents ---- */

static void begin(struct json_writer *json, char *bytes, uint64_t capacity, bool is_ok)
{
    json_begin(json, bytes, capacity);
    json_open_object(json);
    json_put_string(json, TEXT("schema"), TEXT("peal-1"));
    json_put_boolean(json, TEXT("ok"), is_ok);
    json_put_object(json, is_ok ? TEXT("data") : TEXT("error"));
}

static void end(struct json_writer *json)
{
    json_close_object(json);
    json_close_object(json);
    ASSERT(json_is_whole(json));
}

static text message_of(status failed)
{
    switch (failed.code) {
    case STATUS_NOT_FOUND:
        return TEXT("what it is about has ended");
    case STATUS_OUT_OF_RANGE:
        return TEXT("there is more to tell than a file may hold");
    case STATUS_BUSY:
        return TEXT("it grew faster than it could be written");
    case STATUS_OUT_OF_MEMORY:
        return TEXT("there was no memory to tell it");
    default:
        return TEXT("it could not be told");
    }
}

static void write_error(struct json_writer *json, char *bytes, uint64_t capacity, status failed)
{
    begin(json, bytes, capacity, false);
    json_put_string(json, TEXT("status"), proc_status_word(failed));
    json_put_string(json, TEXT("message"), message_of(failed));
    end(json);
    ASSERT(!json_is_cut(json));
}

static void write_document(struct json_writer *json, char *bytes, uint64_t capacity,
                           const struct proc_file *file, const struct proc_subject *subject)
{
    begin(json, bytes, capacity, true);
    status made = file->make(json, subject);
    if (is_ok(made))
        end(json);
    else
        write_error(json, bytes, capacity, made);
}

/* Room for the next attempt to write so many bytes; 0: there is to be none. */
static uint64_t next_capacity(uint64_t needed, uint32_t attempts)
{
    if (needed > PROC_FILE_BYTES_MAX || attempts == ATTEMPTS_MAX) return 0;
    return min_of(needed + needed / 8, (uint64_t)PROC_FILE_BYTES_MAX);
}

status proc_document_make(const struct proc_file *file, const struct proc_subject *subject,
                          char **out_bytes, uint64_t *out_length)
{
    uint64_t capacity = FIRST_BYTES;
    for (uint32_t attempts = 1;; attempts++) {
        char *bytes = heap_take(capacity);
        if (bytes == nullptr) return FAIL(OUT_OF_MEMORY);
        struct json_writer json;
        uint64_t room = capacity - 1; /* the last byte is the newline's */
        write_document(&json, bytes, room, file, subject);
        uint64_t needed = json.length + 1;
        uint64_t next = json_is_cut(&json) ? next_capacity(needed, attempts) : capacity;
        if (next == 0)
            write_error(&json, bytes, room,
                        needed > PROC_FILE_BYTES_MAX ? FAIL(OUT_OF_RANGE) : FAIL(BUSY));
        if (!json_is_cut(&json)) {
            bytes[json.length] = '\n';
            *out_bytes = bytes;
            *out_length = json.length + 1;
            return OK;
        }
        heap_give(bytes);
        capacity = next;
    }
}
