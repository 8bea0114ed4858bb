#include "peal/output.h"
#include "peal/mutex.h"
#include "peal/path.h"
#include "peal/program.h"

#define OUTPUT_BYTES 4096u

static struct mutex output_mutex;
static char output_bytes[OUTPUT_BYTES];
static void output_empty(struct writer *writer);
static struct writer output __attribute__((guarded_by(&output_mutex))) = {
    .bytes = output_bytes, .capacity = OUTPUT_BYTES, .empty = output_empty};

static stream_ref redirected __attribute__((guarded_by(&output_mutex)));
static stream_ref redirected_errors __attribute__((guarded_by(&output_mutex)));
/* The first one that was not OK. */
static status output_status __attribute__((guarded_by(&output_mutex)));

/* A program that was granted no stream of this name, but the console, writes there. */
static stream_ref stream_named(text name)
{
    stream_ref stream = peal_granted_stream(name);
    return !stream_is_nil(stream) ? stream : peal_granted_stream(TEXT("console"));
}

__attribute__((requires_capability(&output_mutex))) static void
output_empty_locked(struct writer *writer)
{
    stream_ref to = stream_is_nil(redirected) ? stream_named(TEXT("stdout")) : redirected;
    status written =
        stream_is_nil(to) ? OK : peal_stream_write_all(to, view_of(writer_text(writer)));
    if (!is_ok(written)) writer->is_truncated = true;
    if (is_ok(output_status)) output_status = written;
    writer->length = 0;
}

/* Called by what has the mutex: the writer does not know that. */
__attribute__((no_thread_safety_analysis)) static void output_empty(struct writer *writer)
{
    output_empty_locked(writer);
}

__attribute__((requires_capability(&output_mutex))) static void output_flush(void)
{
    if (output.length > 0) output_empty(&output);
}

void peal_flush(void)
{
    mutex_lock(&output_mutex);
    output_flush();
    mutex_unlock(&output_mutex);
}

void peal_print_list(const char *format, va_list arguments)
{
    mutex_lock(&output_mutex);
    writer_format_list(&output, format, arguments);
    mutex_unlock(&output_mutex);
}

void peal_print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    peal_print_list(format, arguments);
    va_end(arguments);
}

void peal_print_text(text piece)
{
    mutex_lock(&output_mutex);
    writer_write(&output, piece);
    mutex_unlock(&output_mutex);
}

bool peal_output_failed(void)
{
    mutex_lock(&output_mutex);
    bool failed = output.is_truncated;
    mutex_unlock(&output_mutex);
    return failed;
}

bool peal_output_end(void)
{
    mutex_lock(&output_mutex);
    output_flush();
    status ended = output_status;
    output_status = OK;
    mutex_unlock(&output_mutex);
    if (!is_ok(ended)) peal_error_status(TEXT("standard output"), ended);
    return is_ok(ended);
}

status peal_output_redirect(stream_ref to, stream_ref errors)
{
    mutex_lock(&output_mutex);
    output_flush();
    status before = output_status;
    output_status = OK;
    redirected = to;
    redirected_errors = errors;
    mutex_unlock(&output_mutex);
    return before;
}

/* One line, built before it is written, so that lines of several threads do not mix. */
static void error_write(struct writer *line)
{
    if (line->length == line->capacity) line->length--;
    line->bytes[line->length++] = '\n';
    mutex_lock(&output_mutex);
    output_flush();
    stream_ref standard_error =
        stream_is_nil(redirected_errors) ? stream_named(TEXT("stderr")) : redirected_errors;
    if (!stream_is_nil(standard_error))
        ignore_status(peal_stream_write_all(standard_error, /* there is nowhere else to say it */
                                            view_of(writer_text(line))));
    mutex_unlock(&output_mutex);
}

static void error_begin(struct writer *line)
{
    const struct abi_startup *block = peal_startup();
    struct peal_arguments arguments = {
        .count = block->arguments_count,
        .strings = (const struct abi_string *)((const uint8_t *)block + block->arguments_offset)};
    writer_write(line, path_last_name(peal_argument(arguments, 0)));
    writer_write(line, TEXT(": "));
}

void peal_error(const char *format, ...)
{
    char bytes[512];
    struct writer line = WRITER(bytes);
    error_begin(&line);
    va_list arguments;
    va_start(arguments, format);
    writer_format_list(&line, format, arguments);
    va_end(arguments);
    error_write(&line);
}

/* Which right is missing, and why. What is opened begins with the rights of its directory. */
static void format_refusal(struct writer *line)
{
    uint32_t detail = peal_refusal_detail();
    uint32_t bit = ABI_DETAIL_RIGHT(detail), step = ABI_DETAIL_STEP(detail);
    writer_write(line, TEXT("The handle lacks the right to "));
    peal_format_rights(line, bit < ABI_RIGHT_COUNT ? 1ull << bit : 0);
    if (step == 0)
        writer_write(line, TEXT(", which it never had; nor had the directory it was opened in."));
    else
        writer_format(line, ", lost at step %u on its way here; `why` tells.", step);
}

/* What is wrong with the file, if the last refusal said so: the meaning ends with a full stop. */
static void format_not_executable(struct writer *line)
{
    text reason = peal_not_executable_reason(peal_refusal_detail());
    if (reason.length > 0) writer_format(line, " The reason: %.*s.", TEXT_ARGUMENTS(reason));
}

void peal_error_status(text subject, status why)
{
    char bytes[768];
    struct writer line = WRITER(bytes);
    text meaning = peal_status_meaning(why), name = peal_status_name(why);
    error_begin(&line);
    writer_format(&line, "%.*s: ", TEXT_ARGUMENTS(subject));
    if (why.code == STATUS_INSUFFICIENT_RIGHTS)
        format_refusal(&line);
    else
        writer_write(&line, meaning);
    if (why.code == STATUS_NOT_EXECUTABLE) format_not_executable(&line);
    writer_format(&line, " (%.*s)", TEXT_ARGUMENTS(name));
    if (why.code == STATUS_INVALID_CAPABILITY)
        writer_write(&line, TEXT(" Was it granted? `handles` tells, `help with` explains."));
    uint32_t detail = peal_refusal_detail();
    if (why.code == STATUS_CAPABILITY_REVOKED && ABI_DETAIL_RIGHT(detail) == ABI_DETAIL_REVOKED)
        writer_format(&line, " It derives from step %u, whose holder did that.",
                      ABI_DETAIL_STEP(detail));
    error_write(&line);
}
