# Builds everything. People use ./peal, which installs what is missing and then calls this.
#
#   make unit          host tests of every module, under sanitizers
#   make unit-PATH     one of them: make unit-kernel/mm/heap_test
#   make kernel loader programs archive image disk
#   make fuzz          fuzz targets (built, not run)
#   make format-check layers headers docs-check tidy analyse
#
#   BUILD=DIR          where results go (build)
#   DEBUG=1            lock order, poisoning and every other costly check
#   UBSAN=1            the kernel reports undefined behaviour to its log

BUILD ?= build
DEBUG ?= 0
UBSAN ?= 0

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
SHELL := /bin/sh

CC      := clang-19
LD      := ld.lld-19
LD_PE   := lld-link-19
AR      := llvm-ar-19
NM      := llvm-nm-19
OBJCOPY := llvm-objcopy-19
TIDY    := clang-tidy-19
FORMAT  := clang-format-19
PYTHON  := /usr/bin/python3

# Every byte of a result depends on the sources alone.
export SOURCE_DATE_EPOCH := 946684800
export LC_ALL := C.UTF-8
export TZ := UTC

all: image disk

# --- What there is ---------------------------------------------------------------------------------

KERNEL_SOURCES :=
HOST_SOURCES :=
HOST_TESTS := tests/support/support_test.c
FUZZ_TARGETS :=
LOADER_SOURCES :=
USER_LIBRARY_SOURCES :=
# Those of the native library's files that also run as an ordinary process, and their tests.
USER_HOST_SOURCES :=
USER_HOST_TESTS :=

MODULES := $(sort $(wildcard kernel/*/module.mk kernel/*/*/module.mk boot/uefi/module.mk \
                             tests/fuzz/module.mk user/peal/module.mk))
include $(MODULES)

