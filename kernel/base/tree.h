/*
 * A balanced binary tree (AVL) through members of the things it holds: insertion cannot fail.
 *
 * The tree knows no keys: whoever inserts walks from `root` to the empty place where the node
 * belongs and gives that place. The heights of the two sides of any node differ by at most one
 * (tree_check).
 *
 * Context: any. The caller provides the locking. Cost: logarithmic; a walk from first to last is
 * linear.
 */
#pragma once
#include "base/container.h"
#include <stdint.h>

struct tree_node {
    struct tree_node *parent; /* nullptr for the root */
    struct tree_node *left;
    struct tree_node *right;
    uint32_t height; /* 1 for a leaf */
};

struct tree {
    struct tree_node *root;
};

/* Puts the node into the empty `place`: &tree->root, or a side of `parent`. */
void tree_insert(struct tree *tree, struct tree_node *parent, struct tree_node **place,
                 struct tree_node *node);
void tree_remove(struct tree *tree, struct tree_node *node);

/* In order; nullptr when there is none. */
struct tree_node *tree_first(const struct tree *tree);
struct tree_node *tree_next(const struct tree_node *node);
struct tree_node *tree_previous(const struct tree_node *node);

/* Links, heights and balance. For tests. Cost: every node. */
bool tree_check(const struct tree *tree);

#define tree_entry(pointer, type, member) container_of(pointer, type, member)
