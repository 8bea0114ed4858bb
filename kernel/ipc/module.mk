KERNEL_SOURCES += kernel/ipc/address_wait.c
HOST_SOURCES   += kernel/ipc/address_wait.c
HOST_TESTS     += kernel/ipc/address_wait_test.c
