KERNEL_SOURCES += kernel/drivers/bus/pci.c kernel/drivers/bus/pci_config.c \
                  kernel/drivers/bus/virtio_capability.c kernel/drivers/bus/virtio_pci.c \
                  kernel/drivers/bus/virtqueue.c
HOST_SOURCES   += kernel/drivers/bus/pci_config.c kernel/drivers/bus/virtio_capability.c \
                  kernel/drivers/bus/virtqueue.c
HOST_TESTS     += kernel/drivers/bus/pci_config_test.c kernel/drivers/bus/virtio_capability_test.c \
                  kernel/drivers/bus/virtqueue_test.c
