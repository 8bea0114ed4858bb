/*
 * What the shell waits for: typed bytes, Ctrl-C, the end of programs.
 *
 * All are submissions in flight. The watch for Ctrl-C is renewed as soon as it has fired, so the
 * key never reaches a program that reads the console. A shell that another one started has no watch
 * but a leash: a channel whose other end that one holds, and lets go to say Ctrl-C.
 */
#pragma once
#include "peal/process.h"

/* Exit code of a program that Ctrl-C ended. */
#define EVENTS_CODE_INTERRUPTED 130u

/* Programs that may be waited for at once: with what else is in flight they fit in the ring. */
#define EVENTS_PROCESSES_MAX 48u

enum event_kind : uint8_t { EVENT_TYPED, EVENT_INTERRUPT, EVENT_ENDED };

struct event {
    enum event_kind kind;
    text typed;      /* EVENT_TYPED: good until the next one */
    status status;   /* of EVENT_TYPED, EVENT_ENDED */
    uint64_t number; /* EVENT_ENDED: as given to events_await_end */
};

/* Nil ones are not watched. */
void events_init(console_ref console, channel_ref leash);

/* True when another shell holds the leash: what it lets go of ends this one. */
bool events_is_leashed(void);

/* Waits for the next one. With `wants_typed` what is typed is read, too. */
struct event events_wait(bool wants_typed);

/* The next one, if there is any. Reads nothing that is typed. */
bool events_poll(struct event *out_event);

/*
 * The end of `process` will be told once, with `number`, when *out_exit, in memory that stays, is
 * filled. At most EVENTS_PROCESSES_MAX at a time.
 */
status events_await_end(process_ref process, uint64_t number, struct abi_exit *out_exit);
