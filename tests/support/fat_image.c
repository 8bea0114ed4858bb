/*
 * Offsets are written as the specification prints them, beside the field's name there, and nothing
 * is shared with kernel/fs/fat32.
 */
#include "support/fat_image.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static constexpr uint32_t END_OF_CHAIN = 0x0fffffff;
static constexpr uint32_t END_OF_CHAIN_MIN = 0x0ffffff8;
static constexpr uint32_t BAD_CLUSTER = 0x0ffffff7;

static uint32_t get16(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8;
}

static uint32_t get32(const uint8_t *from)
{
    return get16(from) | get16(from + 2) << 16;
}

static void put16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *to, uint32_t value)
{
    put16(to, value & 0xffff);
    put16(to + 2, value >> 16);
}

/* ---- making ---- */

static uint32_t shape_table_sectors(const struct fat_shape *shape)
{
    uint32_t sectors = 1, needed = 0;
    for (;;) {
        uint32_t data =
            shape->sector_count - shape->reserved_sectors - shape->table_count * sectors;
        needed = ((data / shape->sectors_per_cluster + 2) * 4 + shape->sector_bytes - 1) /
                 shape->sector_bytes;
        if (needed <= sectors) return sectors;
        sectors = needed;
    }
}

static void boot_sector_make(uint8_t *boot, const struct fat_shape *shape)
{
    memcpy(boot,
           "\xeb\x58\x90"
           "PEALTEST",
           11);
    put16(boot + 11, shape->sector_bytes);          /* BPB_BytsPerSec */
    boot[13] = (uint8_t)shape->sectors_per_cluster; /* BPB_SecPerClus */
    put16(boot + 14, shape->reserved_sectors);      /* BPB_RsvdSecCnt */
    boot[16] = (uint8_t)shape->table_count;         /* BPB_NumFATs */
    boot[21] = 0xf8;                                /* BPB_Media */
    put16(boot + 24, 32);                           /* BPB_SecPerTrk */
    put16(boot + 26, 8);                            /* BPB_NumHeads */
    put32(boot + 32, shape->sector_count);          /* BPB_TotSec32 */
    put32(boot + 36, shape_table_sectors(shape));   /* BPB_FATSz32 */
    put32(boot + 44, 2);                            /* BPB_RootClus */
    put16(boot + 48, 1);                            /* BPB_FSInfo */
    put16(boot + 50, 6);                            /* BPB_BkBootSec */
    boot[64] = 0x80;                                /* BS_DrvNum */
    boot[66] = 0x29;                                /* BS_BootSig */
    put32(boot + 67, 0x5ea15ea1);                   /* BS_VolID */
    memcpy(boot + 71, "NO NAME    FAT32   ", 19);   /* BS_VolLab, BS_FilSysType */
    put16(boot + 510, 0xaa55);
}

void fat_image_format(uint8_t *image, const struct fat_shape *shape)
{
    uint32_t sector_bytes = shape->sector_bytes, table_sectors = shape_table_sectors(shape);
    memset(image, 0, (size_t)shape->sector_count * sector_bytes);
    uint32_t data = shape->reserved_sectors + shape->table_count * table_sectors;
    uint32_t clusters = (shape->sector_count - data) / shape->sectors_per_cluster;
    boot_sector_make(image, shape);
    uint8_t *info = image + sector_bytes;
    put32(info, 0x41615252);         /* FSI_LeadSig */
    put32(info + 484, 0x61417272);   /* FSI_StrucSig */
    put32(info + 488, clusters - 1); /* FSI_Free_Count */
    put32(info + 492, 2);            /* FSI_Nxt_Free */
    put32(info + 508, 0xaa550000);   /* FSI_TrailSig */
    memcpy(image + 6ull * sector_bytes, image, 2ull * sector_bytes);
    for (uint32_t i = 0; i < shape->table_count; i++) {
        uint8_t *table =
            image + (size_t)(shape->reserved_sectors + i * table_sectors) * sector_bytes;
        put32(table, 0x0ffffff8);
        put32(table + 4, END_OF_CHAIN);
        put32(table + 8, END_OF_CHAIN);
    }
}

/* ---- errors ---- */

