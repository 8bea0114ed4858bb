KERNEL_SOURCES += kernel/fs/procfs/document.c kernel/fs/procfs/json.c kernel/fs/procfs/machine.c \
                  kernel/fs/procfs/processes.c kernel/fs/procfs/procfs.c kernel/fs/procfs/words.c
HOST_SOURCES   += kernel/fs/procfs/document.c kernel/fs/procfs/json.c kernel/fs/procfs/procfs.c kernel/fs/procfs/words.c
HOST_TESTS     += kernel/fs/procfs/json_test.c kernel/fs/procfs/procfs_test.c
