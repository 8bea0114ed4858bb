KERNEL_SOURCES += kernel/drivers/block/block_slice.c kernel/drivers/block/virtio_blk.c
HOST_SOURCES   += kernel/drivers/block/block_slice.c
HOST_TESTS     += kernel/drivers/block/block_slice_test.c