/* Notes the first error; answers false, to be returned. */
[[gnu::format(printf, 2, 3)]] static bool wrong(struct fat_tree *tree, const char *format, ...)
{
    if (tree->error[0] != 0) return false;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(tree->error, sizeof(tree->error), format, arguments);
    va_end(arguments);
    return false;
}

/* ---- the boot sector and FSInfo ---- */

static bool boot_read(struct fat_tree *tree)
{
    const uint8_t *boot = tree->image;
    if (get16(boot + 510) != 0xaa55) return wrong(tree, "no boot sector");
    tree->sector_bytes = get16(boot + 11);
    tree->reserved_sectors = get16(boot + 14);
    tree->table_count = boot[16];
    tree->table_sectors = get32(boot + 36);
    tree->root_cluster = get32(boot + 44);
    tree->cluster_bytes = boot[13] * tree->sector_bytes;
    uint32_t sectors = get32(boot + 32);
    if (tree->sector_bytes < 512 || tree->cluster_bytes == 0 || get16(boot + 22) != 0)
        return wrong(tree, "not FAT32");
    if ((uint64_t)sectors * tree->sector_bytes > tree->image_bytes)
        return wrong(tree, "larger than the image");
    uint32_t data = tree->reserved_sectors + tree->table_count * tree->table_sectors;
    if (data >= sectors) return wrong(tree, "no room for data");
    tree->cluster_count = (sectors - data) / boot[13];
    if (((uint64_t)tree->cluster_count + 2) * 4 >
        (uint64_t)tree->table_sectors * tree->sector_bytes)
        return wrong(tree, "table too small");
    if (boot[65] & 1) tree->leftovers |= FAT_LEFT_IN_USE;
    return true;
}

/* The copy differs at most in the mark that the volume is in use. */
static bool backup_check(struct fat_tree *tree)
{
    uint32_t sector = get16(tree->image + 50);
    if (sector == 0 || sector == 0xffff) return true;
    const uint8_t *backup = tree->image + (size_t)sector * tree->sector_bytes;
    for (uint32_t i = 0; i < 512; i++) {
        if (i != 65 && backup[i] != tree->image[i])
            return wrong(tree, "the boot sector's backup differs at byte %u", i);
    }
    return true;
}

static bool info_check(struct fat_tree *tree)
{
    uint32_t sector = get16(tree->image + 48);
    if (sector == 0 || sector == 0xffff) return true;
    const uint8_t *info = tree->image + (size_t)sector * tree->sector_bytes;
    if (get32(info) != 0x41615252 || get32(info + 484) != 0x61417272 ||
        get32(info + 508) != 0xaa550000)
        return wrong(tree, "FSInfo's signatures are wrong");
    uint32_t free = get32(info + 488);
    if (free == 0xffffffff)
        tree->leftovers |= FAT_LEFT_NO_COUNTS;
    else if (free != tree->free_count)
        return wrong(tree, "FSInfo says %u clusters are free; there are %u", free,
                     tree->free_count);
    return true;
}

/* ---- chains ---- */

static bool is_cluster(const struct fat_tree *tree, uint32_t cluster)
{
    return cluster >= 2 && cluster < tree->cluster_count + 2;
}

static uint32_t table_entry(const struct fat_tree *tree, uint32_t cluster)
{
    return get32(tree->table + (size_t)cluster * 4) & 0x0fffffff;
}

static const uint8_t *cluster_bytes(const struct fat_tree *tree, uint32_t cluster)
{
    uint64_t data = (uint64_t)(tree->reserved_sectors + tree->table_count * tree->table_sectors) *
                    tree->sector_bytes;
    return tree->image + data + (uint64_t)(cluster - 2) * tree->cluster_bytes;
}

/* Claims every cluster of the chain, to its end. */
static bool chain_claim(struct fat_tree *tree, struct fat_node *node)
{
    uint32_t cluster = node->first_cluster;
    do {
        if (!is_cluster(tree, cluster))
            return wrong(tree, "%s: cluster %u is outside the volume", node->name, cluster);
        if (tree->claimed[cluster])
            return wrong(tree, "%s: cluster %u is in two chains or a loop", node->name, cluster);
        tree->claimed[cluster] = 1;
        node->cluster_count++;
        uint32_t next = table_entry(tree, cluster);
        if (next == 0) return wrong(tree, "%s: cluster %u is free", node->name, cluster);
        cluster = next;
    } while (cluster < END_OF_CHAIN_MIN);
    return true;
}

