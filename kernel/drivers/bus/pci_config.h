/*
 * PCI configuration space: where things are in it and what they may mean. Pure: takes what was read
 * and trusts none of it.
 *
 * PCI Express Base Specification 5.0; section numbers below are its own.
 *
 * Context: any; no state.
 */
#pragma once
#include "base/status.h"

#define PCI_CONFIG_BYTES 256u /* the part that every function has */
#define PCI_CONFIG_SPACE_BYTES \
    4096u /* of a function in the memory-mapped configuration space: 7.2.2 */
#define PCI_BUS_BYTES            (1u << 20)
#define PCI_BUSES_MAX            256u
#define PCI_DEVICES_PER_BUS      32u
#define PCI_FUNCTIONS_PER_DEVICE 8u

/* 7.5.1.1 and 7.5.1.2: offsets in the header. */
#define PCI_VENDOR_ID     0x00
#define PCI_DEVICE_ID     0x02
#define PCI_COMMAND       0x04
#define PCI_STATUS        0x06
#define PCI_INTERFACE     0x09
#define PCI_SUBCLASS      0x0a
#define PCI_CLASS         0x0b
#define PCI_HEADER_TYPE   0x0e
#define PCI_BAR_0         0x10
#define PCI_SECONDARY_BUS 0x19 /* bridges: 7.5.1.3 */
#define PCI_CAPABILITIES  0x34

#define PCI_VENDOR_NONE         0xffffu /* what is read where there is nothing */
#define PCI_COMMAND_MEMORY      0x0002u
#define PCI_COMMAND_MASTER      0x0004u
#define PCI_COMMAND_NO_INTX     0x0400u
#define PCI_STATUS_CAPABILITIES 0x0010u
#define PCI_HEADER_LAYOUT       0x7fu
#define PCI_HEADER_MULTI        0x80u
#define PCI_LAYOUT_DEVICE       0u
#define PCI_LAYOUT_BRIDGE       1u
#define PCI_BAR_COUNT           6u

#define PCI_CAPABILITY_VENDOR 0x09u /* 7.9.4 */
#define PCI_CAPABILITY_MSIX   0x11u /* 7.7.2 */

/*
 * The offset of the next capability with this id behind `previous` (0: from the start), or 0 when
 * there is none. A list that is circular or leaves the space ends. `config` has PCI_CONFIG_BYTES.
 * At least the first `bytes` of what is found are inside the space. 7.5.3
 */
uint8_t pci_capability_next(const uint8_t *config, uint8_t previous, uint8_t id, uint32_t bytes);

/* A memory region of a function. length_bytes 0: there is none, or it is in I/O space. */
struct pci_bar {
    uint64_t start; /* physical */
    uint64_t length_bytes;
    bool is_wide; /* takes the next register too */
};
/*
 * Makes sense of a base address register: `low` and `high` are its and the next one's value, the
 * masks what is read after writing all ones. 7.5.1.2.1
 */
struct pci_bar pci_bar_decode(uint32_t low, uint32_t high, uint32_t low_mask, uint32_t high_mask);

/* Where a function's message table is: 7.7.2. */
struct pci_msix_layout {
    uint8_t table_bar;
    uint8_t pending_bar;
    uint16_t vector_count;
    uint32_t table_offset;
    uint32_t pending_offset;
};
#define PCI_MSIX_BYTES            12u /* of the capability */
#define PCI_MSIX_CONTROL          2u  /* offset in it */
#define PCI_MSIX_CONTROL_ENABLE   0x8000u
#define PCI_MSIX_CONTROL_MASK_ALL 0x4000u
#define PCI_MSIX_ENTRY_BYTES      16u
/* `capability` has PCI_MSIX_BYTES; bars has PCI_BAR_COUNT. IO_ERROR: it points outside its regions.
 */
status pci_msix_decode(const uint8_t *capability, const struct pci_bar *bars,
                       struct pci_msix_layout *out_layout);

/* Where a function is. */
struct pci_place {
    uint16_t segment;
    uint8_t bus;
    uint8_t device;
    uint8_t function;
};

/* How a walk reaches the buses: a bus's configuration space, or nullptr when it cannot be had. */
struct pci_walk {
    uint16_t segment;
    uint8_t first_bus;
    uint8_t last_bus;
    void *(*map_bus)(struct pci_walk *walk, uint8_t bus);
    /* Called for each function that is no bridge; `config` is its configuration space. */
    void (*visit)(struct pci_walk *walk, struct pci_place place, void *config);
};
/*
 * Visits every function behind first_bus, across bridges, each bus once whatever bridges claim.
 * Cost: at most 256 buses of 256 functions.
 */
void pci_walk_buses(struct pci_walk *walk);
