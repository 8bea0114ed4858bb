/* CRC-32 as zlib and Ethernet have it: reflected, polynomial 0x04c11db7, all bits inverted before
 * and after. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint32_t crc32(const uint8_t *bytes, size_t length);
