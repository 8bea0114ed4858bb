/*
 * PCI Express functions: what is on the buses, and how a driver takes hold of one.
 *
 * device_init_bus() finds them once, through the memory-mapped configuration space that the ACPI
 * table MCFG names. A driver looks through the list, opens a function (which lets it answer in
 * memory space and write to memory by itself), maps parts of its regions and gives its message
 * interrupts to handlers.
 *
 * Context: task, at boot or from a worker; pci_silence from any. One driver per function: nothing
 *          here is locked, except what says so.
 */
#pragma once
#include "arch/arch/trap.h"
#include "base/status.h"
#include "drivers/bus/pci_config.h"

#define PCI_FUNCTIONS_MAX 256u /* that we know of; more are ignored, with a line in the log */

struct pci_function {
    /* Fixed when found. */
    struct pci_place place;
    uint16_t vendor_id;
    uint16_t device_id;
    uint8_t class_code;
    uint8_t subclass;
    uint8_t interface;
    void *config; /* its configuration space */

    /* The driver's, from pci_open() on. */
    uint8_t snapshot[PCI_CONFIG_BYTES]; /* configuration space as read once, for the pure checks */
    struct pci_bar bars[PCI_BAR_COUNT];
    uint8_t msix_capability; /* 0: none, or damaged */
    struct pci_msix_layout msix;
    void *msix_table;
};

/* Boot, before pci_open: from here on no function has message interrupts. For tests. */
void pci_forbid_messages(void);

uint32_t pci_function_count(void);
struct pci_function *pci_function_at(uint32_t index);

/* Reads regions and capabilities, enables memory space and bus mastering, disables INTx. */
void pci_open(struct pci_function *function);
/* The function can no longer write to memory or interrupt. Any context. */
void pci_silence(struct pci_function *function);

/*
 * Maps part of a region, uncached, for the kernel's life.
 *   OUT_OF_RANGE    not inside the region, or there is none
 *   OUT_OF_MEMORY
 */
RESULT_TYPE(pci_memory_result, void *);
pci_memory_result pci_map(const struct pci_function *function, uint8_t bar, uint64_t offset,
                          uint64_t length_bytes);

/*
 * Turns on message interrupts, every vector masked.
 *   NOT_FOUND       the function has none
 *   OUT_OF_MEMORY
 */
status pci_msix_start(struct pci_function *function);
uint16_t pci_msix_count(const struct pci_function *function);
/*
 * Lets vector `index` run handler(argument) in interrupt context on `cpu`.
 *   OUT_OF_RANGE     the function has no such vector
 *   QUOTA_EXCEEDED   the processor has none left
 */
status pci_msix_set(struct pci_function *function, uint16_t index, interrupt_handler *handler,
                    void *argument, uint32_t cpu);
