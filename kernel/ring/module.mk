KERNEL_SOURCES += kernel/ring/accept.c kernel/ring/cancel.c kernel/ring/op.c \
                  kernel/ring/order.c kernel/ring/poller.c kernel/ring/priority.c kernel/ring/recorder.c kernel/ring/ring.c
HOST_SOURCES   += kernel/ring/accept.c kernel/ring/cancel.c kernel/ring/op.c \
                  kernel/ring/order.c kernel/ring/poller.c kernel/ring/priority.c kernel/ring/recorder.c kernel/ring/ring.c
HOST_TESTS     += kernel/ring/ring_test.c kernel/ring/ring_link_test.c kernel/ring/ring_cancel_test.c kernel/ring/ring_model_test.c \
                  kernel/ring/recorder_test.c
