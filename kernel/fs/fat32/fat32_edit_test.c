#include "base/container.h"
#include "fs/fat32/fat32_core.h"
#include "fs/fat32/fat32_internal.h"
#include "fs/fat32/fat32_test_disk.h"
#include "mm/heap.h"
#include "support/test.h"
#include <stdio.h>
#include <string.h>

static struct test_disk disk;
static struct fat32_volume volume;
static struct fat32_map root;

static constexpr uint64_t NOON = 1700000000ull * 1000000000; /* 2023-11-14 22:13:20 */

static void volume_begin(void)
{
    struct fat32_device device = test_disk_device(&disk);
    text reason;
    CHECK_STATUS(OK, fat32_open(&device, &volume, &reason));
    CHECK_STATUS(OK, fat32_writing_begin(&volume, FAT32_FREE_UNKNOWN, true));
    CHECK_STATUS(OK, fat32_map_load(&volume, volume.root_cluster, &root));
}

static void volume_end(void)
{
    fat32_map_drop(&root);
    fat32_close(&volume);
}

/* What is on the medium is all that counts. */
static void volume_again(void)
{
    CHECK_STATUS(OK, fat32_checkpoint(&volume));
    volume_end();
    volume_begin();
}

/* Sectors of 512 bytes, one per cluster. */
static void fresh(uint32_t clusters)
{
    test_disk_format(&disk, &(struct test_disk_format){512, 1, clusters, 2});
    volume_begin();
}

static text text_of(const char *bytes)
{
    return (text){bytes, strlen(bytes)};
}

static status create(struct fat32_map *directory, const char *name, bool is_directory,
                     struct fat32_entry *out_entry)
{
    struct fat32_new_entry what = {text_of(name), is_directory, NOON};
    return fat32_entry_create(&volume, directory, fat32_map_first(directory), &what, out_entry);
}

static struct fat32_entry made(struct fat32_map *directory, const char *name)
{
    static struct fat32_entry entry;
    CHECK_STATUS(OK, create(directory, name, false, &entry));
    return entry;
}

static struct fat32_entry made_directory(struct fat32_map *parent, const char *name,
                                         struct fat32_map *out_map)
{
    static struct fat32_entry entry;
    CHECK_STATUS(OK, create(parent, name, true, &entry));
    CHECK_STATUS(OK, fat32_map_load(&volume, entry.first_cluster, out_map));
    return entry;
}

static bool finds(const struct fat32_map *directory, const char *name,
                  struct fat32_entry *out_entry)
{
    status found = fat32_directory_find(&volume, directory, text_of(name), out_entry);
    CHECK(is_ok(found) || found.code == STATUS_NOT_FOUND);
    return is_ok(found);
}

static bool has(const struct fat32_map *directory, const char *name)
{
    struct fat32_entry entry;
    return finds(directory, name, &entry);
}

static uint32_t count_entries(const struct fat32_map *directory)
{
    struct fat32_entry entry;
    uint32_t index = 0, count = 0;
    while (is_ok(fat32_directory_next(&volume, directory, &index, &entry)))
        count++;
    return count;
}

/* The slot as the volume has it now, changes that are not on the medium included. */
static const uint8_t *slot_of(const struct fat32_map *directory, uint32_t index)
{
    uint64_t offset;
    CHECK_STATUS(OK, fat32_slot_offset(&volume, directory, index, &offset));
    return fat32_volume_bytes(&volume, offset).value;
}

static uint8_t *medium_slot(const struct fat32_map *directory, uint32_t index)
{
    uint64_t offset;
    CHECK_STATUS(OK, fat32_slot_offset(&volume, directory, index, &offset));
    return disk.bytes + offset;
}

/* One character for each slot: . end, D deleted, p part, e entry, o other. */
static const char *shape(const struct fat32_map *directory, uint32_t first, uint32_t count)
{
    static char drawn[256];
    for (uint32_t i = 0; i < count; i++)
        drawn[i] = ".Dpeo"[fat32_slot_kind(slot_of(directory, first + i))];
    drawn[count] = 0;
    return drawn;
}

static void check_shape(const struct fat32_map *directory, uint32_t first, const char *expected)
{
    const char *drawn = shape(directory, first, (uint32_t)strlen(expected));
    if (strcmp(expected, drawn) != 0)
        test_fail(__FILE__, __LINE__, "slots from %u are %s, not %s", first, drawn, expected);
}

/* `count` letters: a name of (count + 12) / 13 parts. */
static const char *letters(uint32_t count, char letter)
{
    static char names[2][256];
    static uint32_t turn;
    char *name = names[turn++ % 2];
    memset(name, letter, count);
    name[count] = 0;
    return name;
}

/* ---- creating ---- */

TEST(a_new_file_is_found_by_both_its_names_and_lies_where_it_says)
{
    fresh(40);
    struct fat32_entry created = made(&root, "A longer name.text"), found;
    volume_again();
    CHECK(finds(&root, "a LONGER name.TEXT", &found));
    CHECK(text_equal(TEXT("A longer name.text"), fat32_entry_name(&found)));
    CHECK(text_equal(TEXT("ALONGE~1.TEX"), (text){found.alias, found.alias_bytes}));
    CHECK(has(&root, "alonge~1.tex"));
    CHECK_EQUAL(NOON, found.created_ns);
    CHECK_EQUAL(NOON, found.modified_ns);
    CHECK_EQUAL(ATTRIBUTE_ARCHIVE, found.attributes);
    CHECK_EQUAL(0, found.size_bytes + found.first_cluster);
    /* What create said is what a look-up says. */
    CHECK_EQUAL(found.position, created.position);
    CHECK_EQUAL(found.index, created.index);
    CHECK_EQUAL(found.created_ns, created.created_ns);
    CHECK_EQUAL(found.alias_bytes, created.alias_bytes);
    CHECK(text_equal(fat32_entry_name(&created), fat32_entry_name(&found)));
    check_shape(&root, 0, "ppe.");
    volume_end();
}

TEST(a_plain_name_takes_one_slot_in_either_case)
{
    fresh(40);
    made(&root, "PLAIN.TXT");
    made(&root, "lower.txt");
    made(&root, "Mixed.txt");
    volume_again();
    check_shape(&root, 0, "eepe.");
    struct fat32_entry found;
    CHECK(finds(&root, "LOWER.TXT", &found));
    CHECK(text_equal(TEXT("lower.txt"), fat32_entry_name(&found)));
    CHECK(finds(&root, "mixed.txt", &found));
    CHECK(text_equal(TEXT("Mixed.txt"), fat32_entry_name(&found)));
    CHECK(text_equal(TEXT("MIXED.TXT"), (text){found.alias, found.alias_bytes}));
    volume_end();
}

