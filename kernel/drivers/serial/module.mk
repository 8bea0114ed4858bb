KERNEL_SOURCES += kernel/drivers/serial/uart16550.c
