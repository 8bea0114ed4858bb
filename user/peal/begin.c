/* The operations that a program is likely to overlap, begun: see await.h. */
#include "peal/await.h"
#include "peal/memory.h"

static peal_pending refused(status reason)
{
    return (peal_pending){.refusal = reason};
}

static void submission_set_span(struct abi_submission *submission, struct location where)
{
    submission->buffer_index = where.buffer_index;
    submission->buffer_offset_bytes = where.offset_bytes;
    submission->length_bytes = where.length_bytes;
}

static peal_pending read_begin(peal_raw_handle raw, span into, uint64_t offset_bytes)
{
    struct location where;
    struct abi_submission read = {
        .op = ABI_OP_READ, .capability = raw, .offset_bytes = offset_bytes};
    status located = peal_locate(into.bytes, into.length, ABI_ACCESS_WRITE, &where);
    if (!is_ok(located)) return refused(located);
    submission_set_span(&read, where);
    return peal_begin(&read);
}

static peal_pending write_begin(peal_raw_handle raw, view from, uint64_t offset_bytes)
{
    struct location where;
    struct abi_submission write = {
        .op = ABI_OP_WRITE, .capability = raw, .offset_bytes = offset_bytes};
    status located = peal_locate(from.bytes, from.length, ABI_ACCESS_READ, &where);
    if (!is_ok(located)) return refused(located);
    submission_set_span(&write, where);
    return peal_begin(&write);
}

peal_pending peal_file_read_at_begin(file_ref file, span into, uint64_t offset_bytes)
{
    return read_begin(file.raw, into, offset_bytes);
}

peal_pending peal_file_write_at_begin(file_ref file, view from, uint64_t offset_bytes)
{
    return write_begin(file.raw, from, offset_bytes);
}

peal_pending peal_file_read_begin(file_ref file, span into)
{
    return read_begin(file.raw, into, ABI_OFFSET_CURRENT);
}

peal_pending peal_file_write_begin(file_ref file, view from)
{
    return write_begin(file.raw, from, ABI_OFFSET_CURRENT);
}

peal_pending peal_stream_read_begin(stream_ref stream, span into)
{
    return read_begin(stream.raw, into, ABI_OFFSET_CURRENT);
}

peal_pending peal_stream_write_begin(stream_ref stream, view from)
{
    return write_begin(stream.raw, from, ABI_OFFSET_CURRENT);
}

peal_pending peal_sleep_until_begin(uint64_t deadline_ns)
{
    return peal_begin(&(struct abi_submission){.op = ABI_OP_SLEEP, .args = {deadline_ns}});
}

peal_pending peal_process_wait_begin(process_ref process, uint64_t deadline_ns,
                                     struct abi_exit *out_exit)
{
    struct location where;
    struct abi_submission wait = {
        .op = ABI_OP_PROCESS_WAIT, .capability = process.raw, .args = {deadline_ns}};
    status located = peal_locate_whole(out_exit, sizeof(*out_exit), ABI_ACCESS_WRITE, &where);
    if (!is_ok(located)) return refused(located);
    submission_set_span(&wait, where);
    return peal_begin(&wait);
}

peal_pending peal_address_wait_begin(const uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
    struct location where;
    struct abi_submission wait = {.op = ABI_OP_ADDRESS_WAIT, .args = {expected, deadline_ns}};
    status located = peal_locate_whole(word, sizeof(*word), ABI_ACCESS_READ, &where);
    if (!is_ok(located)) return refused(located);
    submission_set_span(&wait, where);
    return peal_begin(&wait);
}

peal_pending peal_thread_join_begin(const running_thread *thread, uint64_t deadline_ns)
{
    return peal_begin(&(struct abi_submission){
        .op = ABI_OP_THREAD_JOIN, .capability = thread->raw, .args = {deadline_ns}});
}

peal_pending peal_file_open_begin(directory_ref folder, text path, uint64_t rights)
{
    struct location where;
    struct abi_submission open = {.op = ABI_OP_OPEN,
                                  .capability = folder.raw,
                                  .op_flags = ABI_OPEN_MUST_BE_FILE,
                                  .args = {rights}};
    status located = peal_locate_whole(path.bytes, path.length, ABI_ACCESS_READ, &where);
    if (!is_ok(located)) return refused(located);
    submission_set_span(&open, where);
    return peal_begin(&open);
}

file_result peal_await_file(peal_pending *pending)
{
    size_result opened = peal_await(pending);
    return (file_result){.status = opened.status, .value = {opened.value}};
}