PROGRAMS    := $(sort $(patsubst user/programs/%/,%,$(dir $(wildcard user/programs/*/*.c))))
GUEST_TESTS := $(sort $(basename $(notdir $(wildcard tests/guest/*.c))))
GUEST_SUPPORT_SOURCES := $(sort $(wildcard tests/guest/support/*.c))

# --- How it is compiled ----------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef \
            -Wvla -Wswitch -Wimplicit-fallthrough -Wthread-safety -Werror
COMMON   := -std=gnu23 -g -ffile-prefix-map=$(CURDIR)=. -fdebug-compilation-dir=. $(WARNINGS)

# Each implementation of kernel/arch/arch brings the inline parts of the contract.
KERNEL_INCLUDES := -Ikernel -Iabi -Iboot -Ikernel/arch/x86_64/include
USER_INCLUDES   := -Iuser -Iabi
HOST_INCLUDES   := -Ikernel -Iabi -Iboot -Ikernel/arch/host/include -Itests

VARIANT := release
KERNEL_FLAGS := --target=x86_64-unknown-none-elf $(COMMON) -O2 -ffreestanding -fPIE -fvisibility=hidden \
                -mno-red-zone -mgeneral-regs-only -fno-omit-frame-pointer -fno-strict-aliasing \
                -fno-asynchronous-unwind-tables -fstack-protector-strong \
                -mstack-protector-guard=global $(KERNEL_INCLUDES)
# Optimised as a whole, across files. Not where somebody looks for a mistake: fewer functions then
# have a frame of their own.
ifeq ($(DEBUG)$(UBSAN),00)
KERNEL_FLAGS += -flto=full
endif
ifneq ($(DEBUG),0)
VARIANT := debug
KERNEL_FLAGS += -DPEAL_DEBUG
endif
ifneq ($(UBSAN),0)
VARIANT := $(VARIANT)-ubsan
KERNEL_FLAGS += -fsanitize=undefined -fno-sanitize=function
endif

HOST_FLAGS := $(COMMON) -O1 -DPEAL_HOST -DPEAL_DEBUG -fno-omit-frame-pointer \
              -fsanitize=address,undefined -fno-sanitize-recover=all -fno-sanitize=function \
              -pthread $(HOST_INCLUDES)
FUZZ_FLAGS := $(HOST_FLAGS) -fsanitize=fuzzer-no-link
# The native library has names that the kernel has, too, so it is tested in binaries of its own.
USER_HOST_FLAGS := $(subst $(HOST_INCLUDES),$(USER_INCLUDES) -Itests,$(HOST_FLAGS)) -DPEAL_USER_TEST

LOADER_FLAGS := --target=x86_64-unknown-windows $(COMMON) -O2 -ffreestanding -fshort-wchar -mno-red-zone \
                -mno-stack-arg-probe -mgeneral-regs-only -nostdlib -fno-stack-protector -Iboot

USER_FLAGS += --target=x86_64-unknown-none-elf $(COMMON) -O2 -ffreestanding -fPIE -fvisibility=hidden \
              -fno-asynchronous-unwind-tables -fno-strict-aliasing -fno-omit-frame-pointer \
              -momit-leaf-frame-pointer -flto=full $(USER_INCLUDES)
USER_LINK  := -static -pie --no-dynamic-linker -z noexecstack -z separate-code -z norelro -z text --gc-sections \
              --hash-style=gnu --build-id=none

# A file that changes exactly when the flags of the objects that depend on it do.
flags_of = $(BUILD)/flags/$(1)
define FLAGS_FILE
$$(call flags_of,$(1)): always
	@mkdir -p $$(@D)
	@printf '%s\n' '$$($(2))' | cmp -s - $$@ || printf '%s\n' '$$($(2))' > $$@
endef
$(eval $(call FLAGS_FILE,kernel-$(VARIANT),KERNEL_FLAGS))
$(eval $(call FLAGS_FILE,host,HOST_FLAGS))
$(eval $(call FLAGS_FILE,fuzz,FUZZ_FLAGS))
$(eval $(call FLAGS_FILE,user-host,USER_HOST_FLAGS))
$(eval $(call FLAGS_FILE,loader,LOADER_FLAGS))
$(eval $(call FLAGS_FILE,user,USER_FLAGS))

COMPILE = @mkdir -p $(@D); echo "  compile  $<"; $(CC) -MMD -MP -c -o $@ $<

# --- Kernel ----------------------------------------------------------------------------------------

KERNEL_BUILD   := $(BUILD)/kernel-$(VARIANT)
KERNEL_OBJECTS := $(patsubst %,$(KERNEL_BUILD)/%.o,$(KERNEL_SOURCES))
KERNEL_LINK    := -static -pie --no-dynamic-linker -z noexecstack -z text -z norelro -z max-page-size=4096 \
                  --hash-style=gnu --build-id=none -T kernel/main/kernel.ld

$(KERNEL_BUILD)/%.o: % $(call flags_of,kernel-$(VARIANT))
	$(COMPILE) $(KERNEL_FLAGS)

# Linked twice: first without symbols, then with the table made from the first.
$(KERNEL_BUILD)/no_symbols.S:
	@mkdir -p $(@D)
	@tools/make_symbols < /dev/null > $@
$(KERNEL_BUILD)/symbols.S: $(KERNEL_BUILD)/kernel_first.elf tools/make_symbols
	@$(NM) --defined-only --numeric-sort $< | tools/make_symbols > $@
$(KERNEL_BUILD)/%symbols.o: $(KERNEL_BUILD)/%symbols.S
	@$(CC) --target=x86_64-unknown-none-elf -c -o $@ $<
$(KERNEL_BUILD)/symbols.o: $(KERNEL_BUILD)/symbols.S
	@$(CC) --target=x86_64-unknown-none-elf -c -o $@ $<
$(KERNEL_BUILD)/kernel_first.elf: $(KERNEL_OBJECTS) $(KERNEL_BUILD)/no_symbols.o kernel/main/kernel.ld $(MODULES)
	@echo "  link     $@"
	@$(LD) $(KERNEL_LINK) -o $@ $(KERNEL_OBJECTS) $(KERNEL_BUILD)/no_symbols.o
$(KERNEL_BUILD)/kernel.elf: $(KERNEL_BUILD)/kernel_first.elf $(KERNEL_BUILD)/symbols.o
	@echo "  link     $@"
	@$(LD) $(KERNEL_LINK) -o $@ $(KERNEL_OBJECTS) $(KERNEL_BUILD)/symbols.o
# What the loader reads: the same without symbols and debug information.
$(KERNEL_BUILD)/kernel.stripped: $(KERNEL_BUILD)/kernel.elf
	@$(OBJCOPY) --strip-all $< $@

kernel: $(KERNEL_BUILD)/kernel.stripped

# --- Loader ----------------------------------------------------------------------------------------

LOADER_OBJECTS := $(patsubst %,$(BUILD)/loader/%.o,$(LOADER_SOURCES))
$(BUILD)/loader/%.o: % $(call flags_of,loader)
	$(COMPILE) $(LOADER_FLAGS)
$(BUILD)/loader/BOOTX64.EFI: $(LOADER_OBJECTS) $(MODULES)
	@echo "  link     $@"
	@$(LD_PE) /subsystem:efi_application /entry:efi_main /nodefaultlib /Brepro /out:$@ $(LOADER_OBJECTS)

loader: $(BUILD)/loader/BOOTX64.EFI

# --- Programs --------------------------------------------------------------------------------------

USER_BUILD   := $(BUILD)/user
USER_LIBRARY := $(USER_BUILD)/libpeal.a
USER_OBJECTS := $(patsubst %,$(USER_BUILD)/%.o,$(USER_LIBRARY_SOURCES))
$(USER_BUILD)/%.o: % $(call flags_of,user)
	$(COMPILE) $(USER_FLAGS)
$(USER_BUILD)/tests/%.o: tests/% $(call flags_of,user)
	$(COMPILE) $(USER_FLAGS) -Itests/guest
$(USER_LIBRARY): $(USER_OBJECTS) $(MODULES)
	@rm -f $@
	@$(AR) rcsD $@ $(USER_OBJECTS)

define PROGRAM
$$(BUILD)/archive/bin/$(1): $$(patsubst %,$$(USER_BUILD)/%.o,$$(sort $$(filter-out %_test.c,$$(wildcard user/programs/$(1)/*.c)))) $$(USER_LIBRARY)
	@mkdir -p $$(@D); echo "  link     $$@"
	@$$(LD) $$(USER_LINK) --strip-debug -o $$@ $$(filter-out %.a,$$^) $$(USER_LIBRARY)
endef
define GUEST_TEST
$$(BUILD)/archive/test/$(1): $$(USER_BUILD)/tests/guest/$(1).c.o $$(patsubst %,$$(USER_BUILD)/%.o,$$(GUEST_SUPPORT_SOURCES)) $$(USER_LIBRARY)
	@mkdir -p $$(@D); echo "  link     $$@"
	@$$(LD) $$(USER_LINK) --strip-debug -o $$@ $$(filter-out %.a,$$^) $$(USER_LIBRARY)
endef
$(foreach name,$(PROGRAMS),$(eval $(call PROGRAM,$(name))))
$(foreach name,$(GUEST_TESTS),$(eval $(call GUEST_TEST,$(name))))

PROGRAM_FILES := $(PROGRAMS:%=bin/%) $(GUEST_TESTS:%=test/%)
programs: $(PROGRAM_FILES:%=$(BUILD)/archive/%)

# --- Images ----------------------------------------------------------------------------------------

# The boot archive holds the programs, the guest tests and what lies in tools/archive.
ARCHIVE_EXTRAS := $(sort $(shell cd tools/archive 2>/dev/null && find . -type f -printf '%P\n'))
ARCHIVE := $(BUILD)/peal.archive
$(ARCHIVE): $(PROGRAM_FILES:%=$(BUILD)/archive/%) $(ARCHIVE_EXTRAS:%=tools/archive/%) $(MODULES) tools/make_archive
	@echo "  archive  $@"
	@tools/make_archive $@ $(BUILD)/archive $(PROGRAM_FILES) -- tools/archive $(ARCHIVE_EXTRAS)
archive: $(ARCHIVE)

COMMAND_LINE ?=
IMAGE := $(BUILD)/peal-$(VARIANT).image
$(IMAGE): $(BUILD)/loader/BOOTX64.EFI $(KERNEL_BUILD)/kernel.stripped $(ARCHIVE) tools/make_boot_image
	@echo "  image    $@"
	@tools/make_boot_image --output $@ --loader $(BUILD)/loader/BOOTX64.EFI --kernel $(KERNEL_BUILD)/kernel.stripped \
	    --archive $(ARCHIVE) --command-line '$(COMMAND_LINE)'
image: $(IMAGE)

DISK := $(BUILD)/sample.disk
$(DISK): tools/make_sample_disk
	@echo "  disk     $@"
	@tools/make_sample_disk $@
disk: $(DISK)

# --- Host tests and fuzzers ------------------------------------------------------------------------

HOST_LIBRARY := $(BUILD)/host/libpeal_host.a
HOST_OBJECTS := $(patsubst %,$(BUILD)/host/%.o,$(HOST_SOURCES))
FUZZ_LIBRARY := $(BUILD)/fuzz/libpeal_host.a
FUZZ_OBJECTS := $(patsubst %,$(BUILD)/fuzz/%.o,$(HOST_SOURCES))
SUPPORT_OBJECTS := $(BUILD)/host/tests/support/test.c.o $(BUILD)/host/tests/support/allocation.c.o \
                   $(BUILD)/host/tests/support/disk_log.c.o $(BUILD)/host/tests/support/fat_image.c.o \
                   $(BUILD)/host/tests/support/tree_history.c.o

$(BUILD)/host/%.o: % $(call flags_of,host)
	$(COMPILE) $(HOST_FLAGS)
$(BUILD)/fuzz/%.o: % $(call flags_of,fuzz)
	$(COMPILE) $(FUZZ_FLAGS)
$(HOST_LIBRARY): $(HOST_OBJECTS) $(MODULES)
	@mkdir -p $(@D); rm -f $@
	@$(AR) rcsD $@ $(HOST_OBJECTS)
$(FUZZ_LIBRARY): $(FUZZ_OBJECTS) $(MODULES)
	@mkdir -p $(@D); rm -f $@
	@$(AR) rcsD $@ $(FUZZ_OBJECTS)

USER_HOST_LIBRARY := $(BUILD)/user-host/libpeal.a
USER_HOST_OBJECTS := $(patsubst %,$(BUILD)/user-host/%.o,$(USER_HOST_SOURCES))
$(BUILD)/user-host/%.o: % $(call flags_of,user-host)
	$(COMPILE) $(USER_HOST_FLAGS)
$(USER_HOST_LIBRARY): $(USER_HOST_OBJECTS) $(MODULES)
	@mkdir -p $(@D); rm -f $@
	@$(AR) rcsD $@ $(USER_HOST_OBJECTS)
$(BUILD)/unit/user/%: $(BUILD)/user-host/user/%.c.o $(SUPPORT_OBJECTS) $(USER_HOST_LIBRARY)
	@mkdir -p $(@D)
	@$(CC) $(USER_HOST_FLAGS) -o $@ $< $(SUPPORT_OBJECTS) $(USER_HOST_LIBRARY)

$(BUILD)/unit/%: $(BUILD)/host/%.c.o $(SUPPORT_OBJECTS) $(HOST_LIBRARY)
	@mkdir -p $(@D)
	@$(CC) $(HOST_FLAGS) -o $@ $< $(SUPPORT_OBJECTS) -Wl,--start-group $(HOST_LIBRARY) -Wl,--end-group

# The kernel's recovery of a volume, for images on the host.
RECOVER_IMAGE := $(BUILD)/host/recover_image
$(RECOVER_IMAGE): $(BUILD)/host/tests/support/recover_image.c.o $(BUILD)/host/tests/support/fuzz.c.o $(BUILD)/host/tests/support/allocation.c.o $(HOST_LIBRARY)
	@$(CC) $(HOST_FLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(HOST_LIBRARY) -Wl,--end-group
recover-image: $(RECOVER_IMAGE)

# The log of a test binary appears when all its tests passed; a failed one is shown and kept apart.
$(BUILD)/unit/%.log: $(BUILD)/unit/%
	@if timeout 120 $< > $@.part 2>&1; then mv $@.part $@; printf '  %-40s %s\n' '$*' "$$(tail -n 1 $@)"; \
	 else cat $@.part; mv $@.part $(@:.log=.failed); echo "  FAILED   $*"; exit 1; fi

HOST_TEST_NAMES := $(HOST_TESTS:.c=) $(USER_HOST_TESTS:.c=)
unit: $(HOST_TEST_NAMES:%=$(BUILD)/unit/%.log)
unit-logs: # their names, for sums
	@echo $(HOST_TEST_NAMES:%=$(BUILD)/unit/%.log)
$(HOST_TEST_NAMES:%=unit-%): unit-%: $(BUILD)/unit/%
	$<

$(BUILD)/fuzzers/%: $(BUILD)/fuzz/tests/fuzz/%.c.o $(BUILD)/fuzz/tests/support/allocation.c.o \
                    $(BUILD)/fuzz/tests/support/fuzz.c.o $(FUZZ_LIBRARY)
	@mkdir -p $(@D); echo "  link     $@"
	@$(CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) -Wl,--start-group $(FUZZ_LIBRARY) -Wl,--end-group
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzzers/%,$(FUZZ_TARGETS))
fuzz: $(FUZZERS)

# --- Checks ----------------------------------------------------------------------------------------

C_FILES := $(sort $(shell find abi boot kernel user tests -name '*.[ch]' -not -path '*/corpus/*'))
format-check:
	@! { $(FORMAT) --dry-run -Werror $(C_FILES) 2>&1 | sed -n 's/^\([^ :]*:[0-9]*\):.*/\1: not as clang-format writes it/p' | sort -u | grep .; }
format:
	@$(FORMAT) -i $(C_FILES)
layers:
	@$(PYTHON) tools/check_layers
docs-check:
	@$(PYTHON) tools/check_docs
	@$(PYTHON) tools/make_abi_docs --check
abi-docs:
	@$(PYTHON) tools/make_abi_docs

# Each header compiles alone.
HOST_HEADERS   := $(foreach file,$(filter %.h,$(C_FILES)),$(if $(findstring _test,$(file))$(filter kernel/arch/host/%,$(file)),$(file)))
KERNEL_HEADERS := $(filter-out $(HOST_HEADERS),$(filter kernel/%.h abi/%.h boot/boot/%.h,$(C_FILES)))
USER_HEADERS   := $(filter user/%.h,$(C_FILES))
LOADER_HEADERS := $(filter boot/uefi/%.h,$(C_FILES))
$(BUILD)/headers/kernel/%.h.ok: %.h $(call flags_of,kernel-$(VARIANT))
	@mkdir -p $(@D); echo '#include "$<"' | $(CC) $(KERNEL_FLAGS) -I. -fsyntax-only -MMD -MF $(@:.ok=.d) -MT $@ -x c - && touch $@
$(BUILD)/headers/user/%.h.ok: %.h $(call flags_of,user)
	@mkdir -p $(@D); echo '#include "$<"' | $(CC) $(USER_FLAGS) -I. -fsyntax-only -MMD -MF $(@:.ok=.d) -MT $@ -x c - && touch $@
$(BUILD)/headers/loader/%.h.ok: %.h $(call flags_of,loader)
	@mkdir -p $(@D); echo '#include "$<"' | $(CC) $(LOADER_FLAGS) -I. -fsyntax-only -MMD -MF $(@:.ok=.d) -MT $@ -x c - && touch $@
$(BUILD)/headers/host/%.h.ok: %.h $(call flags_of,host)
	@mkdir -p $(@D); echo '#include "$<"' | $(CC) $(HOST_FLAGS) -I. -fsyntax-only -MMD -MF $(@:.ok=.d) -MT $@ -x c - && touch $@
headers: $(filter $(BUILD)/headers/host/kernel/%,$(HOST_HEADERS:%=$(BUILD)/headers/host/%.ok)) $(KERNEL_HEADERS:%=$(BUILD)/headers/kernel/%.ok) $(USER_HEADERS:%=$(BUILD)/headers/user/%.ok) \
         $(LOADER_HEADERS:%=$(BUILD)/headers/loader/%.ok)

# clang-tidy over kernel, loader and programs; the analyser with the handle checker over programs.
KERNEL_C  := $(sort $(filter %.c,$(KERNEL_SOURCES)))
USER_C    := $(sort $(USER_LIBRARY_SOURCES) $(foreach name,$(PROGRAMS),$(filter-out %_test.c,$(wildcard user/programs/$(name)/*.c))))
USER_C    := $(filter %.c,$(USER_C))
TEST_C    := $(sort $(wildcard tests/guest/*.c) $(GUEST_SUPPORT_SOURCES))
$(BUILD)/tidy/kernel/%.ok: % .clang-tidy $(call flags_of,kernel-$(VARIANT))
	@mkdir -p $(@D); echo "  tidy     $<"; $(TIDY) --quiet --warnings-as-errors='*' $< -- $(KERNEL_FLAGS) 2>$@.err || { cat $@.err; false; }
	@$(CC) $(KERNEL_FLAGS) -M -MT $@ -MF $(@:.ok=.d) $< && touch $@
$(BUILD)/tidy/loader/%.ok: % .clang-tidy $(call flags_of,loader)
	@mkdir -p $(@D); echo "  tidy     $<"; $(TIDY) --quiet --warnings-as-errors='*' $< -- $(LOADER_FLAGS) 2>$@.err || { cat $@.err; false; }
	@$(CC) $(LOADER_FLAGS) -M -MT $@ -MF $(@:.ok=.d) $< && touch $@
$(BUILD)/tidy/user/%.ok: % .clang-tidy $(call flags_of,user)
	@mkdir -p $(@D); echo "  tidy     $<"; $(TIDY) --quiet --warnings-as-errors='*' $< -- $(USER_FLAGS) -Itests/guest 2>$@.err || { cat $@.err; false; }
	@$(CC) $(USER_FLAGS) -Itests/guest -M -MT $@ -MF $(@:.ok=.d) $< && touch $@
tidy: $(KERNEL_C:%=$(BUILD)/tidy/kernel/%.ok) $(LOADER_SOURCES:%=$(BUILD)/tidy/loader/%.ok) $(USER_C:%=$(BUILD)/tidy/user/%.ok)

$(BUILD)/analyse/%.ok: % $(call flags_of,user)
	@mkdir -p $(@D); echo "  analyse  $<"
	@$(CC) --analyze -Xclang -analyzer-checker=fuchsia.HandleChecker -Xclang -analyzer-output=text -Xclang -analyzer-werror \
	    $(USER_FLAGS) -Itests/guest -o /dev/null $<
	@$(CC) $(USER_FLAGS) -Itests/guest -M -MT $@ -MF $(@:.ok=.d) $< && touch $@
# The checker keys on names and attributes: that it still sees mistakes is checked, too.
$(BUILD)/analyse/planted.ok: tests/analyser/handle_faults.c $(wildcard user/peal/*.h) $(call flags_of,user)
	@mkdir -p $(@D); echo "  analyse  $<"
	@$(CC) --analyze -Xclang -analyzer-checker=fuchsia.HandleChecker -Xclang -analyzer-output=text $(USER_FLAGS) \
	    -Xclang -verify -Xclang -verify-ignore-unexpected=note -o /dev/null $< && touch $@
analyse: $(BUILD)/analyse/planted.ok $(USER_C:%=$(BUILD)/analyse/%.ok)

clean:
	rm -rf $(BUILD)

always:
.PHONY: recover-image all kernel loader programs archive image disk unit unit-logs fuzz format format-check layers docs-check \
        abi-docs headers tidy analyse clean always

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
