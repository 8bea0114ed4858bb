KERNEL_SOURCES += kernel/drivers/block/block_init.c kernel/drivers/block/block_slice.c \
                  kernel/drivers/block/nvme.c kernel/drivers/block/nvme_controller.c \
                  kernel/drivers/block/nvme_format.c kernel/drivers/block/nvme_identify.c \
                  kernel/drivers/block/nvme_prp.c kernel/drivers/block/nvme_queue.c \
                  kernel/drivers/block/virtio_blk.c
HOST_SOURCES   += kernel/drivers/block/block_slice.c kernel/drivers/block/nvme_format.c \
                  kernel/drivers/block/nvme_identify.c kernel/drivers/block/nvme_prp.c \
                  kernel/drivers/block/nvme_queue.c
HOST_TESTS     += kernel/drivers/block/block_slice_test.c kernel/drivers/block/nvme_identify_test.c \
                  kernel/drivers/block/nvme_prp_test.c kernel/drivers/block/nvme_queue_test.c
