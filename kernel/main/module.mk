KERNEL_SOURCES += kernel/main/kernel_main.c kernel/main/boot_memory.c kernel/main/deliberate.c kernel/main/self_test.c \
                  kernel/main/command_line.c
HOST_SOURCES   += kernel/main/command_line.c
HOST_TESTS     += kernel/main/command_line_test.c
KERNEL_SOURCES += kernel/main/mount.c kernel/main/first.c kernel/main/fault_injection.c
