KERNEL_SOURCES += kernel/random/chacha20.c kernel/random/random.c
HOST_SOURCES   += kernel/random/chacha20.c kernel/random/random.c
HOST_TESTS     += kernel/random/random_test.c