static bool file_check(struct fat_tree *tree, struct fat_node *file)
{
    uint32_t needed =
        (uint32_t)(((uint64_t)file->size_bytes + tree->cluster_bytes - 1) / tree->cluster_bytes);
    if (file->first_cluster != 0 && !chain_claim(tree, file)) return false;
    if (file->cluster_count < needed)
        return wrong(tree, "%s: %u bytes, but %u clusters", file->name, file->size_bytes,
                     file->cluster_count);
    if (file->cluster_count > needed) tree->leftovers |= FAT_LEFT_LONG_CHAIN;
    return true;
}

/* ---- names ---- */

/* The name of the set that is being read: its parts come from the last to the first. */
struct parts {
    uint32_t total;   /* 0: none */
    uint32_t missing; /* parts still to come */
    uint8_t checksum;
    uint16_t units[261];
};

static uint32_t part_unit(const uint8_t *part, uint32_t index)
{
    static const uint8_t offsets[13] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    return get16(part + offsets[index]);
}

static void part_read(struct fat_tree *tree, struct parts *parts, const uint8_t *part)
{
    uint32_t number = part[0] & 0x3f;
    if (part[0] & 0x40) {
        if (parts->total != 0) tree->leftovers |= FAT_LEFT_NAME_PARTS;
        *parts = (struct parts){.total = number, .missing = number, .checksum = part[13]};
        if (number == 0 || number > 20) wrong(tree, "a long name has %u parts", number);
    }
    bool fits = parts->total != 0 && number == parts->missing && part[13] == parts->checksum;
    if (!fits || part[12] != 0 || get16(part + 26) != 0) {
        tree->leftovers |= FAT_LEFT_NAME_PARTS;
        parts->total = 0;
        return;
    }
    for (uint32_t i = 0; i < 13 && number <= 20; i++)
        parts->units[(number - 1) * 13 + i] = (uint16_t)part_unit(part, i);
    parts->missing--;
}

static uint8_t short_checksum(const uint8_t *entry)
{
    uint8_t sum = 0;
    for (int i = 0; i < 11; i++)
        sum = (uint8_t)(((sum & 1) ? 0x80 : 0) + (sum >> 1) + entry[i]);
    return sum;
}

static char *utf8_put(char *to, uint32_t character)
{
    if (character < 0x80) {
        *to++ = (char)character;
        return to;
    }
    if (character < 0x800) {
        *to++ = (char)(0xc0 | character >> 6);
    } else {
        if (character < 0x10000) {
            *to++ = (char)(0xe0 | character >> 12);
        } else {
            *to++ = (char)(0xf0 | character >> 18);
            *to++ = (char)(0x80 | (character >> 12 & 63));
        }
        *to++ = (char)(0x80 | (character >> 6 & 63));
    }
    *to++ = (char)(0x80 | (character & 63));
    return to;
}

static void long_name_write(const struct parts *parts, char *to)
{
    uint32_t count = parts->total * 13;
    for (uint32_t i = 0; i < count && parts->units[i] != 0; i++) {
        uint32_t character = parts->units[i];
        if (character >= 0xd800 && character < 0xdc00 && i + 1 < count) {
            character = 0x10000 + ((character & 0x3ff) << 10) + (parts->units[i + 1] & 0x3ff);
            i++;
        }
        to = utf8_put(to, character);
    }
    *to = 0;
}

static bool short_name_write(struct fat_tree *tree, const uint8_t *entry, char *to)
{
    uint32_t length = 0;
    for (uint32_t i = 0; i < 11; i++) {
        uint8_t byte = entry[i];
        if (byte == ' ') continue;
        bool is_wrong = byte < 0x20 || (byte >= 'a' && byte <= 'z') ||
                        strchr("\"*+,./:;<=>?[\\]|", byte) != nullptr;
        if (is_wrong && !(i == 0 && byte == 0x05))
            return wrong(tree, "a short name has the byte %#x", byte);
        if (i >= 8 && (length == 0 || strchr(to, '.') == nullptr)) to[length++] = '.';
        to[length++] = (char)byte;
        to[length] = 0;
    }
    if (entry[0] == ' ') return wrong(tree, "a short name begins with a space");
    return true;
}

