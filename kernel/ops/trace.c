/*
 * The flight recorders told: to whoever asks for a process's (PROCESS_TRACE), to the log when a
 * program dies of what it did, and in a panic.
 *
 * A cookie is a ring's number, and below it what of that ring comes next: the stamp of a record,
 * cut to 31 bits, or, with the highest of 32 bits set, the index of an operation under way.
 */
#include "arch/arch/cpu.h"
#include "debug/log.h"
#include "ops/ops.h"
#include "ops/ops_internal.h"
#include "ring/recorder.h"
#include "sched/scheduler.h"
#include "task/process.h"

static constexpr uint64_t COOKIE_UNDER_WAY = 1ull << 31;
static constexpr uint64_t COOKIE_STAMP = COOKIE_UNDER_WAY - 1;
static constexpr uint32_t UNDER_WAY_TOLD_MAX = 64; /* of one ring */

static uint64_t cookie_make(const struct recorder *recorder, uint64_t rest)
{
    return (uint64_t)recorder_number(recorder) << 32 | rest;
}

static uint64_t time_of(uint64_t ticks)
{
    if (ticks == 0) return 0;
    uint64_t ago_ns = clock_ticks_to_ns(cpu_ticks() - ticks), now_ns = clock_now_ns();
    return now_ns > ago_ns ? now_ns - ago_ns : 1;
}

static struct abi_trace_record tell(const struct recorder *recorder, const struct record *record,
                                    uint64_t rest)
{
    struct abi_trace_record told = {
        .record_bytes = sizeof(told),
        .ring = recorder_number(recorder),
        .next_cookie = cookie_make(recorder, rest),
        .sequence = record_sequence(record),
        .time_ns = time_of(record->ended_ticks),
        .thread = recorder_thread(recorder),
        .object_id = record->object_id,
        .derivation_id = record->derivation_id,
        .value = record->value,
    };
    static_assert(sizeof(told.submission) == sizeof(record->words));
    __builtin_memcpy(&told.submission, record->words, sizeof(record->words));
    if (record->ended_ticks == 0) return told;
    op_outcome outcome = record_outcome(record);
    told.status = op_outcome_status(outcome);
    told.detail = outcome.detail;
    if (told.status == STATUS_OK) told.completion_flags = outcome.code >> OP_CODE_FLAGS_SHIFT;
    return told;
}

/* ---- PROCESS_TRACE ---- */

/* The stamp that a cookie means: the one near the oldest record with these lower bits. */
static uint64_t stamp_of_cookie(const struct recorder *recorder, uint64_t cookie)
{
    struct record oldest;
    uint64_t behind = 0;
    if ((cookie & COOKIE_STAMP) == 0 || !recorder_next(recorder, &behind, &oldest)) return 0;
    uint64_t ahead = (cookie - oldest.stamp) & COOKIE_STAMP;
    return ahead <= COOKIE_STAMP / 2 ? oldest.stamp + ahead : 0;
}

/* What of this ring comes next; false when that was all. */
static bool read_ring(struct recorder *recorder, uint64_t cookie, struct abi_trace_record *out_told)
{
    struct record record;
    uint64_t index = 0;
    if ((cookie & COOKIE_UNDER_WAY) == 0) {
        uint64_t stamp = stamp_of_cookie(recorder, cookie);
        if (recorder_next(recorder, &stamp, &record)) {
            *out_told = tell(recorder, &record, stamp & COOKIE_STAMP);
            return true;
        }
    } else {
        index = cookie & COOKIE_STAMP;
    }
    if (index >= UNDER_WAY_TOLD_MAX || !recorder_pending(recorder, (uint32_t)index, &record))
        return false;
    *out_told = tell(recorder, &record, COOKIE_UNDER_WAY | (index + 1));
    return true;
}

static bool read_next(struct list *recorders, uint64_t cookie, struct abi_trace_record *out_told)
{
    for (;;) {
        struct recorder *recorder = recorder_find(recorders, (uint32_t)(cookie >> 32));
        if (recorder == nullptr) return false;
        uint32_t number = recorder_number(recorder);
        if (number != cookie >> 32) cookie = cookie_make(recorder, 0);
        bool is_there = read_ring(recorder, cookie, out_told);
        recorder_put(recorder);
        if (is_there) return true;
        if (number == UINT32_MAX) return false;
        cookie = (uint64_t)(number + 1) << 32;
    }
}

