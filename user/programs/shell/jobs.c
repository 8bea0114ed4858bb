#include "jobs.h"
#include "peal/bytes.h"
#include "peal/output.h"

#define CODE_LOST 126u /* of a program that could not be waited for */

static struct job jobs[JOBS_MAX];
static uint32_t running_count;

struct job *job_begin(text source, bool is_background)
{
    for (uint32_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &jobs[i];
        if (job->number != 0) continue;
        size_t length = source.length < JOB_SOURCE_BYTES_MAX ? source.length : JOB_SOURCE_BYTES_MAX;
        *job = (struct job){
            .number = i + 1, .is_background = is_background, .source_bytes = (uint32_t)length};
        memcpy(job->source, source.bytes, length);
        return job;
    }
    peal_error("%u jobs are there already: `wait` for them, or end some with `kill %%N`", JOBS_MAX);
    return nullptr;
}

static void job_process_drop(struct job_process *process)
{
    process_handle_drop(&process->process);
    channel_handle_drop(&process->leash);
}

static uint64_t number_of(const struct job *job, uint32_t index)
{
    return (uint64_t)(job - jobs) * JOB_PROCESSES_MAX + index;
}

status job_add(struct job *job, process_handle process, channel_handle leash, text name)
{
    struct job_process *added = &job->processes[job->process_count];
    size_t length = name.length < JOB_NAME_BYTES_MAX ? name.length : JOB_NAME_BYTES_MAX;
    added->process = TAKE(process);
    added->leash = TAKE(leash);
    added->name_bytes = (uint8_t)length;
    memcpy(added->name, name.bytes, length);
    bool is_room = running_count < EVENTS_PROCESSES_MAX;
    status awaited = is_room ? events_await_end(process_borrow(&added->process),
                                                number_of(job, job->process_count), &added->exit)
                             : FAIL(QUOTA_EXCEEDED);
    if (!is_ok(awaited)) {
        ignore_status(peal_process_kill(process_borrow(&added->process), CODE_LOST)); /* or over */
        job_process_drop(added);
        return awaited;
    }
    added->is_running = true;
    job->process_count++;
    job->running_count++;
    running_count++;
    return OK;
}

void job_end(struct job *job)
{
    for (uint32_t i = 0; i < job->process_count; i++)
        job_process_drop(&job->processes[i]);
    job->number = 0;
}

/* The first time a shell is asked to end what it runs; the second time it is ended. */
static void end_process(struct job_process *process, uint32_t code)
{
    if (!process->is_running) return;
    if (!channel_is_nil(channel_borrow(&process->leash)))
        channel_handle_drop(&process->leash);
    else
        ignore_status(peal_process_kill(process_borrow(&process->process), code)); /* or over */
}

void job_kill(struct job *job, uint32_t code)
{
    for (uint32_t i = 0; i < job->process_count; i++)
        end_process(&job->processes[i], code);
}

void jobs_note_end(const struct event *event)
{
    struct job *job = &jobs[event->number / JOB_PROCESSES_MAX];
    struct job_process *process = &job->processes[event->number % JOB_PROCESSES_MAX];
    if (!is_ok(event->status)) {
        peal_error_status((text){process->name, process->name_bytes}, event->status);
        process->exit = (struct abi_exit){.reason = ABI_EXIT_REASON_CODE, .code = CODE_LOST};
    }
    process->is_running = false;
    job->running_count--;
    running_count--;
}

static void tell_death(const struct job_process *process)
{
    char bytes[256];
    struct writer words = WRITER(bytes);
    const struct abi_exit *how = &process->exit;
    if (how->reason == ABI_EXIT_REASON_KILLED && how->code == EVENTS_CODE_INTERRUPTED) return;
    peal_format_exit(&words, how);
    if (words.length > 0)
        peal_error("%.*s died: %.*s", (int)process->name_bytes, process->name,
                   TEXT_ARGUMENTS(writer_text(&words)));
}

static void tell_deaths(const struct job *job)
{
    for (uint32_t i = 0; i < job->process_count; i++)
        tell_death(&job->processes[i]);
}

static uint32_t code_of(const struct job *job)
{
    return job->process_count == 0 ? 0 : job->processes[job->process_count - 1].exit.code;
}

uint32_t job_wait(struct job *job, bool *out_is_interrupted)
{
    while (job->running_count > 0) {
        struct event event = events_wait(false);
        if (event.kind == EVENT_ENDED) jobs_note_end(&event);
        if (event.kind != EVENT_INTERRUPT) continue;
        *out_is_interrupted = true;
        peal_print("^C\n");
        peal_flush();
        job_kill(job, EVENTS_CODE_INTERRUPTED);
    }
    uint32_t code = code_of(job);
    tell_deaths(job);
    job_end(job);
    return code;
}

struct job *job_next(struct job *job)
{
    for (struct job *next = job == nullptr ? jobs : job + 1; next < jobs + JOBS_MAX; next++)
        if (next->number != 0 && next->is_background) return next;
    return nullptr;
}

struct job *job_find(uint64_t number)
{
    struct job *found = nullptr;
    for (struct job *job = job_next(nullptr); job != nullptr; job = job_next(job))
        if (number == 0 || job->number == number) found = job;
    return found;
}

void job_print(const struct job *job)
{
    char bytes[32];
    struct writer state = WRITER(bytes);
    uint32_t code = code_of(job);
    if (job->running_count > 0)
        writer_write(&state, TEXT("running"));
    else if (code == 0)
        writer_write(&state, TEXT("done"));
    else
        writer_format(&state, "ended with %u", code);
    peal_print("[%u] %.*s  %.*s\n", job->number, TEXT_ARGUMENTS(writer_text(&state)),
               (int)job->source_bytes, job->source);
}

bool jobs_report(void)
{
    bool is_any = false;
    for (struct job *job = job_next(nullptr); job != nullptr; job = job_next(job)) {
        if (job->running_count > 0) continue;
        is_any = true;
        job_print(job);
        tell_deaths(job);
        job_end(job);
    }
    return is_any;
}
