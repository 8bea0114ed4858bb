/*
 * Who gets what. The shell grants a program the console as its three streams, the root and the
 * current directory for looking and reading, and nothing else, unless the program is in this list.
 *
 * No program needs to be in it for having its output in a file: the shell opens that, and what it
 * grants as "stdout" can be written and nothing else.
 */
#pragma once
#include "peal/process.h"
#include "shell.h"

#define AUTHORITY_GRANTS_MAX 16u

struct command_info {
    text name;
    text summary;
    uint64_t system_rights; /* on the machine's handle; 0: not granted */
    bool may_execute;       /* root and current directory with RIGHT_EXECUTE */
    bool may_write;         /* ... with RIGHT_WRITE, _CREATE and _DELETE */
    bool has_console;       /* the console itself, to control it */
};

/* What is known about a program; nullptr for others. */
const struct command_info *command_find(text name);
/* By index, for help; nullptr behind the last. */
const struct command_info *command_at(uint32_t index);

struct grants {
    uint32_t count;
    struct peal_grant items[AUTHORITY_GRANTS_MAX];
};

/* The usual ones for the program, with these streams. */
void grants_usual(struct grants *grants, const struct shell *shell, text program,
                  const struct streams *streams);

/*
 * Those a list says: "stdout,root:look_up+read"; "none" for none. A name without rights has those
 * that are usual for it. False after an error was printed.
 */
bool grants_listed(struct grants *grants, const struct shell *shell, text list,
                   const struct streams *streams);

/* One more; nil ones are left out. */
void grants_add(struct grants *grants, struct peal_grant grant);