TEST(a_name_that_is_taken_or_impossible_is_refused_and_changes_nothing)
{
    fresh(40);
    made(&root, "A longer name.text");
    CHECK_STATUS(OK, fat32_checkpoint(&volume));
    struct fat32_entry entry;
    CHECK_STATUS(ALREADY_EXISTS, create(&root, "a longer NAME.text", false, &entry));
    CHECK_STATUS(ALREADY_EXISTS, create(&root, "alonge~1.tex", true, &entry));
    CHECK_STATUS(INVALID_ARGUMENT, create(&root, "a*b", false, &entry));
    CHECK_STATUS(INVALID_ARGUMENT, create(&root, "dot.", true, &entry));
    CHECK(!fat32_is_changed(&volume));
    volume_end();
}

TEST(short_names_of_similar_names_never_collide)
{
    fresh(400);
    char name[64];
    made(&root, "SIMILA~3"); /* somebody's own name */
    for (uint32_t i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "similar name %u", i);
        made(&root, name);
    }
    volume_again();
    static char aliases[256][FAT32_ALIAS_BYTES_MAX];
    struct fat32_entry entry;
    uint32_t index = 0, count = 0;
    while (is_ok(fat32_directory_next(&volume, &root, &index, &entry))) {
        memset(aliases[count], 0, sizeof(aliases[count]));
        memcpy(aliases[count], entry.alias, entry.alias_bytes);
        for (uint32_t i = 0; i < count; i++)
            CHECK(strcmp(aliases[i], aliases[count]) != 0);
        count++;
    }
    CHECK_EQUAL(201, count);
    CHECK(has(&root, "SIMILA~2") && has(&root, "SIMILA~4") && has(&root, "SIMIL~10"));
    CHECK(has(&root, "SIMI~201") && !has(&root, "SIMI~202"));
    volume_end();
}

TEST(even_a_directory_full_of_numbers_has_one_left)
{
    fresh(40);
    char name[16];
    struct fat32_map folder;
    made_directory(&root, "FOLDER", &folder);
    made(&folder, "NUM~9999"); /* more than it has slots: no matter */
    CHECK_EQUAL('1', made(&folder, "number one").alias[7]);
    fat32_map_drop(&folder);
    volume_end();
    fresh(40);
    for (uint32_t i = 1; i <= 16; i++) {
        snprintf(name, sizeof(name), i < 10 ? "NUMBER~%u" : "NUMBE~%u", i);
        made(&root, name);
    }
    CHECK_EQUAL(1, root.cluster_count);
    struct fat32_entry entry = made(&root, "number one");
    CHECK(text_equal(TEXT("NUMBE~17"), (text){entry.alias, entry.alias_bytes}));
    volume_end();
}

/* ---- where sets lie ---- */

TEST(a_set_lies_in_one_sector_and_slots_passed_over_are_deleted)
{
    fresh(40);
    made(&root, letters(13 * 9, 'a')); /* 10 slots */
    made(&root, letters(13 * 7, 'b')); /* 8: does not fit in the 6 that are left */
    check_shape(&root, 0, "pppppppppeDDDDDDpppppppe........");
    made(&root, letters(13 * 4, 'c')); /* 5, into the gap */
    made(&root, "ONE");
    check_shape(&root, 0, "pppppppppeppppeepppppppe........");
    volume_again();
    CHECK_EQUAL(4, count_entries(&root));
    CHECK(has(&root, letters(13 * 7, 'b')));
    volume_end();
}

TEST(room_is_reused_first_fit)
{
    fresh(40);
    struct fat32_entry a = made(&root, "A"), b = made(&root, "B long name"), c = made(&root, "C"),
                       d = made(&root, "D long name");
    made(&root, "E");
    CHECK_STATUS(OK, fat32_entry_remove(&volume, &root, &a));
    CHECK_STATUS(OK, fat32_entry_remove(&volume, &root, &c));
    CHECK_STATUS(OK, fat32_entry_remove(&volume, &root, &d));
    check_shape(&root, 0, "DpeDDDe.");
    struct fat32_entry f = made(&root, "F long name");
    CHECK_EQUAL(b.index + 2, f.index);
    check_shape(&root, 0, "DpepeDe.");
    made(&root, "G");
    made(&root, "H");
    made(&root, "I");
    check_shape(&root, 0, "epepeeee");
    volume_end();
}

TEST(garbage_behind_the_end_never_becomes_entries)
{
    for (uint32_t length = 1; length <= 195; length += 97) {
        for (uint32_t before = 0; before <= 17; before++) {
            fresh(40);
            struct fat32_map folder;
            made_directory(&root, "FOLDER", &folder);
            CHECK_STATUS(OK, fat32_directory_extend(&volume, &folder));
            CHECK_STATUS(OK, fat32_directory_extend(&volume, &folder));
            CHECK_STATUS(OK, fat32_checkpoint(&volume));
            char name[16];
            for (uint32_t i = 2; i < 48; i++) { /* as a careless system leaves them */
                uint8_t *slot = medium_slot(&folder, i);
                memset(slot, 'G', 11);
                slot[11] = 0;
                slot[0] = i == 2 + before ? 0 : i < 2 + before ? 0xe5 : 'G';
            }
            volume_end();
            volume_begin();
            for (uint32_t i = 0; i < 18; i++) {
                CHECK_EQUAL(i, count_entries(&folder));
                snprintf(name, sizeof(name), "%u", i);
                if (i % 3 == 2)
                    made(&folder, name);
                else
                    made(&folder, letters(length, (char)('a' + i)));
                /* Also when only this much reaches the medium. */
                volume_again();
                CHECK_EQUAL(i + 1, count_entries(&folder));
            }
            fat32_map_drop(&folder);
            volume_end();
        }
    }
}

TEST(a_directory_grows_by_clusters_of_zeros)
{
    fresh(100);
    struct fat32_map folder;
    made_directory(&root, "folder", &folder);
    char name[16];
    for (uint32_t i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "FILE%u", i);
        made(&folder, name);
        CHECK_EQUAL(i + 1, count_entries(&folder));
    }
    CHECK_EQUAL((200 + 2 + 15) / 16, folder.cluster_count);
    volume_again();
    CHECK_EQUAL(200, count_entries(&folder));
    fat32_map_drop(&folder);
    volume_end();
}

