/*
 * The FAT32 format on disk: where each field lies, little-endian, and what its values mean.
 * Microsoft Extensible Firmware Initiative FAT32 File System Specification, version 1.03; the
 * headings quoted below are its own. Layout only: no behaviour, no state.
 */
#pragma once
#include <stdint.h>

/* "Boot Sector and BPB": offsets in the volume's first sector. */
static constexpr uint32_t BOOT_OEM_NAME = 3; /* 8 bytes; other file systems sign here */
static constexpr uint32_t BOOT_BYTES_PER_SECTOR = 11;
static constexpr uint32_t BOOT_SECTORS_PER_CLUSTER = 13;
static constexpr uint32_t BOOT_RESERVED_SECTORS = 14;
static constexpr uint32_t BOOT_TABLE_COUNT = 16;
static constexpr uint32_t BOOT_ROOT_ENTRIES = 17;     /* 0 on FAT32 */
static constexpr uint32_t BOOT_TOTAL_SECTORS_16 = 19; /* 0: see the other */
static constexpr uint32_t BOOT_MEDIA = 21;            /* 0xf0, or 0xf8 and above */
static constexpr uint32_t BOOT_TABLE_SECTORS_16 = 22; /* 0 on FAT32 */
static constexpr uint32_t BOOT_TOTAL_SECTORS_32 = 32;
static constexpr uint32_t BOOT_TABLE_SECTORS_32 = 36;
static constexpr uint32_t BOOT_EXTENDED_FLAGS = 40; /* BPB_ExtFlags */
static constexpr uint32_t BOOT_VERSION = 42;        /* 0 */
static constexpr uint32_t BOOT_ROOT_CLUSTER = 44;
static constexpr uint32_t BOOT_INFORMATION_SECTOR = 48; /* BPB_FSInfo */
static constexpr uint32_t BOOT_BACKUP_SECTOR = 50;      /* BPB_BkBootSec; 0: none */
/* BS_Reserved1: Windows NT, Linux and fsck.fat keep a mark there that the volume is in use. */
static constexpr uint32_t BOOT_STATE = 65;
static constexpr uint8_t BOOT_STATE_IN_USE = 0x01;
static constexpr uint32_t BOOT_SIGNATURE = 510; /* 2 bytes: 0x55 0xaa */
static constexpr uint32_t BOOT_BYTES = 512;     /* what is looked at, whatever the sector size */

static constexpr uint16_t EXTENDED_ACTIVE_TABLE = 0x000f; /* valid when not mirrored */
static constexpr uint16_t EXTENDED_NOT_MIRRORED = 0x0080;

static constexpr uint32_t SECTOR_BYTES_MIN = 512;
static constexpr uint32_t SECTOR_BYTES_MAX = 4096;
/* The specification ends at 32 KiB; formatters of today make 64 KiB, which changes nothing else. */
static constexpr uint32_t CLUSTER_BYTES_MAX = 65536;

/* "FAT Type Determination": below so many clusters it is the older format. */
static constexpr uint32_t FAT12_CLUSTERS_END = 4085;

/* "FAT Data Structure": an entry has 28 bits, the upper 4 are reserved. */
static constexpr uint32_t TABLE_ENTRY_BYTES = 4;
static constexpr uint32_t TABLE_ENTRY_MASK = 0x0fffffff;
static constexpr uint32_t TABLE_ENTRY_BAD = 0x0ffffff7;
static constexpr uint32_t TABLE_ENTRY_LAST = 0x0ffffff8; /* this and above: end of the chain */
static constexpr uint32_t TABLE_ENTRY_END = 0x0fffffff;  /* what is written for an end */
static constexpr uint32_t CLUSTER_FIRST = 2;
/* Entry 1 has a mark: set when the volume is not in use (ClnShutBitMask). */
static constexpr uint32_t TABLE_MARK_ENTRY = 1;
static constexpr uint32_t TABLE_MARK_CLEAN = 0x08000000;
/* The same, of no errors met when it was last in use (HrdErrBitMask). */
static constexpr uint32_t TABLE_MARK_NO_ERRORS = 0x04000000;

