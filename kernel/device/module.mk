KERNEL_SOURCES += kernel/device/block_device.c kernel/device/block_wait.c kernel/device/console.c \
                  kernel/device/console_output.c kernel/device/gpt.c kernel/device/partition.c
HOST_SOURCES   += kernel/device/block_device.c kernel/device/console.c kernel/device/gpt.c \
                  kernel/device/partition.c
HOST_TESTS     += kernel/device/block_device_test.c kernel/device/console_test.c \
                  kernel/device/gpt_test.c