op_outcome op_process_trace(struct op *op)
{
    struct list *recorders = process_recorders(process_of(op_object(op)));
    uint64_t cookie = op->submission.args[0], written = 0;
    struct abi_trace_record told;
    while (read_next(recorders, cookie, &told)) {
        if (op->pin.length - written < sizeof(told))
            return written > 0 ? op_done(written) : op_failed(FAIL(OUT_OF_RANGE));
        status put = buffer_write(op->pin.buffer, op->pin.offset + written, &told, sizeof(told));
        if (!is_ok(put)) return op_failed(put);
        written += sizeof(told);
        cookie = told.next_cookie;
        if (!scheduler_pause()) break;
    }
    return op_done(written);
}

/* ---- in words ---- */

static constexpr uint32_t TAIL_COMPLETED = 8;
static constexpr uint32_t TAIL_UNDER_WAY = 8;

typedef bool pending_reader(struct recorder *recorder, uint32_t index, struct record *out_record);

/* Where the last few records begin. */
static uint64_t tail_start(const struct recorder *recorder)
{
    uint64_t stamps[TAIL_COMPLETED] = {0};
    struct record record;
    uint32_t count = 0;
    for (uint64_t stamp = 0; recorder_next(recorder, &stamp, &record); count++)
        stamps[count % TAIL_COMPLETED] = record.stamp;
    return count < TAIL_COMPLETED ? 0 : stamps[count % TAIL_COMPLETED];
}

static void describe(const struct record *record, struct text_writer *writer)
{
    recorder_describe(writer, record, ring_operation((uint8_t)record->words[0]));
}

static void log_record(const struct record *record)
{
    char bytes[200];
    struct text_writer writer = TEXT_WRITER(bytes);
    describe(record, &writer);
    log_line("trace", "  %.*s", TEXT_ARGUMENTS(text_written(&writer)));
}

void trace_tell(struct process *process)
{
    struct recorder *recorder = ring_recorder(user_thread_ring(user_thread_current()));
    struct record record;
    uint64_t any = 0;
    if (!recorder_next(recorder, &any, &record) && !recorder_pending(recorder, 0, &record)) return;
    text name = process_name(process);
    log_line(
        "trace", "the last operations of %.*s (process %llu), thread %llu:", TEXT_ARGUMENTS(name),
        (unsigned long long)process_id(process), (unsigned long long)recorder_thread(recorder));
    for (uint64_t stamp = tail_start(recorder); recorder_next(recorder, &stamp, &record);)
        log_record(&record);
    for (uint32_t i = 0; i < TAIL_UNDER_WAY && recorder_pending(recorder, i, &record); i++)
        log_record(&record);
}

/* ---- in a panic ---- */

void trace_describe_thread(struct text_writer *writer, const struct thread *thread)
{
    const struct user_thread *owner = thread->owner;
    if (owner == nullptr) {
        text_format(writer, "%s (%llu)", thread->name, (unsigned long long)thread->id);
        return;
    }
    text name = process_name(user_thread_process(owner));
    text_format(writer, "%llu of %.*s (process %llu)", (unsigned long long)thread->id,
                TEXT_ARGUMENTS(name), (unsigned long long)process_id(user_thread_process(owner)));
}

void trace_describe_ring(struct text_writer *writer, const struct thread *thread)
{
    if (thread->owner == nullptr) return;
    struct recorder *recorder = ring_recorder(user_thread_ring(thread->owner));
    struct record record;
    for (uint64_t stamp = tail_start(recorder); recorder_next(recorder, &stamp, &record);) {
        text_format(writer, "  ");
        describe(&record, writer);
        text_format(writer, "\n");
    }
    for (uint32_t i = 0; i < TAIL_UNDER_WAY; i++) {
        if (!recorder_pending_in_panic(recorder, i, &record)) break;
        text_format(writer, "  ");
        describe(&record, writer);
        text_format(writer, "\n");
    }
}
