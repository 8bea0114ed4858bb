KERNEL_SOURCES += kernel/ops/basic.c kernel/ops/dispatch.c kernel/ops/entry.c kernel/ops/handles.c \
                  kernel/ops/stat.c kernel/ops/stream.c kernel/ops/system.c kernel/ops/wait.c
KERNEL_SOURCES += kernel/ops/console.c kernel/ops/power.c
KERNEL_SOURCES += kernel/ops/file.c