TEST(sets_that_fit_in_no_sector_span_two_or_three)
{
    for (uint32_t before = 0; before < 16; before++) {
        fresh(60);
        struct fat32_entry entry;
        char name[16];
        for (uint32_t i = 0; i < before; i++) {
            snprintf(name, sizeof(name), "BEFORE%u", i);
            made(&root, name);
        }
        entry = made(&root, letters(255, 'x'));
        CHECK_EQUAL(before + 20, entry.index);
        made(&root, "BEHIND");
        volume_again();
        CHECK_EQUAL(before + 2, count_entries(&root));
        CHECK(finds(&root, letters(255, 'X'), &entry));
        CHECK(text_equal(text_of(letters(255, 'x')), fat32_entry_name(&entry)));
        CHECK_STATUS(OK, fat32_entry_remove(&volume, &root, &entry));
        CHECK_EQUAL(before + 1, count_entries(&root));
        for (uint32_t i = 0; i < 21; i++)
            CHECK_EQUAL(FAT32_SLOT_FREE, fat32_slot_kind(slot_of(&root, before + i)));
        /* Its room is found again, in the middle of the directory. */
        entry = made(&root, letters(250, 'y'));
        CHECK_EQUAL(before + 20, entry.index);
        volume_again();
        CHECK_EQUAL(before + 2, count_entries(&root));
        CHECK(has(&root, letters(250, 'y')) && has(&root, "behind"));
        for (uint32_t i = 0; i < before; i++) {
            snprintf(name, sizeof(name), "before%u", i);
            CHECK(has(&root, name));
        }
        volume_end();
    }
}

TEST(a_sector_of_4096_bytes_holds_the_longest_set)
{
    test_disk_format(&disk, &(struct test_disk_format){4096, 1, 40, 1});
    volume_begin();
    for (uint32_t i = 0; i < 7; i++)
        made(&root, letters(255, (char)('a' + i)));
    check_shape(&root, 119, "ppppppeDDpppp"); /* 6 sets fill 126 of 128 */
    CHECK_EQUAL(2, root.cluster_count);
    volume_again();
    CHECK_EQUAL(7, count_entries(&root));
    volume_end();
}

TEST(a_directory_of_65536_slots_is_full)
{
    test_disk_format(&disk, &(struct test_disk_format){512, 8, 600, 2});
    volume_begin();
    struct fat32_map folder;
    struct fat32_entry entry;
    made_directory(&root, "folder", &folder);
    CHECK_STATUS(OK, fat32_chain_extend(&volume, &folder, 512));
    CHECK_STATUS(OK, fat32_checkpoint(&volume));
    for (uint32_t i = 2; i < 65536; i++) {
        uint8_t *slot = medium_slot(&folder, i);
        memset(slot, 0, 32);
        char name[16];
        snprintf(name, sizeof(name), "%08u   ", i);
        memcpy(slot, name, 11);
    }
    volume_end();
    volume_begin();
    CHECK_STATUS(NO_SPACE, create(&folder, "x", false, &entry));
    CHECK_STATUS(NO_SPACE, create(&folder, "a folder", true, &entry));
    CHECK_STATUS(OK, fat32_directory_find(&volume, &folder, TEXT("00065535"), &entry));
    CHECK_STATUS(OK, fat32_entry_remove(&volume, &folder, &entry));
    CHECK_STATUS(NO_SPACE, create(&folder, "a long name", false, &entry));
    CHECK_STATUS(OK, create(&folder, "x", false, &entry));
    CHECK_EQUAL(65535, entry.index);
    CHECK_STATUS(OK, fat32_entry_remove(&volume, &folder, &entry));
    CHECK_STATUS(OK, fat32_chain_extend(&volume, &folder, 513)); /* somebody's mistake */
    CHECK_STATUS(NO_SPACE, create(&folder, "x", false, &entry));
    fat32_map_drop(&folder);
    volume_end();
}

/* ---- directories ---- */

TEST(a_new_directory_knows_itself_and_its_parent)
{
    fresh(40);
    struct fat32_map outer, inner;
    struct fat32_entry a = made_directory(&root, "outer folder", &outer);
    struct fat32_entry b = made_directory(&outer, "inner", &inner);
    volume_again();
    CHECK_STATUS(OK, fat32_directory_check(&volume, &outer, a.first_cluster, 2));
    CHECK_STATUS(OK, fat32_directory_check(&volume, &inner, b.first_cluster, a.first_cluster));
    CHECK_EQUAL(0, load_le16(slot_of(&outer, 1) + ENTRY_CLUSTER_LOW)); /* the root is 0 */
    check_shape(&inner, 0, "oo..............");
    CHECK_BYTES(".          \x10", slot_of(&inner, 0), 13); /* without the name's flags */
    CHECK_BYTES("..         \x10", slot_of(&inner, 1), 13);
    CHECK(a.is_directory);
    CHECK_EQUAL(ATTRIBUTE_DIRECTORY, a.attributes);
    CHECK_STATUS(OK, fat32_directory_check_empty(&volume, &inner));
    CHECK_STATUS(NOT_EMPTY, fat32_directory_check_empty(&volume, &outer));
    fat32_map_drop(&outer);
    fat32_map_drop(&inner);
    volume_end();
}

TEST(a_directory_whose_entries_are_all_deleted_is_empty)
{
    fresh(40);
    struct fat32_map folder;
    made_directory(&root, "FOLDER", &folder);
    struct fat32_entry entries[14];
    char name[16];
    for (uint32_t i = 0; i < 14; i++) {
        snprintf(name, sizeof(name), "%u", i);
        entries[i] = made(&folder, name);
    }
    for (uint32_t i = 0; i < 14; i++) {
        CHECK_STATUS(NOT_EMPTY, fat32_directory_check_empty(&volume, &folder));
        CHECK_STATUS(OK, fat32_entry_remove(&volume, &folder, &entries[i]));
    }
    CHECK_STATUS(OK, fat32_directory_check_empty(&volume, &folder)); /* ends with its cluster */
    folder.is_damaged = true;
    CHECK_STATUS(IO_ERROR, fat32_directory_check_empty(&volume, &folder));
    CHECK_STATUS(IO_ERROR, create(&folder, letters(200, 'x'), false, &entries[0]));
    fat32_map_drop(&folder);
    volume_end();
}