/* "FAT32 FSInfo Sector Structure and Backup Boot Sector" */
static constexpr uint32_t INFORMATION_LEAD_SIGNATURE = 0;
static constexpr uint32_t INFORMATION_SIGNATURE = 484;
static constexpr uint32_t INFORMATION_FREE_COUNT = 488;
static constexpr uint32_t INFORMATION_NEXT_FREE = 492; /* where to begin looking */
static constexpr uint32_t INFORMATION_TRAIL_SIGNATURE = 508;
static constexpr uint32_t INFORMATION_LEAD = 0x41615252;
static constexpr uint32_t INFORMATION_MIDDLE = 0x61417272;
static constexpr uint32_t INFORMATION_TRAIL = 0xaa550000;
static constexpr uint32_t INFORMATION_UNKNOWN = 0xffffffff; /* both numbers */

/* "FAT 32 Byte Directory Entry Structure" */
static constexpr uint32_t ENTRY_BYTES = 32;
static constexpr uint32_t ENTRY_NAME = 0; /* 8 + 3 bytes, padded with spaces */
static constexpr uint32_t ENTRY_ATTRIBUTES = 11;
static constexpr uint32_t ENTRY_CASE =
    12; /* DIR_NTRes: reserved there, used as below by Windows NT */
static constexpr uint32_t ENTRY_CREATED_TENTHS = 13; /* units of 10 ms, 0..199 */
static constexpr uint32_t ENTRY_CREATED_TIME = 14;
static constexpr uint32_t ENTRY_CREATED_DATE = 16;
static constexpr uint32_t ENTRY_ACCESSED_DATE = 18;
static constexpr uint32_t ENTRY_CLUSTER_HIGH = 20;
static constexpr uint32_t ENTRY_WRITTEN_TIME = 22;
static constexpr uint32_t ENTRY_WRITTEN_DATE = 24;
static constexpr uint32_t ENTRY_CLUSTER_LOW = 26;
static constexpr uint32_t ENTRY_SIZE = 28;

static constexpr uint32_t SHORT_BASE_BYTES = 8;
static constexpr uint32_t SHORT_NAME_BYTES = 11;
static constexpr uint8_t NAME_END = 0x00; /* first byte: this entry and all behind it are free */
static constexpr uint8_t NAME_DELETED = 0xe5; /* first byte: free */
static constexpr uint8_t NAME_KANJI = 0x05;   /* first byte: stands for 0xe5 */

static constexpr uint8_t ATTRIBUTE_READ_ONLY = 0x01;
static constexpr uint8_t ATTRIBUTE_HIDDEN = 0x02;
static constexpr uint8_t ATTRIBUTE_SYSTEM = 0x04;
static constexpr uint8_t ATTRIBUTE_VOLUME_LABEL = 0x08;
static constexpr uint8_t ATTRIBUTE_DIRECTORY = 0x10;
static constexpr uint8_t ATTRIBUTE_ARCHIVE = 0x20; /* not backed up since it changed */
static constexpr uint8_t ATTRIBUTE_LONG_NAME = 0x0f;
static constexpr uint8_t ATTRIBUTE_LONG_NAME_MASK = 0x3f;

static constexpr uint8_t CASE_BASE_LOWER = 0x08;
static constexpr uint8_t CASE_EXTENSION_LOWER = 0x10;

/* "FAT Long Directory Entries": parts of a name, the last part first, before the short entry. */
static constexpr uint32_t LONG_ORDER = 0;
static constexpr uint32_t LONG_CHECKSUM = 13;
static constexpr uint32_t LONG_UNITS_PER_PART = 13;
static constexpr uint8_t LONG_ORDER_LAST = 0x40;
static constexpr uint8_t LONG_ORDER_MASK = 0x3f;
static constexpr uint32_t LONG_PARTS_MAX = 20;
static constexpr uint32_t LONG_UNITS_MAX = 255;
