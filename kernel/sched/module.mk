KERNEL_SOURCES += kernel/sched/mutex.c kernel/sched/run_queue.c kernel/sched/scheduler.c \
                  kernel/sched/thread.c kernel/sched/wait_queue.c kernel/sched/worker.c
# On the host, threads and their switches are the process's own.
HOST_SOURCES   += kernel/sched/host_threads.c kernel/sched/mutex.c kernel/sched/run_queue.c \
                  kernel/sched/wait_queue.c kernel/sched/worker.c
HOST_TESTS     += kernel/sched/mutex_test.c kernel/sched/run_queue_test.c \
                  kernel/sched/wait_queue_test.c kernel/sched/worker_test.c
