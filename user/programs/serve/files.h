/*
 * The file server: what is asked through handles that were minted for nodes of a tree.
 *
 * Each handle that a client opens has an open file of its own here, whose address is the badge; it
 * goes when the last handle with that badge is gone.
 *
 * Context: one thread.
 */
#pragma once
#include "peal/service.h"
#include "tree.h"

#define FILES_RIGHTS (RIGHTS_FOLDER | ABI_RIGHT_WRITE | ABI_RIGHT_CREATE | ABI_RIGHT_TRANSFER)

/* Makes the server answer for the tree. `service` is borrowed for as long as it serves. */
void files_init(struct server *server, service_ref service);
/* A handle to a directory of the tree, to be granted. OUT_OF_MEMORY, QUOTA_EXCEEDED */
directory_result files_mint(service_ref service, struct node *folder);
/* Open files of all clients. */
uint32_t files_open_count(void);
