KERNEL_SOURCES += kernel/sync/lock_order.c kernel/sync/spin_lock.c
HOST_SOURCES   += kernel/sync/lock_order.c kernel/sync/spin_lock.c
HOST_TESTS     += kernel/sync/spin_lock_test.c
