FUZZ_TARGETS += tests/fuzz/buddy_fuzz.c
FUZZ_TARGETS += tests/fuzz/derivation_fuzz.c tests/fuzz/handle_table_fuzz.c
FUZZ_TARGETS += tests/fuzz/acpi_fuzz.c
FUZZ_TARGETS += tests/fuzz/submission_fuzz.c
FUZZ_TARGETS += tests/fuzz/spawn_block_fuzz.c
FUZZ_TARGETS += tests/fuzz/archive_fuzz.c tests/fuzz/fat32_fuzz.c tests/fuzz/fat32_write_fuzz.c
FUZZ_TARGETS += tests/fuzz/json_fuzz.c
FUZZ_TARGETS += tests/fuzz/ansi_fuzz.c tests/fuzz/gpt_fuzz.c tests/fuzz/virtio_fuzz.c tests/fuzz/nvme_fuzz.c
