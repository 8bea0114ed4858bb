VFS_SOURCES := name_cache.c page_cache.c page_cache_change.c page_cache_write.c path.c root.c vfs.c \
               vfs_file.c vfs_names.c vfs_write.c vnode.c

KERNEL_SOURCES += $(addprefix kernel/fs/vfs/,$(VFS_SOURCES))
HOST_SOURCES   += $(addprefix kernel/fs/vfs/,$(VFS_SOURCES))
HOST_TESTS     += kernel/fs/vfs/page_cache_test.c kernel/fs/vfs/path_test.c \
                  kernel/fs/vfs/vfs_test.c
