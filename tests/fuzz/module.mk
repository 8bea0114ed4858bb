FUZZ_TARGETS += tests/fuzz/buddy_fuzz.c
FUZZ_TARGETS += tests/fuzz/handle_table_fuzz.c
FUZZ_TARGETS += tests/fuzz/acpi_fuzz.c
FUZZ_TARGETS += tests/fuzz/submission_fuzz.c
