/*
 * Jobs: pipelines that were started, each with its programs and how those ended.
 *
 * A job in the foreground is waited for at once. One in the background has a number, and its end is
 * told once: before the next prompt, or by `wait` and `fg`.
 */
#pragma once
#include "events.h"
#include "peal/channel.h"

#define JOBS_MAX             16u
#define JOB_PROCESSES_MAX    16u
#define JOB_SOURCE_BYTES_MAX 64u
#define JOB_NAME_BYTES_MAX   32u

struct job_process {
    process_handle process;
    channel_handle leash; /* of a shell: let go instead of ending it */
    bool is_running;
    uint8_t name_bytes;
    char name[JOB_NAME_BYTES_MAX];
    struct abi_exit exit;
};

struct job {
    uint32_t number; /* from 1; 0: free */
    bool is_background;
    uint32_t process_count;
    uint32_t running_count;
    uint32_t source_bytes;
    char source[JOB_SOURCE_BYTES_MAX]; /* the beginning of what was typed */
    struct job_process processes[JOB_PROCESSES_MAX];
};

/* A job without programs; nullptr after an error was printed: there are JOBS_MAX already. */
struct job *job_begin(text source, bool is_background);

/*
 * Adds a running program: the job owns the handles from now on. On an error the program was ended.
 *   QUOTA_EXCEEDED   EVENTS_PROCESSES_MAX of them run
 */
status job_add(struct job *job, CONSUMED process_handle process, CONSUMED channel_handle leash,
               text name);

/* Forgets a job that has no running program. */
void job_end(struct job *job);

/*
 * Waits until all its programs have ended, tells how those died that did, and forgets the job. On
 * Ctrl-C all of them are ended, and *out_is_interrupted is true. The code of the last one.
 */
uint32_t job_wait(struct job *job, bool *out_is_interrupted);

/* Ends every program of the job; its end is still to be waited for, or told. */
void job_kill(struct job *job, uint32_t code);

/* The job with this number, or the youngest one in the background for 0; nullptr: none. */
struct job *job_find(uint64_t number);
/* One after the other, those in the background: start with nullptr. */
struct job *job_next(struct job *job);

/* What events_wait() told of. */
void jobs_note_end(const struct event *event);
/* Prints one line for each job in the background that has ended, and forgets it. True: there was
 * one. */
bool jobs_report(void);
/* "[1] running  sleep 5 | cat" */
void job_print(const struct job *job);
