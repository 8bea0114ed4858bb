KERNEL_SOURCES += kernel/cap/capability.c kernel/cap/handle_table.c kernel/cap/object.c
HOST_SOURCES   += kernel/cap/capability.c kernel/cap/handle_table.c kernel/cap/object.c
HOST_TESTS     += kernel/cap/capability_test.c kernel/cap/handle_table_test.c \
                  kernel/cap/derivation_model_test.c kernel/cap/object_test.c kernel/cap/revocation_test.c \
                  kernel/cap/revocation_threads_test.c
