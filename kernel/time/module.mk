KERNEL_SOURCES += kernel/time/clock.c kernel/time/timer_heap.c kernel/time/timer_queue.c
HOST_SOURCES   += kernel/time/clock.c kernel/time/timer_heap.c kernel/time/timer_queue.c
HOST_TESTS     += kernel/time/clock_test.c kernel/time/timer_heap_test.c \
                  kernel/time/timer_queue_test.c
