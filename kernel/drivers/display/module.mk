KERNEL_SOURCES += kernel/drivers/display/font.c kernel/drivers/display/framebuffer_console.c \
                  kernel/drivers/display/terminal.c kernel/drivers/display/text_screen.c
HOST_SOURCES   += kernel/drivers/display/font.c kernel/drivers/display/terminal.c \
                  kernel/drivers/display/text_screen.c
HOST_TESTS     += kernel/drivers/display/terminal_test.c kernel/drivers/display/text_screen_test.c

# The console's font, from the distribution: third_party/terminus says where it comes from.
CONSOLE_FONT    := $(BUILD)/third_party/terminus/console.psf
KERNEL_SOURCES  += $(BUILD)/generated/console_font.S
$(CONSOLE_FONT): third_party/terminus/fetch
	@echo "  fetch    $@"
	@third_party/terminus/fetch $@
$(BUILD)/generated/console_font.S: tools/make_font $(CONSOLE_FONT)
	@mkdir -p $(@D)
	@tools/make_font $(CONSOLE_FONT) $@
