/*
 * Goes through a tree of files, folder by folder, without recursion.
 *
 *     OWNED(tree_walk) walk = {};
 *     struct tree_entry entry;
 *     tree_walk_begin(&walk, TEXT("/disk0"));
 *     while (tree_walk_next(&walk, &entry)) switch (entry.step) ...
 *
 * A folder is entered, then all that is in it follows, then it is left. What is in it is taken down
 * when it is entered, so whatever happens to it meanwhile confuses nobody. What was named to begin
 * with may be a file. A failure is a step of its own; the walk goes on behind it.
 *
 * Context: one thread at a time. Memory: the entries of the folders between the top and the current
 * one. Depth: what ABI_PATH_BYTES_MAX allows.
 */
#pragma once
#include "peal/file.h"

enum tree_step : uint8_t {
    TREE_FILE,
    TREE_ENTER,  /* a folder, in front of what is in it; not when it cannot be listed */
    TREE_LEAVE,  /* the same folder again, behind it */
    TREE_FAILED, /* `why` says what is wrong with `path` */
};

/* Good until the next call. */
struct tree_entry {
    enum tree_step step;
    status why;
    text path; /* as it can be opened: begins with what was given to tree_walk_begin */
    text name; /* its last name */
    uint64_t size_bytes;
    uint64_t modified_ns;
    uint32_t depth; /* 0: what was named */
};

struct tree_level;
typedef struct tree_walk {
    struct tree_level *level; /* the folder being gone through; owned, with those above it */
    bool has_begun;
    bool is_skipping; /* see tree_walk_skip */
    size_t path_length;
    char path[ABI_PATH_BYTES_MAX];
} tree_walk;

/* The path is copied. One that is too long fails at the first step. */
void tree_walk_begin(tree_walk *walk, text path);
/* False when all has been seen. */
bool tree_walk_next(tree_walk *walk, struct tree_entry *out_entry);
/* After TREE_ENTER: what is in that folder is passed over; TREE_LEAVE comes next. */
void tree_walk_skip(tree_walk *walk);
void tree_walk_drop(tree_walk *walk);
