KERNEL_SOURCES += kernel/fs/fat32/fat32_chain.c kernel/fs/fat32/fat32_check.c \
                  kernel/fs/fat32/fat32_cluster_set.c kernel/fs/fat32/fat32_directory.c \
                  kernel/fs/fat32/fat32_mount.c kernel/fs/fat32/fat32_name.c kernel/fs/fat32/fat32_volume.c
HOST_SOURCES   += kernel/fs/fat32/fat32_chain.c kernel/fs/fat32/fat32_check.c \
                  kernel/fs/fat32/fat32_cluster_set.c kernel/fs/fat32/fat32_directory.c \
                  kernel/fs/fat32/fat32_mount.c kernel/fs/fat32/fat32_name.c kernel/fs/fat32/fat32_volume.c
HOST_TESTS     += kernel/fs/fat32/fat32_check_test.c kernel/fs/fat32/fat32_core_test.c \
                  kernel/fs/fat32/fat32_image_test.c kernel/fs/fat32/fat32_name_test.c
