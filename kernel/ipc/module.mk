KERNEL_SOURCES += kernel/ipc/address_wait.c kernel/ipc/channel.c kernel/ipc/channel_message.c \
                  kernel/ipc/channel_transit.c kernel/ipc/timer_object.c
HOST_SOURCES   += kernel/ipc/address_wait.c kernel/ipc/channel.c kernel/ipc/channel_message.c \
                  kernel/ipc/channel_transit.c kernel/ipc/timer_object.c
HOST_TESTS     += kernel/ipc/address_wait_test.c kernel/ipc/channel_test.c kernel/ipc/timer_object_test.c
KERNEL_SOURCES += kernel/ipc/service.c
HOST_SOURCES   += kernel/ipc/service.c
HOST_TESTS     += kernel/ipc/service_test.c
