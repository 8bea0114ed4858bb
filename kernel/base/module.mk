KERNEL_SOURCES += kernel/base/bytes.c kernel/base/format.c kernel/base/text.c kernel/base/tree.c
HOST_SOURCES   += kernel/base/format.c kernel/base/text.c kernel/base/tree.c
HOST_TESTS     += kernel/base/bitmap_test.c kernel/base/bytes_test.c kernel/base/format_test.c \
                  kernel/base/list_test.c kernel/base/text_test.c kernel/base/tree_test.c
