/*
 * Streams: what "stdin", "stdout" and "stderr" are. A file, a console, or one end of a channel:
 * programs are connected by channels, `a | b`.
 *
 * Through a channel a stream is messages of 1 to STREAM_MESSAGE_BYTES bytes, without handles. Who
 * writes waits while the channel is full. Who reads gets at most one message at a time; what did
 * not fit is kept in this process for the next read. When every handle to the writers' end is gone
 * and all has been read, that is the end: 0 bytes. When every handle to the readers' end is gone,
 * writing gives BROKEN_PIPE. Nobody but the owner of an end may hold it, or neither is ever told:
 * who makes the channel gives the ends away and closes its own handles.
 *
 * Context: any thread; sleeps until there is something, or room.
 */
#pragma once
#include "peal/handle.h"

#define STREAM_MESSAGE_BYTES 4096u

/*
 * Exit code of a program whose output nobody reads any more: the library ends it at the first write
 * to the granted "stdout" that gives BROKEN_PIPE. `yes | head` is over when `head` is.
 */
#define EXIT_CODE_BROKEN_PIPE 141

typedef struct stream_ref {
    peal_raw_handle raw;
    enum abi_kind kind; /* FILE, CONSOLE or CHANNEL */
} stream_ref;
static inline stream_ref stream_of_file(file_ref file)
{
    return (stream_ref){file.raw, ABI_KIND_FILE};
}
static inline stream_ref stream_of_console(console_ref console)
{
    return (stream_ref){console.raw, ABI_KIND_CONSOLE};
}
static inline stream_ref stream_of_channel(channel_ref channel)
{
    return (stream_ref){channel.raw, ABI_KIND_CHANNEL};
}
static inline bool stream_is_nil(stream_ref stream)
{
    return stream.raw == ABI_HANDLE_NONE;
}

/* The granted stream of this name; nil when there is none. */
stream_ref peal_granted_stream(text name);

/*
 * Reads at least one byte; 0 is the end.
 *   INVALID_CAPABILITY   nil
 *   OUT_OF_RANGE         a message in the channel is longer than a stream's; it stays there
 *   OUT_OF_MEMORY        for what is kept of a message
 */
size_result peal_stream_read(stream_ref stream, span into);
/* As above; WOULD_BLOCK when there is nothing yet. */
size_result peal_stream_read_try(stream_ref stream, span into);

/* One write: may be short. BROKEN_PIPE, but see EXIT_CODE_BROKEN_PIPE; NO_SPACE, IO_ERROR */
size_result peal_stream_write(stream_ref stream, view from);
/* Until all is written, or an error. */
status peal_stream_write_all(stream_ref stream, view from);
