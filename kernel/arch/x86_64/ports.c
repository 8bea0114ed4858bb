/* Input and output ports. */
#include "arch/arch/mmio.h"

#define DEFINE_PORT(bits, suffix)                                                       \
    uint##bits##_t port##bits##_read(uint16_t port)                                     \
    {                                                                                   \
        uint##bits##_t value;                                                           \
        __asm__ volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port) : "memory");  \
        return value;                                                                   \
    }                                                                                   \
    void port##bits##_write(uint16_t port, uint##bits##_t value)                        \
    {                                                                                   \
        __asm__ volatile("out" suffix " %0, %1" : : "a"(value), "Nd"(port) : "memory"); \
    }
DEFINE_PORT(8, "b")
DEFINE_PORT(16, "w")
DEFINE_PORT(32, "l")
