/*
 * Channel ends that are in messages, and those among them that nobody can reach any more.
 *
 * A message may carry an end of another channel, and that one's queue an end of the first: when
 * nobody else has handles to them, no count of references ever falls to zero. So the ends in
 * messages are on record, with the queue each is in, and a collection marks those that somebody can
 * still reach: an end with a reference from elsewhere than messages; an end in the queue of one
 * that is in no message, or is marked. What is left is unreachable for ever: to get at it, one
 * would have to receive from an end that is unreachable. Its messages are destroyed, and that ends
 * it.
 *
 * Only channels need this: of all that can be in a message, nothing else keeps messages.
 *
 * A collection runs on a worker: after the end of a process, and after as many ends have gone as
 * are in messages, so that what it costs is shared by what made it necessary.
 *
 * Context:  task.
 * Locking:  channel_transit_mutex (LOCK_RANK_CHANNEL_TRANSIT) guards the records. It is held while
 *           a message with an end in it enters a queue or leaves one, and while ends are marked.
 * Cost:     a collection: proportional to the ends in messages and the messages' handles.
 */
#pragma once

/* A process has ended, its handles are gone. Any context. */
void channel_collect(void);
