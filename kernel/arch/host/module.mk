HOST_SOURCES += kernel/arch/host/paging.c kernel/arch/host/cpu.c kernel/arch/host/heap.c kernel/arch/host/log.c \
                kernel/arch/host/memory.c kernel/arch/host/page.c
