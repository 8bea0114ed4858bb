# Log, panic and what they are made of. The host has a log and a panic of its own.
KERNEL_SOURCES += $(addprefix kernel/debug/, log.c log_ring.c panic.c symbols.c symbols_search.c ubsan.c)
HOST_SOURCES   += kernel/debug/log_ring.c kernel/debug/symbols_search.c
HOST_TESTS     += kernel/debug/log_ring_test.c kernel/debug/symbols_test.c
