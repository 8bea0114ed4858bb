KERNEL_SOURCES += kernel/ops/basic.c kernel/ops/cancel.c kernel/ops/dispatch.c kernel/ops/entry.c kernel/ops/handles.c \
                  kernel/ops/pool.c kernel/ops/stat.c kernel/ops/stream.c kernel/ops/system.c kernel/ops/wait.c
# With stand-ins for what needs processes and files: tests/support/ops_world.h.
HOST_SOURCES   += kernel/ops/basic.c kernel/ops/cancel.c kernel/ops/dispatch.c kernel/ops/handles.c kernel/ops/pool.c kernel/ops/stat.c \
                  kernel/ops/stream.c kernel/ops/wait.c
KERNEL_SOURCES += kernel/ops/explain.c kernel/ops/revoke.c
HOST_SOURCES   += kernel/ops/explain.c kernel/ops/revoke.c
HOST_TESTS     += kernel/ops/ops_test.c
KERNEL_SOURCES += kernel/ops/console.c kernel/ops/power.c
KERNEL_SOURCES += kernel/ops/direct.c kernel/ops/file.c kernel/ops/file_io.c kernel/ops/file_names.c kernel/ops/service.c
KERNEL_SOURCES += kernel/ops/boot.c kernel/ops/memory.c kernel/ops/process.c kernel/ops/program.c \
                  kernel/ops/spawn.c kernel/ops/spawn_block.c kernel/ops/thread.c kernel/ops/channel.c kernel/ops/timer.c \
                  kernel/ops/trace.c
HOST_SOURCES   += kernel/ops/spawn_block.c
HOST_TESTS     += kernel/ops/spawn_block_test.c
