#include "follow.h"
#include "peal/bytes.h"
#include "peal/file.h"
#include "peal/output.h"
#include "peal/trace.h"

#define ROUND_RECORDS_MAX 8192u

#define COLOUR_FAILED  "\x1b[31m"
#define COLOUR_WAITING "\x1b[33m"
#define COLOUR_NAME    "\x1b[36m"
#define COLOUR_DIM     "\x1b[2m"
#define COLOUR_NONE    "\x1b[0m"

static void colour(const struct follower *follower, struct writer *line, text sequence)
{
    if (follower->has_colours) writer_write(line, sequence);
}

/* The operation's name stands out. */
static void write_request(const struct follower *follower, struct writer *line,
                          const struct abi_submission *submission)
{
    char bytes[256];
    struct writer words = WRITER(bytes);
    peal_format_submission(&words, submission);
    text all = writer_text(&words);
    size_t name_length = peal_text_find(all, ' ', 0);
    colour(follower, line, TEXT(COLOUR_NAME));
    writer_write(line, peal_text_slice(all, 0, name_length));
    colour(follower, line, TEXT(COLOUR_NONE));
    writer_write(line, peal_text_slice(all, name_length, SIZE_MAX));
}

static void write_object(struct writer *line, const struct abi_trace_record *record)
{
    if (record->object_id != 0) writer_format(line, ", object %lu", record->object_id);
    if (record->derivation_id != 0)
        writer_format(line, " by derivation %lu", record->derivation_id);
}

static void write_outcome(const struct follower *follower, struct writer *line,
                          const struct abi_trace_record *record)
{
    writer_write(line, TEXT(": "));
    if (record->time_ns == 0) {
        colour(follower, line, TEXT(COLOUR_WAITING));
        writer_write(line, TEXT("under way"));
    } else if (record->status == ABI_STATUS_OK) {
        peal_format_success(line, record->submission.op, record->value);
        if ((record->completion_flags & ABI_COMPLETION_MORE) != 0)
            writer_write(line, TEXT(", goes on"));
        return;
    } else {
        colour(follower, line, TEXT(COLOUR_FAILED));
        peal_format_failure(line, record->status, record->detail);
    }
    colour(follower, line, TEXT(COLOUR_NONE));
}

static void print_record(const struct follower *follower, const struct abi_trace_record *record)
{
    char bytes[512];
    struct writer line = WRITER(bytes);
    colour(follower, &line, TEXT(COLOUR_DIM));
    if (record->time_ns != 0)
        writer_format(&line, "%5lu.%06lu", record->time_ns / 1'000'000'000,
                      record->time_ns / 1000 % 1'000'000);
    else
        writer_fill(&line, ' ', 12);
    writer_format(&line, " %4lu ", record->thread);
    colour(follower, &line, TEXT(COLOUR_NONE));
    write_request(follower, &line, &record->submission);
    write_object(&line, record);
    write_outcome(follower, &line, record);
    peal_print("%.*s\n", TEXT_ARGUMENTS(writer_text(&line)));
}

/* ---- what is new ---- */

/* nullptr: there are too many, and this one is not followed. */
static struct followed_ring *find_ring(struct follower *follower, uint32_t number)
{
    for (uint32_t i = 0; i < follower->rings_count; i++)
        if (follower->rings[i].number == number) return &follower->rings[i];
    if (follower->rings_count == FOLLOW_RINGS_MAX) return nullptr;
    struct followed_ring *ring = &follower->rings[follower->rings_count++];
    *ring = (struct followed_ring){.number = number};
    return ring;
}

/* A ring that was there before this began has a past that is of no interest. */
static void note_gap(struct follower *follower, const struct followed_ring *ring, uint64_t sequence)
{
    if (ring->told == 0 && !follower->has_begun) return;
    uint64_t missed = sequence - ring->told - 1;
    if (missed == 0) return;
    follower->not_seen += missed;
    if (!follower->is_summary) peal_print("             ... %lu not seen\n", missed);
}

static void take_ended(struct follower *follower, const struct abi_trace_record *record)
{
    struct followed_ring *ring = find_ring(follower, record->ring);
    if (ring == nullptr || record->sequence <= ring->told) return;
    note_gap(follower, ring, record->sequence);
    ring->told = record->sequence;
    follower->counts[record->submission.op]++;
    if (record->status != ABI_STATUS_OK) follower->failures[record->submission.op]++;
    if (!follower->is_summary) print_record(follower, record);
}

static bool is_among(const struct abi_submission *all, uint32_t count,
                     const struct abi_submission *wanted)
{
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(&all[i], wanted, sizeof(*wanted)) == 0) return true;
    return false;
}

/* Told once, as long as round after round finds it. */
static void take_under_way(struct follower *follower, const struct abi_trace_record *record)
{
    if (follower->waiting_now_count == FOLLOW_UNDER_WAY_MAX) return;
    follower->waiting_now[follower->waiting_now_count++] = record->submission;
    if (follower->is_summary ||
        is_among(follower->waiting, follower->waiting_count, &record->submission))
        return;
    print_record(follower, record);
}

status follower_round(struct follower *follower, process_ref process)
{
    struct listing listing = {.raw = process.raw};
    const struct abi_trace_record *record;
    follower->waiting_now_count = 0;
    /* Bounded, since following itself makes a new record with each look. */
    for (uint32_t i = 0; i < ROUND_RECORDS_MAX && (record = peal_list_trace(&listing)); i++)
        if (record->time_ns != 0)
            take_ended(follower, record);
        else
            take_under_way(follower, record);
    memcpy(follower->waiting, follower->waiting_now, sizeof(follower->waiting));
    follower->waiting_count = follower->waiting_now_count;
    follower->has_begun = true;
    peal_flush();
    return listing.status;
}

void follower_end(struct follower *follower)
{
    if (!follower->is_summary) return;
    peal_print("%10s %10s  %s\n", "COUNT", "FAILED", "OPERATION");
    for (uint32_t number = 0; number < 256; number++) {
        if (follower->counts[number] == 0) continue;
        const struct peal_operation *operation = peal_operation_find((uint8_t)number);
        text name = operation != nullptr ? operation->name : TEXT("unknown");
        peal_print("%10lu %10lu  %.*s\n", follower->counts[number], follower->failures[number],
                   TEXT_ARGUMENTS(name));
    }
    if (follower->not_seen != 0) peal_print("%10lu %10s  not seen\n", follower->not_seen, "");
}