/* ---- rewriting and removing ---- */

TEST(an_update_changes_the_entry_and_nothing_beside_it)
{
    fresh(40);
    made(&root, "BEFORE");
    struct fat32_entry entry = made(&root, "a file.txt"), found;
    made(&root, "BEHIND");
    entry.size_bytes = 4000000000u;
    entry.first_cluster = 0x1234567;
    entry.modified_ns = NOON + 10000000000ull;
    entry.created_ns = NOON + 1230000000;
    entry.attributes = ATTRIBUTE_READ_ONLY | ATTRIBUTE_HIDDEN;
    CHECK_STATUS(OK, fat32_entry_update(&volume, &entry));
    volume_again();
    CHECK(finds(&root, "a file.txt", &found));
    CHECK_EQUAL(4000000000u, found.size_bytes);
    CHECK_EQUAL(0x1234567, found.first_cluster);
    CHECK_EQUAL(entry.modified_ns, found.modified_ns);
    CHECK_EQUAL(entry.created_ns, found.created_ns);
    CHECK_EQUAL(ATTRIBUTE_READ_ONLY | ATTRIBUTE_HIDDEN, found.attributes);
    check_shape(&root, 0, "epee.");
    /* A directory's size is 0 whatever anybody says. */
    struct fat32_map folder;
    entry = made_directory(&root, "FOLDER", &folder);
    entry.size_bytes = 7;
    CHECK_STATUS(OK, fat32_entry_update(&volume, &entry));
    CHECK_EQUAL(0, load_le32(slot_of(&root, entry.index) + ENTRY_SIZE));
    fat32_map_drop(&folder);
    volume_end();
}

TEST(a_removal_takes_the_parts_that_belong_to_the_entry_and_no_others)
{
    fresh(40);
    struct fat32_entry a = made(&root, letters(30, 'a')), b = made(&root, "PLAIN");
    CHECK_STATUS(OK, fat32_entry_remove(&volume, &root, &b)); /* parts of another before it */
    check_shape(&root, 0, "pppeD.");
    b = made(&root, letters(20, 'b'));
    check_shape(&root, 0, "pppeppe.");
    CHECK_STATUS(OK, fat32_checkpoint(&volume));
    /* Somebody spoils the part before the entry: what is before that is not the entry's either. */
    medium_slot(&root, 5)[LONG_ORDER] = 0x43;
    volume_end();
    volume_begin();
    CHECK_STATUS(OK, fat32_entry_remove(&volume, &root, &b));
    check_shape(&root, 0, "pppeppD.");
    CHECK_STATUS(OK, fat32_checkpoint(&volume));
    medium_slot(&root, 2)[LONG_CHECKSUM] ^= 1;
    volume_end();
    volume_begin();
    CHECK_STATUS(OK, fat32_entry_remove(&volume, &root, &a));
    check_shape(&root, 0, "pppDppD.");
    CHECK_EQUAL(0, count_entries(&root));
    volume_end();
}

TEST(an_entry_that_is_not_where_it_was_is_an_error)
{
    fresh(40);
    struct fat32_entry entry = made(&root, "FILE"), other = made(&root, "OTHER"), out;
    CHECK_STATUS(OK, fat32_entry_remove(&volume, &root, &entry));
    CHECK_STATUS(IO_ERROR, fat32_entry_remove(&volume, &root, &entry));
    CHECK_STATUS(IO_ERROR, fat32_entry_update(&volume, &entry));
    CHECK_STATUS(IO_ERROR,
                 fat32_entry_rename(&volume, &root, &entry, &root, 2, TEXT("NEW"), nullptr, &out));
    CHECK_STATUS(IO_ERROR,
                 fat32_entry_rename(&volume, &root, &other, &root, 2, TEXT("FILE"), &entry, &out));
    other.position++;
    CHECK_STATUS(IO_ERROR, fat32_entry_remove(&volume, &root, &other));
    other.index = 16; /* behind the directory's only cluster */
    CHECK_STATUS(IO_ERROR, fat32_entry_remove(&volume, &root, &other));
    root.is_damaged = true;
    CHECK_STATUS(IO_ERROR, fat32_entry_remove(&volume, &root, &other));
    CHECK(has(&root, "other"));
    volume_end();
}

/* ---- moving ---- */

/* Everything is read anew, as if long ago it had been found. */
static status move(struct fat32_map *from, const char *name, struct fat32_map *to,
                   const char *new_name, struct fat32_entry *out_entry)
{
    struct fat32_entry entry, replaced;
    TRY(fat32_directory_find(&volume, from, text_of(name), &entry));
    status found = fat32_directory_find(&volume, to, text_of(new_name), &replaced);
    if (found.code != STATUS_NOT_FOUND) TRY(found);
    bool replaces = is_ok(found) && replaced.position != entry.position;
    fat32_volume_forget(&volume);
    return fat32_entry_rename(&volume, from, &entry, to, fat32_map_first(to), text_of(new_name),
                              replaces ? &replaced : nullptr, out_entry);
}

static uint32_t changed_sectors(void)
{
    uint64_t before = disk.commands;
    CHECK_STATUS(OK, fat32_checkpoint(&volume));
    return (uint32_t)(disk.commands - before);
}

TEST(a_rename_keeps_everything_but_the_name)
{
    fresh(40);
    struct fat32_entry entry = made(&root, "old name"), found, renamed;
    entry.size_bytes = 99;
    entry.first_cluster = 7;
    entry.attributes = ATTRIBUTE_READ_ONLY;
    entry.modified_ns = NOON - 5000000000ull * 1000;
    CHECK_STATUS(OK, fat32_entry_update(&volume, &entry));
    CHECK_STATUS(OK, move(&root, "old name", &root, "a new name of another length", &renamed));
    volume_again();
    CHECK(!has(&root, "old name"));
    CHECK(finds(&root, "a new name of another length", &found));
    CHECK_EQUAL(99, found.size_bytes);
    CHECK_EQUAL(7, found.first_cluster);
    CHECK_EQUAL(ATTRIBUTE_READ_ONLY, found.attributes);
    CHECK_EQUAL(entry.modified_ns, found.modified_ns);
    CHECK_EQUAL(NOON, found.created_ns);
    CHECK_EQUAL(found.position, renamed.position);
    CHECK_EQUAL(found.index, renamed.index);
    CHECK_EQUAL(found.size_bytes, renamed.size_bytes);
    CHECK(text_equal(fat32_entry_name(&found), fat32_entry_name(&renamed)));
    CHECK_EQUAL(1, count_entries(&root));
    volume_end();
}

