KERNEL_SOURCES += kernel/fs/devices/devices.c
HOST_SOURCES   += kernel/fs/devices/devices.c
HOST_TESTS     += kernel/fs/devices/devices_test.c
