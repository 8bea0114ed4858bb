LOADER_SOURCES += boot/uefi/loader.c boot/uefi/console.c boot/uefi/volume.c boot/uefi/machine.c
LOADER_SOURCES += boot/uefi/elf_image.c boot/uefi/memory_map.c boot/uefi/page_tables.c boot/uefi/calendar.c
LOADER_SOURCES += boot/uefi/freestanding.c

HOST_SOURCES += boot/uefi/elf_image.c boot/uefi/memory_map.c boot/uefi/page_tables.c boot/uefi/calendar.c

HOST_TESTS += boot/uefi/elf_image_test.c boot/uefi/memory_map_test.c boot/uefi/page_tables_test.c
HOST_TESTS += boot/uefi/calendar_test.c

FUZZ_TARGETS += tests/fuzz/boot_elf_image_fuzz.c