TEST(a_rename_stays_in_its_sector_if_it_can_even_when_there_is_room_before)
{
    fresh(40);
    char name[16];
    struct fat32_entry first = made(&root, "FIRST"), entry;
    for (uint32_t i = 1; i < 20; i++) {
        snprintf(name, sizeof(name), "FILE%u", i);
        made(&root, name);
    }
    CHECK_STATUS(OK, fat32_entry_remove(&volume, &root, &first));
    CHECK_STATUS(OK, fat32_checkpoint(&volume));
    CHECK_STATUS(OK, move(&root, "FILE18", &root, "RENAMED", &entry));
    CHECK_EQUAL(18, entry.index);
    CHECK_STATUS(OK, move(&root, "RENAMED", &root, "FILE18 has a longer name", &entry));
    CHECK_EQUAL(22, entry.index);
    check_shape(&root, 16, "eeDeppe.");
    CHECK_STATUS(OK, move(&root, "FILE18 has a longer name", &root, "18", &entry));
    CHECK_EQUAL(18, entry.index);
    check_shape(&root, 16, "eeeeDDD.");
    CHECK(changed_sectors() <= 6); /* the sector, one flush before it, and marks at most */
    CHECK_EQUAL(19, count_entries(&root));
    volume_end();
}

TEST(a_rename_may_change_case_alone_and_keeps_its_short_name)
{
    fresh(40);
    struct fat32_entry entry;
    made(&root, "a");
    made(&root, "A long name here");
    CHECK_STATUS(OK, move(&root, "a", &root, "A", &entry));
    CHECK_STATUS(OK, move(&root, "A long name here", &root, "a LONG name here", &entry));
    CHECK(text_equal(TEXT("ALONGN~1"), (text){entry.alias, entry.alias_bytes}));
    CHECK_STATUS(OK, move(&root, "A", &root, "A", &entry));               /* to itself */
    CHECK_STATUS(OK, move(&root, "alongn~1", &root, "ALONGN~1", &entry)); /* to its short name */
    check_shape(&root, 0, "eeDD.");
    volume_again();
    CHECK(finds(&root, "a", &entry));
    CHECK(text_equal(TEXT("A"), fat32_entry_name(&entry)));
    CHECK_EQUAL(2, count_entries(&root));
    volume_end();
}

TEST(a_rename_to_a_name_that_is_taken_or_impossible_is_refused)
{
    fresh(40);
    struct fat32_entry entry = made(&root, "a"), out;
    made(&root, "b");
    CHECK_STATUS(ALREADY_EXISTS,
                 fat32_entry_rename(&volume, &root, &entry, &root, 2, TEXT("B"), nullptr, &out));
    CHECK_STATUS(INVALID_ARGUMENT,
                 fat32_entry_rename(&volume, &root, &entry, &root, 2, TEXT("b "), nullptr, &out));
    CHECK(has(&root, "a") && has(&root, "b"));
    volume_end();
}

TEST(a_rename_replaces_a_file_whose_name_it_takes)
{
    for (uint32_t between = 0; between < 32; between += 31) { /* in one sector, in two */
        fresh(40);
        char name[16];
        struct fat32_entry old = made(&root, "old file"), entry, replaced;
        old.size_bytes = 5;
        old.first_cluster = 9;
        CHECK_STATUS(OK, fat32_entry_update(&volume, &old));
        for (uint32_t i = 0; i < between; i++) {
            snprintf(name, sizeof(name), "FILE%u", i);
            made(&root, name);
        }
        replaced = made(&root, "New file");
        CHECK_STATUS(OK, move(&root, "old file", &root, "nEW FILE", &entry));
        volume_again();
        CHECK(!has(&root, "old file"));
        struct fat32_entry found;
        CHECK(finds(&root, "new file", &found));
        CHECK(text_equal(TEXT("New file"), fat32_entry_name(&found)));
        CHECK_EQUAL(5, found.size_bytes);
        CHECK_EQUAL(9, found.first_cluster);
        CHECK_EQUAL(replaced.position, found.position);
        CHECK_EQUAL(found.position, entry.position);
        CHECK_EQUAL(found.index, entry.index);
        CHECK_EQUAL(9, entry.first_cluster);
        CHECK(text_equal(TEXT("New file"), fat32_entry_name(&entry)));
        CHECK_EQUAL(between + 1, count_entries(&root));
        volume_end();
    }
}

TEST(a_directory_that_moves_learns_its_new_parent)
{
    fresh(60);
    struct fat32_map a, b, child;
    struct fat32_entry in_a = made_directory(&root, "a", &a), in_b = made_directory(&root, "b", &b);
    struct fat32_entry entry = made_directory(&a, "child", &child), moved;
    uint32_t own = entry.first_cluster;
    CHECK_STATUS(OK, move(&a, "child", &a, "the child", &moved));
    CHECK_STATUS(OK, fat32_directory_check(&volume, &child, own, in_a.first_cluster));
    CHECK_STATUS(OK, move(&a, "the child", &b, "child of b", &moved));
    volume_again();
    CHECK_STATUS(OK, fat32_directory_check(&volume, &child, own, in_b.first_cluster));
    CHECK(!has(&a, "the child") && has(&b, "child of b"));
    CHECK_STATUS(OK, move(&b, "child of b", &root, "child", &moved));
    volume_again();
    CHECK_STATUS(OK, fat32_directory_check(&volume, &child, own, 2));
    CHECK_EQUAL(0, load_le16(slot_of(&child, 1) + ENTRY_CLUSTER_LOW));
    /* Over an empty one. */
    struct fat32_map empty;
    made_directory(&a, "empty", &empty);
    CHECK_STATUS(OK, move(&root, "child", &a, "empty", &moved));
    volume_again();
    CHECK_STATUS(OK, fat32_directory_check(&volume, &child, own, in_a.first_cluster));
    CHECK_EQUAL(own, moved.first_cluster);
    CHECK_EQUAL(2, count_entries(&root));
    CHECK_EQUAL(1, count_entries(&a));
    fat32_map_drop(&a);
    fat32_map_drop(&b);
    fat32_map_drop(&child);
    fat32_map_drop(&empty);
    volume_end();
}

