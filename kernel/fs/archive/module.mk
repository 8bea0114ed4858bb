KERNEL_SOURCES += kernel/fs/archive/archive.c kernel/fs/archive/ustar.c
HOST_SOURCES   += kernel/fs/archive/archive.c kernel/fs/archive/ustar.c
HOST_TESTS     += kernel/fs/archive/archive_test.c
