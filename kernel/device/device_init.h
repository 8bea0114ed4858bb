/*
 * The driver families, in the order kernel main calls them. Each looks for its hardware, registers
 * what it finds with this layer and says so in the log; hardware that is absent is no error.
 *
 * The functions are defined in drivers/: main starts the families without knowing any driver.
 *
 * Context: task, once each, after the scheduler, timers, workers and console_init.
 */
#pragma once
#include <boot/boot_info.h>

/* The first serial port: output and input of the console. drivers/serial */
void device_init_serial(void);
/* The framebuffer the firmware left, if any, as an output of the console. drivers/display */
void device_init_display(const struct boot_framebuffer *framebuffer);
/* A PS/2 keyboard, as input of the console. drivers/input */
void device_init_input(void);
/* PCI Express: what is on the buses. Needs the ACPI tables. drivers/bus */
void device_init_bus(void);
/* Disks, registered as block devices together with their partitions. Waits for disks. drivers/block
 */
void device_init_block(void);
