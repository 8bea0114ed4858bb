/* The synthetic root: see vfs_root and vfs_add_volume in fs/vfs/vfs.h. */
#pragma once

/* Boot: it exists and is empty. */
void root_init(void);
