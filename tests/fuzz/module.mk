FUZZ_TARGETS += tests/fuzz/handle_table_fuzz.c