TEST(a_directory_without_its_parent_entry_does_not_move)
{
    fresh(60);
    struct fat32_map a, child;
    made_directory(&root, "a", &a);
    struct fat32_entry entry = made_directory(&root, "child", &child), moved;
    CHECK_STATUS(OK, fat32_checkpoint(&volume));
    medium_slot(&child, 1)[0] = 'x';
    volume_end();
    volume_begin();
    CHECK_STATUS(IO_ERROR, move(&root, "child", &a, "child", &moved));
    CHECK_STATUS(OK, create(&a, "empty", true, &moved));
    CHECK_STATUS(IO_ERROR, move(&root, "child", &a, "empty", &moved));
    entry.first_cluster = 1000;
    CHECK_STATUS(OK, fat32_entry_update(&volume, &entry));
    CHECK_STATUS(IO_ERROR, move(&root, "child", &a, "child", &moved));
    CHECK(has(&root, "child") && !has(&a, "child"));
    fat32_map_drop(&a);
    fat32_map_drop(&child);
    volume_end();
}

TEST(the_longest_names_move_between_directories_and_within_one)
{
    for (uint32_t before = 0; before < 16; before += 5) {
        fresh(80);
        struct fat32_map a;
        struct fat32_entry entry;
        char name[16];
        made_directory(&root, "a", &a);
        for (uint32_t i = 0; i < before; i++) {
            snprintf(name, sizeof(name), "FILE%u", i);
            made(&root, name);
        }
        made(&root, letters(255, 'x'));
        CHECK_STATUS(OK, move(&root, letters(255, 'x'), &root, letters(250, 'y'), &entry));
        CHECK_EQUAL(1 + before + 20, entry.index); /* over its own old slots */
        volume_again();
        CHECK_EQUAL(before + 2, count_entries(&root));
        CHECK_STATUS(OK, move(&root, letters(250, 'y'), &root, letters(20, 'y'), &entry));
        CHECK_STATUS(OK, move(&root, letters(20, 'y'), &root, letters(240, 'z'), &entry));
        CHECK_STATUS(OK, move(&root, letters(240, 'z'), &a, letters(255, 'x'), &entry));
        volume_again();
        CHECK_EQUAL(before + 1, count_entries(&root));
        CHECK_EQUAL(1, count_entries(&a));
        CHECK(has(&a, letters(255, 'x')));
        fat32_map_drop(&a);
        volume_end();
    }
}

/* ---- reading what is damaged ---- */

TEST(a_directory_that_does_not_begin_with_itself_and_its_parent_is_refused)
{
    fresh(60);
    struct fat32_map folder;
    struct fat32_entry entry = made_directory(&root, "FOLDER", &folder);
    uint32_t own = entry.first_cluster;
    CHECK_STATUS(OK, fat32_checkpoint(&volume));
    CHECK_STATUS(OK, fat32_directory_check(&volume, &folder, own, 2));
    CHECK_STATUS(IO_ERROR, fat32_directory_check(&volume, &folder, own, 3));
    CHECK_STATUS(IO_ERROR, fat32_directory_check(&volume, &folder, own + 1, 2));
    struct fat32_map empty = {.spacing = 1};
    CHECK_STATUS(IO_ERROR, fat32_directory_check(&volume, &empty, own, 2));
    for (uint32_t i = 0; i < 2; i++) {
        uint8_t *slot = medium_slot(&folder, i);
        slot[ENTRY_ATTRIBUTES] = 0; /* a file's name */
        fat32_volume_forget(&volume);
        CHECK_STATUS(IO_ERROR, fat32_directory_check(&volume, &folder, own, 2));
        slot[ENTRY_ATTRIBUTES] = ATTRIBUTE_DIRECTORY;
    }
    medium_slot(&folder, 1)[ENTRY_CLUSTER_LOW] = 1; /* neither 0 nor the root */
    fat32_volume_forget(&volume);
    CHECK_STATUS(IO_ERROR, fat32_directory_check(&volume, &folder, own, 2));
    disk.failing_command = disk.commands;
    fat32_volume_forget(&volume);
    CHECK_STATUS(IO_ERROR, fat32_directory_check(&volume, &folder, own, 2));
    fat32_map_drop(&folder);
    volume_end();
}

TEST(names_that_begin_with_a_space_or_a_dot_and_labels_are_no_entries)
{
    fresh(40);
    made(&root, "A");
    made(&root, "B");
    made(&root, "C");
    made(&root, "D");
    CHECK_STATUS(OK, fat32_checkpoint(&volume));
    medium_slot(&root, 0)[0] = ' ';
    medium_slot(&root, 1)[0] = '.';
    medium_slot(&root, 2)[ENTRY_ATTRIBUTES] = ATTRIBUTE_VOLUME_LABEL;
    fat32_volume_forget(&volume);
    check_shape(&root, 0, "oooe.");
    CHECK_EQUAL(1, count_entries(&root));
    volume_end();
}

TEST(a_chain_that_is_shorter_than_it_was_is_an_error)
{
    fresh(40);
    struct fat32_map folder;
    struct fat32_entry entry;
    made_directory(&root, "FOLDER", &folder);
    folder.cluster_count = 3;
    CHECK_STATUS(IO_ERROR, create(&folder, letters(255, 'e'), false, &entry));
    fat32_map_drop(&folder);
    volume_end();
}

/* ---- when things go wrong ---- */

/* A little of everything; stops at the first failure. */
static status work(void)
{
    struct fat32_entry entry, other, out;
    struct fat32_map folder = {0};
    status done = create(&root, "folder with a name", true, &entry);
    if (is_ok(done)) done = fat32_map_load(&volume, entry.first_cluster, &folder);
    for (uint32_t i = 0; i < 9 && is_ok(done); i++)
        done = create(&folder, letters(20 + i, (char)('a' + i)), false, &other);
    if (is_ok(done)) done = create(&folder, letters(240, 'y'), false, &other);
    if (is_ok(done))
        done = fat32_entry_rename(&volume, &folder, &other, &root, 2, text_of(letters(220, 'z')),
                                  nullptr, &out);
    if (is_ok(done)) done = create(&folder, "target", false, &other);
    if (is_ok(done))
        done = fat32_entry_rename(&volume, &root, &out, &folder, entry.first_cluster,
                                  TEXT("target"), &other, &out);
    if (is_ok(done)) done = fat32_entry_update(&volume, &out);
    if (is_ok(done)) done = fat32_entry_remove(&volume, &folder, &out);
    if (is_ok(done)) done = create(&root, "second folder", true, &other);
    if (is_ok(done))
        done = fat32_entry_rename(&volume, &root, &other, &folder, entry.first_cluster,
                                  TEXT("inner"), nullptr, &out);
    if (is_ok(done)) done = fat32_directory_check_empty(&volume, &folder);
    fat32_map_drop(&folder);
    return done;
}

