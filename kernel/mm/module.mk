KERNEL_SOURCES += kernel/mm/buddy.c
HOST_SOURCES   += kernel/mm/buddy.c
HOST_TESTS     += kernel/mm/buddy_test.c
