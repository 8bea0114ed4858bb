LOADER_SOURCES += boot/uefi/loader.c boot/uefi/console.c boot/uefi/volume.c boot/uefi/machine.c \
                  boot/uefi/elf_image.c boot/uefi/memory_map.c boot/uefi/page_tables.c \
                  boot/uefi/calendar.c boot/uefi/freestanding.c
HOST_SOURCES += boot/uefi/elf_image.c boot/uefi/memory_map.c boot/uefi/page_tables.c boot/uefi/calendar.c