/* Whatever happened, everything listed can be found and every directory be read to its end. */
static void check_readable(void)
{
    struct fat32_entry entry, found;
    uint32_t index = 0;
    for (;;) {
        status next = fat32_directory_next(&volume, &root, &index, &entry);
        if (next.code == STATUS_NOT_FOUND) break;
        CHECK_STATUS(OK, next);
        CHECK_STATUS(OK, fat32_directory_find(&volume, &root, fat32_entry_name(&entry), &found));
        CHECK_EQUAL(entry.position, found.position);
        if (!entry.is_directory) continue;
        struct fat32_map folder;
        CHECK_STATUS(OK, fat32_map_load(&volume, entry.first_cluster, &folder));
        CHECK(!folder.is_damaged);
        CHECK_STATUS(OK, fat32_directory_check(&volume, &folder, entry.first_cluster, 2));
        count_entries(&folder);
        fat32_map_drop(&folder);
    }
}

TEST(running_out_of_memory_anywhere_leaves_a_sound_volume)
{
    test_disk_format(&disk, &(struct test_disk_format){512, 1, 60, 2});
    struct fat32_device device = test_disk_device(&disk);
    uint64_t before = heap_count().objects_taken;
    FOR_EACH_FAILING_ALLOCATION {
        test_disk_format(&disk, &(struct test_disk_format){512, 1, 60, 2});
        device = test_disk_device(&disk);
        text reason;
        status done = fat32_open(&device, &volume, &reason);
        bool is_open = is_ok(done);
        if (is_open) done = fat32_writing_begin(&volume, FAT32_FREE_UNKNOWN, false);
        if (is_ok(done)) done = fat32_map_load(&volume, 2, &root);
        if (is_ok(done)) done = work();
        CHECK(done.code == STATUS_OUT_OF_MEMORY || done.code == STATUS_NOT_EMPTY);
        if (is_open) ignore_status(fat32_checkpoint(&volume)); /* may lack memory itself */
        fat32_map_drop(&root);
        if (is_open) fat32_close(&volume);
        CHECK_EQUAL(before, heap_count().objects_taken);
    }
    volume_begin();
    check_readable();
    volume_end();
}

TEST(a_device_that_fails_once_or_for_ever_leaves_a_sound_volume)
{
    for (uint32_t fails_on = 0; fails_on < 2; fails_on++) {
        for (uint64_t failing = 0;; failing++) {
            fresh(60);
            disk.failing_command = disk.commands + failing;
            disk.fails_on = fails_on;
            status done = work();
            if (is_ok(done) || done.code == STATUS_NOT_EMPTY) done = fat32_checkpoint(&volume);
            bool was_reached = disk.commands > disk.failing_command;
            disk.failing_command = UINT64_MAX;
            disk.fails_on = false;
            volume_end();
            volume_begin();
            check_readable();
            volume_end();
            if (!was_reached) break;
            CHECK(failing < 1000);
            /* Only what is repeated may have gone well. */
            CHECK(done.code == STATUS_IO_ERROR || done.code == STATUS_PERMISSION_DENIED ||
                  !fails_on);
        }
    }
}

/*
 * A folder whose end is in the middle of its first sector, with garbage in its second one; the
 * names of 255 letters and two more folders. Clean, and nothing of it is cached.
 */
static void intricate(void)
{
    test_disk_format(&disk, &(struct test_disk_format){512, 1, 2000, 2});
    volume_begin();
    struct fat32_map folder, other, distance = {.spacing = 1};
    made_directory(&root, "FOLDER", &folder);
    made_directory(&root, "OTHER", &other);
    CHECK_STATUS(OK, fat32_chain_extend(&volume, &distance, 40)); /* pieces in other blocks */
    fat32_map_drop(&distance);
    made(&root, letters(255, 'x'));
    made(&folder, letters(70, 'a'));
    CHECK_STATUS(OK, create(&folder, "EMPTY", true, &(struct fat32_entry){0}));
    CHECK_STATUS(OK, create(&other, "EMPTY", true, &(struct fat32_entry){0}));
    made(&other, letters(13 * 7, 'c'));
    CHECK_STATUS(OK, fat32_directory_extend(&volume, &other));
    CHECK_STATUS(OK, fat32_directory_extend(&volume, &folder));
    CHECK_STATUS(OK, fat32_directory_extend(&volume, &folder));
    check_shape(&folder, 0, "ooppppppee......");
    CHECK_STATUS(OK, fat32_mark_clean(&volume));
    memcpy(medium_slot(&folder, 16), "GARBAGE    ", 12);
    memcpy(medium_slot(&folder, 32), "GARBAGE    ", 12);
    fat32_map_drop(&folder);
    fat32_map_drop(&other);
    volume_end();
}

/* As of a chain of thousands of pieces, of which not all are remembered. */
static void map_thin(struct fat32_map *map)
{
    map->run_count = 1;
    map->runs[0].count = 1;
    map->spacing = 1 << 20;
}

static constexpr uint32_t INTRICATE_STEPS = 11;

static status intricate_step(uint32_t step, struct fat32_map *folder, struct fat32_map *other)
{
    struct fat32_entry entry;
    switch (step) {
    case 0: /* passes over the rest of a sector; garbage is in the next one */
        return create(folder, letters(13 * 7, 'b'), false, &entry);
    case 1: /* ends with the sector */
        return create(folder, letters(13 * 5, 'b'), false, &entry);
    case 2:
        return move(&root, letters(255, 'x'), folder, letters(255, 'y'), &entry);
    case 3:
        return move(&root, letters(255, 'x'), folder, letters(70, 'a'), &entry);
    case 4:
        return move(folder, "EMPTY", other, "EMPTY", &entry);
    case 5:
        return move(folder, "EMPTY", other, "another name", &entry);
    case 6:
        TRY(fat32_directory_find(&volume, &root, text_of(letters(255, 'x')), &entry));
        fat32_volume_forget(&volume);
        return fat32_entry_remove(&volume, &root, &entry);
    case 7:
        return create(folder, letters(255, 'z'), true, &entry);
    case 8: /* passes over slots, and nothing is behind them */
        return create(other, letters(13 * 7, 'd'), false, &entry);
    case 9: /* one sector */
        return create(other, "D", false, &entry);
    default: /* to a name that was given up a moment ago */
        TRY(move(other, "EMPTY", other, "E", &entry));
        return move(other, letters(13 * 7, 'c'), other, "EMPTY", &entry);
    }
}

