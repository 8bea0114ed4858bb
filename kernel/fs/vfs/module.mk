KERNEL_SOURCES += kernel/fs/vfs/name_cache.c kernel/fs/vfs/page_cache.c kernel/fs/vfs/path.c \
                  kernel/fs/vfs/root.c kernel/fs/vfs/vfs.c kernel/fs/vfs/vfs_file.c kernel/fs/vfs/vnode.c
HOST_SOURCES   += kernel/fs/vfs/name_cache.c kernel/fs/vfs/page_cache.c kernel/fs/vfs/path.c \
                  kernel/fs/vfs/root.c kernel/fs/vfs/vfs.c kernel/fs/vfs/vfs_file.c kernel/fs/vfs/vnode.c
HOST_TESTS     += kernel/fs/vfs/path_test.c kernel/fs/vfs/vfs_test.c