/* ---- directories ---- */

static struct fat_node *node_add(struct fat_tree *tree, uint32_t parent)
{
    if (tree->node_count == tree->node_capacity) {
        tree->node_capacity = 2 * tree->node_capacity + 16;
        tree->nodes = realloc(tree->nodes, tree->node_capacity * sizeof(struct fat_node));
        if (tree->nodes == nullptr) abort();
    }
    struct fat_node *node = &tree->nodes[tree->node_count++];
    memset(node, 0, sizeof(*node));
    node->parent = parent;
    return node;
}

static uint32_t entry_cluster(const uint8_t *entry)
{
    return get16(entry + 20) << 16 | get16(entry + 26);
}

/* "." and "..", the first two entries of every directory but the root. */
static bool dots_check(struct fat_tree *tree, const struct fat_node *directory,
                       const uint8_t *entry, uint32_t index)
{
    const struct fat_node *parent = &tree->nodes[directory->parent];
    uint32_t expected = index == 0                              ? directory->first_cluster
                        : parent == &tree->nodes[FAT_NODE_ROOT] ? 0
                                                                : parent->first_cluster;
    const char *name = index == 0 ? ".          " : "..         ";
    if (memcmp(entry, name, 11) != 0 || !(entry[11] & 0x10) || entry_cluster(entry) != expected)
        return wrong(tree, "%s: \"%s\" is not as it must be", directory->name,
                     index == 0 ? "." : "..");
    return true;
}

static bool entry_read(struct fat_tree *tree, uint32_t directory, const uint8_t *entry,
                       struct parts *parts)
{
    if (entry[11] & 0x08) {
        if (directory != FAT_NODE_ROOT) return wrong(tree, "a label outside the root");
        return true;
    }
    struct fat_node *node = node_add(tree, directory);
    if (!short_name_write(tree, entry, node->short_name)) return false;
    bool has_long =
        parts->total != 0 && parts->missing == 0 && parts->checksum == short_checksum(entry);
    if (parts->total != 0 && !has_long) tree->leftovers |= FAT_LEFT_NAME_PARTS;
    if (has_long)
        long_name_write(parts, node->name);
    else
        memcpy(node->name, node->short_name, sizeof(node->short_name));
    node->attributes = entry[11];
    node->is_directory = entry[11] & 0x10;
    node->size_bytes = get32(entry + 28);
    node->first_cluster = entry_cluster(entry);
    node->created = (uint64_t)get16(entry + 16) << 24 | get16(entry + 14) << 8 | entry[13];
    node->written = get16(entry + 24) << 16 | get16(entry + 22);
    if (!node->is_directory) return file_check(tree, node);
    if (node->size_bytes != 0) return wrong(tree, "%s: a directory with a size", node->name);
    return true;
}

/* One entry that is in use, label and long parts included. */
static bool entry_take(struct fat_tree *tree, uint32_t directory, const uint8_t *entry,
                       uint32_t index, struct parts *parts)
{
    if (directory != FAT_NODE_ROOT && index < 2)
        return dots_check(tree, &tree->nodes[directory], entry, index);
    if ((entry[11] & 0x3f) == 0x0f) {
        part_read(tree, parts, entry);
        return tree->error[0] == 0;
    }
    bool is_read = entry_read(tree, directory, entry, parts);
    parts->total = 0;
    return is_read;
}

static bool entries_read(struct fat_tree *tree, uint32_t directory)
{
    struct parts parts = {0};
    bool is_end = false;
    uint32_t index = 0, cluster = tree->nodes[directory].first_cluster;
    for (; cluster < END_OF_CHAIN_MIN; cluster = table_entry(tree, cluster)) {
        const uint8_t *bytes = cluster_bytes(tree, cluster);
        for (uint32_t at = 0; at < tree->cluster_bytes; at += 32, index++) {
            const uint8_t *entry = bytes + at;
            if (is_end && entry[0] != 0) tree->leftovers |= FAT_LEFT_BEHIND_END;
            is_end = is_end || entry[0] == 0;
            bool is_used = !is_end && entry[0] != 0xe5;
            if (!is_used && parts.total != 0) {
                tree->leftovers |= FAT_LEFT_NAME_PARTS;
                parts.total = 0;
            }
            if (is_used && !entry_take(tree, directory, entry, index, &parts)) return false;
        }
    }
    if (parts.total != 0) tree->leftovers |= FAT_LEFT_NAME_PARTS;
    if (directory != FAT_NODE_ROOT && index < 2) return wrong(tree, "a directory without dots");
    return true;
}

