KERNEL_SOURCES += kernel/drivers/input/i8042.c kernel/drivers/input/keyboard.c
HOST_SOURCES   += kernel/drivers/input/keyboard.c
HOST_TESTS     += kernel/drivers/input/keyboard_test.c