TEST(every_read_and_write_of_every_step_can_fail)
{
    for (uint32_t step = 0; step < INTRICATE_STEPS; step++) {
        bool was_reached = true;
        for (uint64_t failing = 0; was_reached; failing++) {
            intricate();
            struct fat32_device device = test_disk_device(&disk);
            struct fat32_map folder, other;
            struct fat32_entry entry;
            text reason;
            CHECK_STATUS(OK, fat32_open(&device, &volume, &reason));
            CHECK_STATUS(OK, fat32_writing_begin(&volume, FAT32_FREE_UNKNOWN, false));
            CHECK_STATUS(OK, fat32_map_load(&volume, volume.root_cluster, &root));
            CHECK(finds(&root, "FOLDER", &entry));
            CHECK_STATUS(OK, fat32_map_load(&volume, entry.first_cluster, &folder));
            CHECK(finds(&root, "OTHER", &entry));
            CHECK_STATUS(OK, fat32_map_load(&volume, entry.first_cluster, &other));
            map_thin(&folder);
            fat32_volume_forget(&volume);
            disk.failing_command = disk.commands + failing;
            status done = intricate_step(step, &folder, &other);
            was_reached = disk.commands > disk.failing_command;
            CHECK(is_ok(done) || (was_reached && done.code == STATUS_IO_ERROR));
            disk.failing_command = UINT64_MAX;
            fat32_map_drop(&folder);
            fat32_map_drop(&other);
            volume_again();
            check_readable();
            volume_end();
            CHECK(failing < 200);
        }
    }
}

TEST(a_volume_that_is_full_refuses_what_needs_a_cluster)
{
    for (uint32_t clusters = 1;; clusters++) {
        fresh(clusters);
        status done = work();
        bool is_enough = done.code == STATUS_NOT_EMPTY;
        if (!is_enough) CHECK_STATUS(NO_SPACE, done);
        volume_again();
        check_readable();
        if (!is_enough) { /* what needs none still works */
            struct fat32_entry entry;
            uint32_t free = fat32_free_clusters(&volume);
            status made_one = create(&root, "x", true, &entry);
            CHECK_EQUAL(free >= 1, is_ok(made_one));
        }
        volume_end();
        if (is_enough) break;
    }
}

TEST(a_directory_that_finds_no_room_in_its_parent_leaves_no_cluster_behind)
{
    fresh(2);
    char name[16];
    struct fat32_entry entry;
    for (uint32_t i = 0; i < 16; i++) {
        snprintf(name, sizeof(name), "%u", i);
        made(&root, name);
    }
    CHECK_STATUS(NO_SPACE, create(&root, "x", true, &entry));
    CHECK_EQUAL(1, fat32_free_clusters(&volume));
    volume_again();
    CHECK_EQUAL(1, fat32_free_clusters(&volume));
    CHECK_STATUS(OK, create(&root, "x", false, &entry));
    volume_end();
}

/* Up to the directory's end there are entries with all their parts, and nothing of garbage. */
static void check_whole(const struct fat32_map *directory)
{
    struct fat32_walk walk = {.volume = &volume, .map = directory};
    struct fat32_slot slot;
    uint32_t expected = 0; /* the number of the part before the one to come; 0: an entry may come */
    while (is_ok(fat32_walk_next(&walk, &slot))) {
        enum fat32_slot_kind kind = fat32_slot_kind(slot.bytes);
        if (kind == FAT32_SLOT_END) break;
        CHECK(memcmp(slot.bytes, "GARBAGE", 7) != 0);
        uint32_t order = slot.bytes[LONG_ORDER];
        if (kind != FAT32_SLOT_PART) {
            CHECK_EQUAL(0, expected);
            continue;
        }
        if (order & LONG_ORDER_LAST)
            CHECK_EQUAL(0, expected);
        else
            CHECK_EQUAL(expected, order);
        expected = (order & LONG_ORDER_MASK) - 1;
    }
    CHECK_EQUAL(0, expected);
}

/* The disk writes what it is given at once: a command that fails, and all behind it, is a cut. The
 * journal is not asked, as by a system that does not know it. */
TEST(a_cut_while_a_directory_s_end_moves_shows_all_of_a_set_or_nothing)
{
    static const uint32_t lengths[] = {13 * 7, 13 * 5, 255};
    for (uint32_t i = 0; i < array_count(lengths); i++) {
        bool was_reached = true;
        for (uint64_t failing = 0; was_reached; failing++) {
            intricate();
            volume_begin();
            struct fat32_map folder;
            struct fat32_entry entry;
            CHECK(finds(&root, "FOLDER", &entry));
            CHECK_STATUS(OK, fat32_map_load(&volume, entry.first_cluster, &folder));
            disk.failing_command = disk.commands + failing;
            disk.fails_on = true;
            if (is_ok(create(&folder, letters(lengths[i], 'n'), false, &entry)))
                ignore_status(fat32_checkpoint(&volume)); /* fails where it is to */
            was_reached = disk.commands > disk.failing_command;
            disk.failing_command = UINT64_MAX;
            disk.fails_on = false;
            volume_end();
            volume_begin();
            check_whole(&folder);
            CHECK(was_reached || has(&folder, letters(lengths[i], 'n')));
            fat32_map_drop(&folder);
            volume_end();
            CHECK(failing < 200);
        }
    }
}

TEST(a_read_only_volume_is_left_alone)
{
    fresh(60);
    struct fat32_entry entry = made(&root, "FILE"), out;
    CHECK_STATUS(OK, fat32_checkpoint(&volume));
    fat32_volume_protect(&volume, TEXT("a test says so"));
    CHECK_STATUS(PERMISSION_DENIED, create(&root, "x", false, &out));
    CHECK_STATUS(PERMISSION_DENIED, create(&root, "x", true, &out));
    CHECK_STATUS(PERMISSION_DENIED, fat32_entry_remove(&volume, &root, &entry));
    CHECK_STATUS(PERMISSION_DENIED, fat32_entry_update(&volume, &entry));
    CHECK_STATUS(PERMISSION_DENIED, move(&root, "file", &root, "other", &out));
    CHECK(!fat32_is_changed(&volume));
    volume_end();
}
