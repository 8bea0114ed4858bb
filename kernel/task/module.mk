KERNEL_SOURCES += kernel/task/elf.c kernel/task/image.c kernel/task/launch.c kernel/task/process.c \
                  kernel/task/process_table.c kernel/task/startup.c kernel/task/user_fault.c \
                  kernel/task/user_thread.c
HOST_SOURCES   += kernel/task/elf.c kernel/task/image.c kernel/task/startup.c
HOST_TESTS     += kernel/task/elf_test.c kernel/task/image_test.c kernel/task/startup_test.c
FUZZ_TARGETS   += tests/fuzz/elf_fuzz.c