/* No name, long or short, twice in one directory. */
static bool names_check(struct fat_tree *tree, uint32_t first)
{
    for (uint32_t i = first; i < tree->node_count; i++) {
        for (uint32_t j = first; j < i; j++) {
            const struct fat_node *a = &tree->nodes[i], *b = &tree->nodes[j];
            if (strcasecmp(a->name, b->name) == 0 || strcmp(a->short_name, b->short_name) == 0 ||
                strcasecmp(a->name, b->short_name) == 0 || strcasecmp(a->short_name, b->name) == 0)
                return wrong(tree, "%s (%s) and %s (%s) in one directory", a->name, a->short_name,
                             b->name, b->short_name);
        }
    }
    return true;
}

static bool directory_read(struct fat_tree *tree, uint32_t directory)
{
    if (!chain_claim(tree, &tree->nodes[directory])) return false;
    uint32_t first = tree->node_count;
    return entries_read(tree, directory) && names_check(tree, first);
}

/* ---- all of it ---- */

static bool table_check(struct fat_tree *tree)
{
    if ((table_entry(tree, 0) & 0xff) != tree->image[21])
        return wrong(tree, "the table's first entry is %#x", table_entry(tree, 0));
    if (!(table_entry(tree, 1) & 0x08000000)) tree->leftovers |= FAT_LEFT_IN_USE;
    size_t length = ((size_t)tree->cluster_count + 2) * 4;
    for (uint32_t i = 0; i < tree->table_count; i++) {
        const uint8_t *other =
            tree->image +
            (size_t)(tree->reserved_sectors + i * tree->table_sectors) * tree->sector_bytes;
        if (memcmp(other, tree->table, length) != 0) tree->leftovers |= FAT_LEFT_TABLES_APART;
    }
    for (uint32_t cluster = 2; cluster < tree->cluster_count + 2; cluster++) {
        uint32_t entry = table_entry(tree, cluster);
        tree->free_count += entry == 0;
        if (entry != 0 && entry != BAD_CLUSTER && !tree->claimed[cluster])
            tree->leftovers |= FAT_LEFT_LOST_CLUSTERS;
    }
    return true;
}

bool fat_tree_read(struct fat_tree *tree, const uint8_t *image, size_t image_bytes,
                   uint32_t table_number)
{
    *tree = (struct fat_tree){.image = image, .image_bytes = image_bytes};
    if (!boot_read(tree)) return false;
    tree->table = image + (size_t)(tree->reserved_sectors + table_number * tree->table_sectors) *
                              tree->sector_bytes;
    tree->claimed = calloc(tree->cluster_count + 2ull, 1);
    if (tree->claimed == nullptr) abort();
    struct fat_node *root = node_add(tree, FAT_NODE_ROOT);
    root->is_directory = true;
    root->first_cluster = tree->root_cluster;
    for (uint32_t i = 0; i < tree->node_count; i++) {
        if (tree->nodes[i].is_directory && !directory_read(tree, i)) return false;
    }
    return backup_check(tree) && table_check(tree) && info_check(tree);
}

void fat_tree_drop(struct fat_tree *tree)
{
    free(tree->nodes);
    free(tree->claimed);
    tree->nodes = nullptr;
    tree->claimed = nullptr;
}

const uint8_t *fat_tree_byte(const struct fat_tree *tree, const struct fat_node *file,
                             uint32_t offset_bytes)
{
    uint32_t cluster = file->first_cluster;
    for (uint32_t i = 0; i < offset_bytes / tree->cluster_bytes; i++)
        cluster = table_entry(tree, cluster);
    return cluster_bytes(tree, cluster) + offset_bytes % tree->cluster_bytes;
}

uint32_t fat_tree_find(const struct fat_tree *tree, uint32_t parent, const char *name)
{
    for (uint32_t i = 1; i < tree->node_count; i++) {
        if (tree->nodes[i].parent == parent && strcmp(tree->nodes[i].name, name) == 0) return i;
    }
    return UINT32_MAX;
}
