KERNEL_SOURCES += kernel/vm/address_space.c kernel/vm/buffer.c kernel/vm/buffer_share.c \
                  kernel/vm/buffer_table.c kernel/vm/buffer_pool.c kernel/vm/region_set.c
HOST_SOURCES   += kernel/vm/address_space.c kernel/vm/buffer.c kernel/vm/buffer_share.c \
                  kernel/vm/buffer_table.c kernel/vm/buffer_pool.c kernel/vm/region_set.c
HOST_TESTS     += kernel/vm/address_space_test.c kernel/vm/buffer_pool_test.c \
                  kernel/vm/buffer_table_test.c kernel/vm/buffer_test.c kernel/vm/region_set_test.c
