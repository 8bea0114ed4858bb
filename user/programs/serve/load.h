/*
 * Filling a tree from a directory.
 * Context: any thread; sleeps until the disk has answered.
 */
#pragma once
#include "peal/file.h"
#include "tree.h"

/* All that is below `source`. Errors of opening, listing and reading; OUT_OF_MEMORY */
status load_tree(struct node *root, directory_ref source);
