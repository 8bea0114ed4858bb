/*
 * A tree of files and directories in memory.
 *
 * Nodes are made when the tree is filled, or by who creates them or opens what is not there for
 * writing, and stay; the bytes of a file grow as they are written. Pure but for the heap.
 *
 * Context: one thread.
 */
#pragma once
#include "peal/status.h"
#include "peal/text.h"
#include <abi/ops.h>

#define TREE_FILE_BYTES_MAX (1ull << 30)

struct node {
    struct node *parent; /* of the root: nullptr */
    struct node *first;  /* child, of a directory */
    struct node *next;   /* sibling */
    uint64_t cookie;     /* number among its siblings, from 1 */
    text name;           /* on the heap */
    enum abi_kind kind;  /* FILE or DIRECTORY */
    uint64_t modified_ns;
    uint32_t attributes; /* ABI_ATTRIBUTE_... */
    uint8_t *bytes;      /* of a file, on the heap */
    uint64_t size_bytes;
    uint64_t capacity_bytes;
};

/* A child of `parent`, the last; nullptr parent: a root. nullptr: no memory. */
struct node *tree_add(struct node *parent, text name, enum abi_kind kind);
/* The node and all below it. */
void tree_free(struct node *root);

/*
 * Finds what a path names below `from`, as the kernel's directories do.
 *   NOT_FOUND           nothing of that name, or a file is used as a directory
 *   PERMISSION_DENIED   absolute, or with '..'
 *   INVALID_ARGUMENT    empty, or with an empty name or '.'
 */
status tree_find(struct node *from, text path, struct node **out_node);

/*
 * Adds what the path names, if the folder it belongs into is there. Statuses as above, and
 *   ALREADY_EXISTS, OUT_OF_MEMORY
 */
status tree_create(struct node *from, text path, enum abi_kind kind, struct node **out_node);

/* Makes room so that `end_bytes` bytes fit. OUT_OF_MEMORY, OUT_OF_RANGE */
status tree_reserve(struct node *file, uint64_t end_bytes);
/* Bytes from `start` to `end` have been written, where there is room. What is between the old end
 * of the file and `start` becomes zero. */
void tree_written(struct node *file, uint64_t start_bytes, uint64_t end_bytes);

/*
 * Packs records of the children behind `cookie` into `out`; the value is the bytes used, 0 at the
 * end. OUT_OF_RANGE: not even one fits.
 */
size_result tree_list(const struct node *folder, uint64_t cookie, span out);
