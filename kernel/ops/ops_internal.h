/* What the files of ops/ share and nobody else needs. */
#pragma once

struct process;

/* Puts the last operations of the process's rings into the log. Any context. */
void trace_tell(struct process *process);

/* Boot: makes the system object. */
void system_init(void);
