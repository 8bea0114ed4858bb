KERNEL_SOURCES += kernel/mm/buddy.c kernel/mm/frame_pool.c kernel/mm/heap.c kernel/mm/quota.c
# The host's heap is arch/host/heap.c; the kernel's own is part of its test.
HOST_SOURCES   += kernel/mm/buddy.c kernel/mm/frame_pool.c kernel/mm/quota.c
HOST_TESTS     += kernel/mm/buddy_test.c kernel/mm/frame_pool_test.c kernel/mm/heap_test.c \
                  kernel/mm/quota_test.c
