KERNEL_SOURCES += kernel/ipc/address_wait.c
HOST_SOURCES   += kernel/ipc/address_wait.c
