/*
 * Being told to stop: deadlines, and shields against it.
 *
 *     OWNED(task_scope) limit = {0};
 *     peal_with_deadline(&limit, peal_deadline_in_ms(50));
 *     size_result read = peal_file_read(...);    TIMED_OUT once 50 ms have passed
 *
 * From its beginning to its drop a scope is around all that the task does, the groups it begins
 * there included. When the deadline comes, the operation a task waits for is cancelled, and every
 * later call answers TIMED_OUT at once. Deadlines nest: the earlier one wins. Cancelling a group
 * (group.h) is the same with INTERRUPTED.
 *
 * A task that was told to stop is not ended: it sees its calls fail, cleans up and returns. What
 * cleaning up needs works as always: the operations on the ring, on handles and on memory (closing,
 * unmapping) are never refused nor cancelled for this, nor are waking, ending a process and
 * answering a request. For the rest there is a shield:
 *
 *     OWNED(task_scope) shield = {0};
 *     peal_with_shield(&shield);                 what follows is not told to stop
 *
 * Context: any thread, in tasks and outside. Scopes end in the reverse order of their beginnings,
 * in the task that began them; anything else ends the program.
 */
#pragma once
#include "peal/scope_tree.h"

typedef struct task_scope task_scope;

/* Begins a scope that stops when the monotonic clock reaches `deadline_ns`; 0 is at once. */
void peal_with_deadline(task_scope *scope, uint64_t deadline_ns);
/* Begins a scope that only its own deadlines and groups stop. */
void peal_with_shield(task_scope *scope);
/* Whether it has been told to stop, and why. */
status peal_scope_reason(const task_scope *scope);

void task_scope_drop(task_scope *scope);
