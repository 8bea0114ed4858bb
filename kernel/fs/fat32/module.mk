FAT32_SOURCES  := $(addprefix kernel/fs/fat32/fat32_, allocate.c block.c chain.c check.c cluster_set.c \
                    directory.c edit.c file.c journal.c mount.c name.c names.c node.c recover.c table.c volume.c write.c)
KERNEL_SOURCES += $(FAT32_SOURCES)
HOST_SOURCES   += $(FAT32_SOURCES)
HOST_TESTS     += kernel/fs/fat32/fat32_check_test.c kernel/fs/fat32/fat32_core_test.c \
                  kernel/fs/fat32/fat32_cut_test.c kernel/fs/fat32/fat32_image_test.c kernel/fs/fat32/fat32_name_test.c kernel/fs/fat32/fat32_recover_test.c \
                  kernel/fs/fat32/fat32_write_test.c
HOST_TESTS     += kernel/fs/fat32/fat32_edit_test.c kernel/fs/fat32/fat32_interop_test.c \
                  kernel/fs/fat32/fat32_model_test.c kernel/fs/fat32/fat32_mount_test.c
