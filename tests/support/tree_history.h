/*
 * What was asked of a file system, and when: the states that each file and directory has had, and
 * which of them were promised to be durable. After a power cut it tells whether what is left is one
 * of the trees that may be left.
 *
 * Nodes are known by a number that is also their time of creation, in steps of 10 ms from
 * TREE_CREATED_BASE_NS, so that a node is recognised wherever it turns up. Positions are those of a
 * disk_log. Node 0 is the root.
 *
 * Context: tests; one thread. Memory comes from the host; there is always enough.
 */
#pragma once
#include "support/fat_image.h"
#include <stddef.h>
#include <stdint.h>

/* 2020-01-01 00:00 */
#define TREE_CREATED_BASE_NS 1577836800000000000ull
#define TREE_NAME_BYTES_MAX  256

static inline uint64_t tree_node_created_ns(uint32_t node)
{
    return TREE_CREATED_BASE_NS + node * 10000000ull;
}

/* What one node was at one time. */
struct tree_state {
    uint32_t node;
    uint32_t parent;
    bool is_alive; /* or was removed */
    bool is_directory;
    char name[TREE_NAME_BYTES_MAX]; /* UTF-8, terminated */
    uint32_t size_bytes;
    const uint8_t *contents; /* borrowed until tree_history_drop */
    uint64_t begun;          /* before this position of the disk it could not be there */
};

#define TREE_EVERY_NODE UINT32_MAX

struct tree_promise {
    uint64_t position;    /* from here on it held */
    uint32_t state_count; /* of these states, the last one of the node */
    uint32_t node;        /* or TREE_EVERY_NODE */
};

struct tree_history {
    struct tree_state *states;
    uint32_t state_count, state_capacity;
    struct tree_promise *promises;
    uint32_t promise_count, promise_capacity;
    void **owned; /* contents */
    uint32_t owned_count, owned_capacity;
    uint32_t node_count; /* numbers given so far, the root's included */
    /* While a node moves to another place it may be missing, with all below it, or have only its
     * short name. */
    bool moves_may_lose;
};

void tree_history_init(struct tree_history *history);
void tree_history_drop(struct tree_history *history);
/* The number of a node that is about to be created. */
uint32_t tree_history_new_node(struct tree_history *history);
/* Zeroed bytes that live as long as the history. */
uint8_t *tree_history_contents(struct tree_history *history, size_t length);
void tree_history_note(struct tree_history *history, const struct tree_state *state);
void tree_history_promise(struct tree_history *history, uint32_t node, uint64_t position);
/*
 * True when the tree on the disk may be what a cut at this position left: every node is in one of
 * the places that it had since it was last promised, once; with one of the sizes and, byte for
 * byte, the contents that it had since. Else tells what is wrong.
 */
bool tree_history_allows(const struct tree_history *history, const struct fat_tree *tree,
                         uint64_t position, char *out_error, size_t error_bytes);
