/*
 * Device registers: the only place where volatile is used. Wrapped so that they can only be touched
 * through these functions. Ports are x86's; other machines have none.
 */
#pragma once
#include <stdint.h>

typedef struct mmio8 {
    volatile uint8_t raw;
} mmio8;
typedef struct mmio16 {
    volatile uint16_t raw;
} mmio16;
typedef struct mmio32 {
    volatile uint32_t raw;
} mmio32;
typedef struct mmio64 {
    volatile uint64_t raw;
} mmio64;

static inline uint8_t mmio8_read(const mmio8 *r)
{
    return r->raw;
}
static inline uint16_t mmio16_read(const mmio16 *r)
{
    return r->raw;
}
static inline uint32_t mmio32_read(const mmio32 *r)
{
    return r->raw;
}
static inline uint64_t mmio64_read(const mmio64 *r)
{
    return r->raw;
}
static inline void mmio8_write(mmio8 *r, uint8_t value)
{
    r->raw = value;
}
static inline void mmio16_write(mmio16 *r, uint16_t value)
{
    r->raw = value;
}
static inline void mmio32_write(mmio32 *r, uint32_t value)
{
    r->raw = value;
}
static inline void mmio64_write(mmio64 *r, uint64_t value)
{
    r->raw = value;
}

/* {first bit, width} of a register's field */
typedef struct bit_field {
    uint8_t first;
    uint8_t width;
} bit_field;

static inline uint64_t bit_field_get(uint64_t value, bit_field field)
{
    return (value >> field.first) & ((field.width == 64) ? ~0ull : (1ull << field.width) - 1);
}
static inline uint64_t bit_field_set(uint64_t value, bit_field field, uint64_t content)
{
    uint64_t mask = ((field.width == 64) ? ~0ull : (1ull << field.width) - 1) << field.first;
    return (value & ~mask) | ((content << field.first) & mask);
}

uint8_t port8_read(uint16_t port);
uint16_t port16_read(uint16_t port);
uint32_t port32_read(uint16_t port);
void port8_write(uint16_t port, uint8_t value);
void port16_write(uint16_t port, uint16_t value);
void port32_write(uint16_t port, uint32_t value);
