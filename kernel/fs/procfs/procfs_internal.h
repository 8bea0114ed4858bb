/* What the files of /proc share: how a text is made, and the words in it. */
#pragma once
#include "fs/procfs/json.h"
#include "fs/procfs/procfs.h"
#include "task/process.h"

/* What a file is about, and for whom. */
struct proc_subject {
    struct process *process; /* counted by whoever asks; nullptr: the machine */
    uint64_t reader;         /* the process that opens it; 0: the kernel */
};

/* Writes the members of "data". An error ends it anywhere; the file then tells of that instead. */
typedef status proc_maker(struct json_writer *json, const struct proc_subject *subject);

struct proc_file {
    text name;
    proc_maker *make;
};

/* Those in the root, and those in the directory of each process. machine.c, processes.c */
#define PROC_MACHINE_FILES 10u
#define PROC_PROCESS_FILES 5u
extern const struct proc_file proc_machine_files[PROC_MACHINE_FILES];
extern const struct proc_file proc_process_files[PROC_PROCESS_FILES];

/* ---- document.c ---- */

/*
 * The whole text of a file, from the heap; `out_length` includes the newline at the end.
 *   OUT_OF_MEMORY
 */
status proc_document_make(const struct proc_file *file, const struct proc_subject *subject,
                          char **out_bytes, uint64_t *out_length);

/* ---- lists ---- */

/* A list under way: an array, and how many entries did not get into it. */
struct proc_list {
    struct json_writer *json;
    uint32_t count;
    uint32_t left_out;
};
struct proc_list proc_list_open(struct json_writer *json, text key);
/* True: an entry may be written. It then lets others run; INTERRUPTED: stop, and say so. */
bool proc_list_has_room(struct proc_list *list);
/* Closes the array and writes "left_out_count". */
void proc_list_close(struct proc_list *list);

/* ---- processes.c ---- */

proc_maker proc_make_tasks, proc_make_all_rings, proc_make_reach;

/* ---- words.c ---- */

text proc_kind_word(uint32_t kind);
text proc_origin_word(uint32_t origin);
text proc_process_state_word(uint32_t state);
text proc_thread_state_word(uint8_t state);
text proc_status_word(status status);
/* An array of words. */
void proc_put_rights(struct json_writer *json, text key, uint64_t rights);
/* "rwx" with '-' for what is missing. */
void proc_put_access(struct json_writer *json, text key, uint8_t access);
