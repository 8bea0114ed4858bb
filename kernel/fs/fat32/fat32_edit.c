/*
 * Changing directories: entries are added, taken away, rewritten and moved.
 *
 * A file's entry is a *set* of slots: the parts of its long name, if it has one, the last part
 * first, and then the short entry. An operation first reads everything it needs, and makes *room*
 * for the new set; then it draws up *images*, the sectors as they are to be, in the order in which
 * they may reach the medium; then it commits them. One image becomes a changed cached sector,
 * several go through the journal. So an operation that fails before the last step has changed
 * nothing that anybody can see, and a checkpoint may happen anywhere before it.
 *
 * Behind the directory's end (the first slot that begins with 0) may lie anything; other systems
 * leave garbage there. Wherever the end moves on, the slots behind it are cleared: in the same
 * sector together with the set, in the next sector beforehand and durably.
 *
 *     sector |D D a a a 0 . .|   room for a set of 4 that may not leave its sector:
 *            |D D a a a D D D|   slots passed over become deleted (D), and
 *     next   |b b b b 0 0 0 0|   the set lies in the next sector, ends behind it
 *
 * The two changes need no order: as long as one of them is missing, nothing is there.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/owned.h"
#include "debug/assert.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"
#include "mm/heap.h"

/* "FAT Directory Structure": the most a directory may have. */
static constexpr uint32_t SLOTS_MAX = 65536;
static constexpr uint32_t SET_SLOTS_MAX = LONG_PARTS_MAX + 1;
static constexpr uint32_t NO_SLOT = UINT32_MAX;
static constexpr char NAME_OF_SELF[] = ".          ";
static constexpr char NAME_OF_PARENT[] = "..         ";

/* A sector as it is to be. */
struct image {
    uint64_t offset_bytes;
    uint8_t *bytes; /* owned */
};

/* The slots of one entry. */
struct set {
    uint32_t first;
    uint32_t count;                  /* 0: there is no set */
    uint64_t offsets[SET_SLOTS_MAX]; /* on the volume */
};

/* One operation's working memory. */
struct edit {
    struct fat32_volume *volume;
    uint32_t sector_slots;
    uint32_t image_count;
    struct image images[FAT32_JOURNAL_SECTORS_MAX];
    struct set old;   /* to be taken away */
    bool is_old_here; /* ... from the directory that the new one goes to */
    struct set new;   /* to be added */

    /* The new name, and what is found out about it while the directory is read. */
    struct fat32_encoded_name name;
    struct fat32_sought_name sought;
    uint64_t *tails; /* owned; bit n: a short name has the tail ~n */
    uint32_t tail_end;

    /* Where there is room for the new set. */
    uint32_t free_run;    /* free slots in a row up to here, that one set may use */
    uint32_t room;        /* the first of the slots found, or NO_SLOT */
    bool is_room_at_home; /* it is in the old set's sector */
    uint32_t end;         /* the directory's end */
    uint64_t end_offset;  /* where on the volume, unless it is that of the chain */
};
typedef struct edit *edit_owner;

static void edit_owner_drop(edit_owner *owner)
{
    struct edit *edit = *owner;
    if (edit == nullptr) return;
    for (uint32_t i = 0; i < edit->image_count; i++)
        heap_give(edit->images[i].bytes);
    heap_give(edit->tails);
    heap_give(edit);
}

/* nullptr: there is no memory. */
static edit_owner edit_begin(struct fat32_volume *volume)
{
    struct edit *edit = heap_take_zeroed(sizeof(*edit));
    if (edit == nullptr) return nullptr;
    edit->volume = volume;
    edit->sector_slots = volume->device.sector_bytes / ENTRY_BYTES;
    return edit;
}

/* ---- images ---- */

static uint64_t sector_start(const struct edit *edit, uint64_t offset_bytes)
{
    return offset_bytes - offset_bytes % edit->volume->device.sector_bytes;
}

/* The slot's bytes in its sector's image, which is begun if there is none. */
static status image_slot(struct edit *edit, uint64_t offset_bytes, uint8_t **out_slot)
{
    uint64_t start = sector_start(edit, offset_bytes);
    uint32_t sector_bytes = edit->volume->device.sector_bytes;
    uint32_t i = 0;
    while (i < edit->image_count && edit->images[i].offset_bytes != start)
        i++;
    if (i == edit->image_count) {
        ASSERT(i < FAT32_JOURNAL_SECTORS_MAX); /* two sets of three sectors, and a parent's */
        uint8_t *bytes = heap_take(sector_bytes);
        if (bytes == nullptr) return FAIL(OUT_OF_MEMORY);
        edit->images[edit->image_count++] = (struct image){start, bytes};
        fat32_bytes_result now = fat32_volume_bytes(edit->volume, start);
        TRY(now.status);
        bytes_copy(bytes, now.value, sector_bytes);
    }
    *out_slot = edit->images[i].bytes + (offset_bytes - start);
    return OK;
}

/* Makes the images what the volume holds. */
static status edit_commit(struct edit *edit)
{
    struct fat32_volume *volume = edit->volume;
    if (edit->image_count == 1) {
        const struct image *image = &edit->images[0];
        fat32_bytes_result bytes = fat32_volume_change(volume, image->offset_bytes);
        TRY(bytes.status);
        bytes_copy(bytes.value, image->bytes, volume->device.sector_bytes);
        return OK;
    }
    struct fat32_sector_change changes[FAT32_JOURNAL_SECTORS_MAX];
    for (uint32_t i = 0; i < edit->image_count; i++)
        changes[i] =
            (struct fat32_sector_change){edit->images[i].offset_bytes, edit->images[i].bytes};
    return fat32_journal_run(volume, changes, edit->image_count);
}

/* ---- the set of an entry ---- */

/* The slot's bytes. That the directory has it was true a moment ago: if not, it is damaged. */
static status slot_load(struct fat32_volume *volume, const struct fat32_map *directory,
                        uint32_t index, uint8_t bytes[ENTRY_BYTES], uint64_t *out_offset)
{
    status located = fat32_slot_offset(volume, directory, index, out_offset);
    if (!is_ok(located)) return located.code == STATUS_NOT_FOUND ? FAIL(IO_ERROR) : located;
    fat32_bytes_result found = fat32_volume_bytes(volume, *out_offset);
    TRY(found.status);
    bytes_copy(bytes, found.value, ENTRY_BYTES);
    return OK;
}

/* Finds the entry's short entry and the parts before it that belong to it; copies the former. */
static status set_find(struct fat32_volume *volume, const struct fat32_map *directory,
                       const struct fat32_entry *entry, struct set *set,
                       uint8_t short_entry[ENTRY_BYTES])
{
    uint64_t offsets[SET_SLOTS_MAX]; /* the short entry's first */
    TRY(slot_load(volume, directory, entry->index, short_entry, &offsets[0]));
    if (offsets[0] / ENTRY_BYTES != entry->position ||
        fat32_slot_kind(short_entry) != FAT32_SLOT_ENTRY)
        return FAIL(IO_ERROR);

    uint8_t checksum = fat32_short_name_checksum(short_entry);
    uint32_t parts = 0;
    for (bool is_last = false; !is_last && parts < min_of(entry->index, LONG_PARTS_MAX); parts++) {
        uint8_t part[ENTRY_BYTES];
        TRY(slot_load(volume, directory, entry->index - parts - 1, part, &offsets[parts + 1]));
        if (fat32_slot_kind(part) != FAT32_SLOT_PART || part[LONG_CHECKSUM] != checksum ||
            (part[LONG_ORDER] & LONG_ORDER_MASK) != parts + 1)
            break;
        is_last = part[LONG_ORDER] & LONG_ORDER_LAST;
    }
    set->first = entry->index - parts;
    set->count = parts + 1;
    for (uint32_t i = 0; i <= parts; i++)
        set->offsets[i] = offsets[parts - i];
    return OK;
}

/* The short entry first, so that nobody sees an entry without its name. */
static status set_draw_removal(struct edit *edit)
{
    for (uint32_t i = edit->old.count; i > 0; i--) {
        uint8_t *slot;
        TRY(image_slot(edit, edit->old.offsets[i - 1], &slot));
        slot[ENTRY_NAME] = NAME_DELETED;
    }
    return OK;
}

static void slot_draw(const struct edit *edit, uint32_t number, const uint8_t *short_entry,
                      uint8_t *slot)
{
    uint32_t parts = edit->new.count - 1;
    if (number == parts)
        bytes_copy(slot, short_entry, ENTRY_BYTES);
    else
        fat32_name_put_part(&edit->name, parts - number, fat32_short_name_checksum(short_entry),
                            slot);
}

/*
 * Of a set in several sectors, the short entry comes last, so that nobody sees an entry without its
 * name. But sectors behind the one with the directory's end come before that one, the last of them
 * first: as long as the end has not moved it hides them.
 */
static status set_draw_addition(struct edit *edit, const uint8_t *short_entry)
{
    uint32_t count = edit->new.count;
    uint32_t end_sector = edit->end / edit->sector_slots * edit->sector_slots; /* its first slot */
    uint32_t before_end = end_sector > edit->room ? min_of(count, end_sector - edit->room) : 0;
    bool moves_end = edit->room + count > edit->end;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = i < before_end ? i : count - 1 - (i - before_end);
        uint64_t offset = edit->new.offsets[number];
        uint8_t *slot;
        TRY(image_slot(edit, offset, &slot));
        slot_draw(edit, number, short_entry, slot);
        if (moves_end && number == count - 1)
            bytes_zero(slot + ENTRY_BYTES, sector_start(edit, offset) +
                                               edit->volume->device.sector_bytes - offset -
                                               ENTRY_BYTES);
    }
    return OK;
}

/* ---- reading a directory: is the name taken, where is room, which numbers are free ---- */

static bool is_home(const struct edit *edit, uint32_t index)
{
    uint32_t short_entry = edit->old.first + edit->old.count - 1;
    return edit->is_old_here && index / edit->sector_slots == short_entry / edit->sector_slots;
}

/* Of the first room, or one in the sector that holds the old short entry. */
static void room_note(struct edit *edit, uint32_t first)
{
    if (edit->room != NO_SLOT && (edit->is_room_at_home || !is_home(edit, first))) return;
    edit->room = first;
    edit->is_room_at_home = is_home(edit, first);
}

/* A set that fits in a sector lies in one. */
static bool is_within_sector(const struct edit *edit)
{
    return edit->new.count <= edit->sector_slots;
}

static void room_see_slot(struct edit *edit, uint32_t index, bool is_free)
{
    if (is_within_sector(edit) && index % edit->sector_slots == 0) edit->free_run = 0;
    edit->free_run = is_free ? edit->free_run + 1 : 0;
    if (edit->free_run >= edit->new.count) room_note(edit, index + 1 - edit->new.count);
}

static void room_see_end(struct edit *edit, uint32_t end)
{
    edit->end = end;
    uint32_t first = end - edit->free_run;
    uint32_t left_in_sector = edit->sector_slots - first % edit->sector_slots;
    if (is_within_sector(edit) && left_in_sector < edit->new.count) first += left_in_sector;
    room_note(edit, first);
}

static status entry_see(struct edit *edit, const uint8_t *short_entry)
{
    if (fat32_sought_is(&edit->sought, &edit->volume->long_name, short_entry))
        return FAIL(ALREADY_EXISTS);
    if (!edit->name.needs_tail) return OK;
    uint32_t tail = fat32_name_tail_of(&edit->name, short_entry);
    if (tail > 0 && tail < edit->tail_end) edit->tails[tail / 64] |= 1ull << tail % 64;
    return OK;
}

/* One slot before the end; slots of the set that will be taken away count as free. */
static status slot_see(struct edit *edit, const struct fat32_slot *slot, bool is_of_old)
{
    struct fat32_long_name *long_name = &edit->volume->long_name;
    enum fat32_slot_kind kind = is_of_old ? FAT32_SLOT_FREE : fat32_slot_kind(slot->bytes);
    room_see_slot(edit, slot->index, kind == FAT32_SLOT_FREE);
    if (kind == FAT32_SLOT_PART) {
        fat32_long_name_add(long_name, slot->bytes);
        return OK;
    }
    status seen = kind == FAT32_SLOT_ENTRY ? entry_see(edit, slot->bytes) : OK;
    fat32_long_name_reset(long_name);
    return seen;
}

static uint64_t directory_slots(const struct edit *edit, const struct fat32_map *directory)
{
    return (uint64_t)directory->cluster_count * edit->volume->cluster_bytes / ENTRY_BYTES;
}

/* Notes tails up to the number of slots: the next one is free in any case. */
static status tails_begin(struct edit *edit, uint32_t slots)
{
    edit->tail_end = slots + 1;
    edit->tails = heap_take_zeroed((edit->tail_end / 64 + 1) * sizeof(*edit->tails));
    return edit->tails == nullptr ? FAIL(OUT_OF_MEMORY) : OK;
}

/* Reads the directory once. ALREADY_EXISTS: an entry other than the old one has the name. */
static status directory_scan(struct edit *edit, const struct fat32_map *directory)
{
    uint64_t slots = directory_slots(edit, directory);
    if (slots > SLOTS_MAX) return FAIL(NO_SPACE);
    if (edit->name.needs_tail) TRY(tails_begin(edit, (uint32_t)slots));
    edit->room = NO_SLOT;
    fat32_long_name_reset(&edit->volume->long_name);
    struct fat32_walk walk = {.volume = edit->volume, .map = directory};
    uint32_t end = 0;
    for (;; end++) {
        struct fat32_slot slot;
        status walked = fat32_walk_next(&walk, &slot);
        if (walked.code == STATUS_NOT_FOUND) break;
        TRY(walked);
        edit->end_offset = slot.offset_bytes;
        if (fat32_slot_kind(slot.bytes) == FAT32_SLOT_END) break;
        bool is_of_old = edit->is_old_here && slot.index - edit->old.first < edit->old.count;
        TRY(slot_see(edit, &slot, is_of_old));
    }
    room_see_end(edit, end);
    return OK;
}

/* ---- making room ---- */

/* Makes sure that the directory's end stands in this slot, the first of its sector, on the medium
 * too: before the end moves to there. */
static status end_secure(struct edit *edit, const struct fat32_map *directory, uint32_t index)
{
    if (index >= directory_slots(edit, directory)) return OK; /* the chain's end is the end */
    uint8_t slot[ENTRY_BYTES];
    uint64_t offset;
    TRY(slot_load(edit->volume, directory, index, slot, &offset));
    if (slot[ENTRY_NAME] == NAME_END) return OK;
    fat32_bytes_result garbage = fat32_volume_change(edit->volume, offset);
    TRY(garbage.status);
    bytes_zero(garbage.value, edit->volume->device.sector_bytes);
    return fat32_checkpoint(edit->volume);
}

/* Slots from the end to the next sector are passed over. */
static status end_pass_over(struct edit *edit, const struct fat32_map *directory)
{
    TRY(end_secure(edit, directory, edit->room));
    fat32_bytes_result slots = fat32_volume_change(edit->volume, edit->end_offset);
    TRY(slots.status);
    for (uint32_t i = 0; i < edit->room - edit->end; i++)
        slots.value[i * ENTRY_BYTES + ENTRY_NAME] = NAME_DELETED;
    return OK;
}

/* Readies the slots of the room that was found: they exist, and the end can move behind them. */
static status room_make(struct edit *edit, struct fat32_map *directory)
{
    uint32_t behind = edit->room + edit->new.count;
    if (behind > SLOTS_MAX) return FAIL(NO_SPACE);
    while (directory_slots(edit, directory) < behind)
        TRY(fat32_directory_extend(edit->volume, directory));
    if (edit->room > edit->end) TRY(end_pass_over(edit, directory));
    if (behind > edit->end && behind % edit->sector_slots == 0)
        TRY(end_secure(edit, directory, behind));
    edit->new.first = edit->room;
    for (uint32_t i = 0; i < edit->new.count; i++)
        TRY(fat32_slot_offset(edit->volume, directory, edit->room + i, &edit->new.offsets[i]));
    return OK;
}

/* ---- what goes into an entry ---- */

static void times_store(uint8_t *slot, uint64_t created_ns, uint64_t modified_ns)
{
    struct fat32_time created = fat32_time_of(created_ns), modified = fat32_time_of(modified_ns);
    slot[ENTRY_CREATED_TENTHS] = created.tenths;
    store_le16(slot + ENTRY_CREATED_TIME, created.time);
    store_le16(slot + ENTRY_CREATED_DATE, created.date);
    store_le16(slot + ENTRY_ACCESSED_DATE, modified.date); /* at least as late as the change */
    store_le16(slot + ENTRY_WRITTEN_TIME, modified.time);
    store_le16(slot + ENTRY_WRITTEN_DATE, modified.date);
}

static void cluster_store(uint8_t *slot, uint32_t cluster)
{
    store_le16(slot + ENTRY_CLUSTER_HIGH, (uint16_t)(cluster >> 16));
    store_le16(slot + ENTRY_CLUSTER_LOW, (uint16_t)cluster);
}

/* How ".." calls a directory: the root is 0 there. */
static uint32_t cluster_of_parent(const struct fat32_volume *volume, uint32_t cluster)
{
    return cluster == volume->root_cluster ? 0 : cluster;
}

/* The name's short form with the first number that is free. */
static void short_name_store(const struct edit *edit, uint8_t *short_entry)
{
    short_entry[ENTRY_CASE] = edit->name.letter_case;
    bytes_copy(short_entry + ENTRY_NAME, edit->name.short_name, SHORT_NAME_BYTES);
    if (!edit->name.needs_tail) return;
    uint32_t tail = 1;
    while (edit->tails[tail / 64] >> tail % 64 & 1)
        tail++;
    fat32_name_set_tail(&edit->name, tail, short_entry + ENTRY_NAME);
}

static status edit_set_name(struct edit *edit, text name)
{
    TRY(fat32_name_encode(name, &edit->name));
    fat32_sought_prepare(name, &edit->sought);
    edit->new.count = edit->name.part_count + 1u;
    return OK;
}

/* The entry as it is once the images are committed. */
static void entry_fill(const struct edit *edit, const uint8_t *short_entry, text name,
                       struct fat32_entry *out_entry)
{
    fat32_entry_load(short_entry, out_entry);
    out_entry->index = edit->new.first + edit->new.count - 1;
    out_entry->position = edit->new.offsets[edit->new.count - 1] / ENTRY_BYTES;
    out_entry->name_bytes = (uint32_t)name.length;
    memmove(out_entry->name, name.bytes, name.length); /* it may be there already */
}

/* ---- creating ---- */

/* A cluster for a new directory, with "." and "..", that nothing refers to yet. */
static status contents_create(struct fat32_volume *volume, uint32_t parent_cluster,
                              const uint8_t *short_entry, struct fat32_map *out_own)
{
    TRY(fat32_chain_extend(volume, out_own, 1));
    uint8_t head[2 * ENTRY_BYTES];
    bytes_copy(head, short_entry, ENTRY_BYTES);
    bytes_copy(head + ENTRY_BYTES, short_entry, ENTRY_BYTES);
    bytes_copy(head + ENTRY_NAME, NAME_OF_SELF, SHORT_NAME_BYTES);
    bytes_copy(head + ENTRY_BYTES + ENTRY_NAME, NAME_OF_PARENT, SHORT_NAME_BYTES);
    head[ENTRY_CASE] = head[ENTRY_BYTES + ENTRY_CASE] = 0;
    uint32_t own_cluster = fat32_map_first(out_own);
    cluster_store(head, own_cluster);
    cluster_store(head + ENTRY_BYTES, cluster_of_parent(volume, parent_cluster));
    return fat32_cluster_initialise(volume, own_cluster, head, sizeof(head));
}

/* Neither form of the new name may be one that another entry gave up a moment ago. */
static status names_await(struct edit *edit, const struct fat32_map *directory, text name,
                          const uint8_t *short_entry)
{
    char alias[FAT32_ALIAS_BYTES_MAX];
    text short_name = {alias, fat32_short_name(short_entry, alias)};
    TRY(fat32_name_await(edit->volume, fat32_map_first(directory), name));
    return fat32_name_await(edit->volume, fat32_map_first(directory), short_name);
}

static status set_add(struct edit *edit, struct fat32_map *directory, const uint8_t *short_entry)
{
    TRY(room_make(edit, directory));
    TRY(set_draw_addition(edit, short_entry));
    return edit_commit(edit);
}

static status directory_add(struct edit *edit, struct fat32_map *directory, uint32_t parent_cluster,
                            uint8_t *short_entry)
{
    struct fat32_map own = {.spacing = 1}; /* as fat32_map_load makes it of an empty chain */
    status made = contents_create(edit->volume, parent_cluster, short_entry, &own);
    if (is_ok(made)) {
        cluster_store(short_entry, fat32_map_first(&own));
        made = set_add(edit, directory, short_entry);
    }
    /* If this fails, too, the cluster is lost until the volume is checked. */
    if (!is_ok(made)) ignore_status(fat32_chain_cut(edit->volume, &own, 0));
    fat32_map_drop(&own);
    return made;
}

status fat32_entry_create(struct fat32_volume *volume, struct fat32_map *directory,
                          uint32_t parent_cluster, const struct fat32_new_entry *what,
                          struct fat32_entry *out_entry)
{
    OWNED(edit_owner) edit = edit_begin(volume);
    if (edit == nullptr) return FAIL(OUT_OF_MEMORY);
    TRY(edit_set_name(edit, what->name));
    TRY(directory_scan(edit, directory));

    uint8_t short_entry[ENTRY_BYTES] = {
        [ENTRY_ATTRIBUTES] = what->is_directory ? ATTRIBUTE_DIRECTORY : ATTRIBUTE_ARCHIVE};
    short_name_store(edit, short_entry);
    times_store(short_entry, what->created_ns, what->created_ns);
    TRY(names_await(edit, directory, what->name, short_entry));
    if (what->is_directory)
        TRY(directory_add(edit, directory, parent_cluster, short_entry));
    else
        TRY(set_add(edit, directory, short_entry));
    entry_fill(edit, short_entry, what->name, out_entry);
    return OK;
}

/* ---- removing, rewriting ---- */

status fat32_entry_remove(struct fat32_volume *volume, struct fat32_map *directory,
                          const struct fat32_entry *entry)
{
    OWNED(edit_owner) edit = edit_begin(volume);
    if (edit == nullptr) return FAIL(OUT_OF_MEMORY);
    uint8_t short_entry[ENTRY_BYTES];
    TRY(set_find(volume, directory, entry, &edit->old, short_entry));
    TRY(fat32_names_removed_reserve(volume));
    TRY(set_draw_removal(edit));
    TRY(edit_commit(edit));
    fat32_names_removed_note(volume, fat32_name_keys_of(fat32_map_first(directory), entry));
    return OK;
}

status fat32_entry_update(struct fat32_volume *volume, const struct fat32_entry *entry)
{
    fat32_bytes_result bytes = fat32_volume_change(volume, entry->position * ENTRY_BYTES);
    TRY(bytes.status);
    uint8_t *slot = bytes.value;
    if (fat32_slot_kind(slot) != FAT32_SLOT_ENTRY) return FAIL(IO_ERROR);
    slot[ENTRY_ATTRIBUTES] = entry->attributes;
    times_store(slot, entry->created_ns, entry->modified_ns);
    cluster_store(slot, entry->first_cluster);
    store_le32(slot + ENTRY_SIZE, entry->is_directory ? 0 : entry->size_bytes);
    return OK;
}

status fat32_directory_check_empty(struct fat32_volume *volume, const struct fat32_map *map)
{
    struct fat32_walk walk = {.volume = volume, .map = map};
    for (;;) {
        struct fat32_slot slot;
        status walked = fat32_walk_next(&walk, &slot);
        if (walked.code == STATUS_NOT_FOUND) return OK;
        TRY(walked);
        enum fat32_slot_kind kind = fat32_slot_kind(slot.bytes);
        if (kind == FAT32_SLOT_END) return OK;
        if (kind == FAT32_SLOT_ENTRY) return FAIL(NOT_EMPTY);
    }
}

/* ---- moving ---- */

/* A directory that moves to another one learns its new parent. */
static status parent_draw(struct edit *edit, const uint8_t *short_entry, uint32_t parent_cluster)
{
    struct fat32_entry entry;
    fat32_entry_load(short_entry, &entry);
    if (!entry.is_directory || edit->is_old_here) return OK;
    if (!fat32_is_cluster(edit->volume, entry.first_cluster)) return FAIL(IO_ERROR);
    uint8_t *slot;
    TRY(image_slot(edit, fat32_cluster_start(edit->volume, entry.first_cluster) + ENTRY_BYTES,
                   &slot));
    if (!bytes_equal(slot + ENTRY_NAME, NAME_OF_PARENT, SHORT_NAME_BYTES)) return FAIL(IO_ERROR);
    cluster_store(slot, cluster_of_parent(edit->volume, parent_cluster));
    return OK;
}

/* Everything of the new short entry but its name, from the old one. */
static void contents_copy(uint8_t *to, const uint8_t *from)
{
    uint8_t name[SHORT_NAME_BYTES], letter_case = to[ENTRY_CASE];
    bytes_copy(name, to + ENTRY_NAME, SHORT_NAME_BYTES);
    bytes_copy(to, from, ENTRY_BYTES);
    bytes_copy(to + ENTRY_NAME, name, SHORT_NAME_BYTES);
    to[ENTRY_CASE] = letter_case;
}

/* The replaced entry keeps its set and its name. */
static status rename_over(struct edit *edit, const uint8_t *old_entry, struct fat32_map *to,
                          uint32_t to_cluster, const struct fat32_entry *replaced,
                          struct fat32_entry *out_entry)
{
    uint8_t short_entry[ENTRY_BYTES], *slot;
    TRY(set_find(edit->volume, to, replaced, &edit->new, short_entry));
    TRY(set_draw_removal(edit));
    TRY(parent_draw(edit, old_entry, to_cluster));
    contents_copy(short_entry, old_entry);
    TRY(image_slot(edit, replaced->position * ENTRY_BYTES, &slot));
    bytes_copy(slot, short_entry, ENTRY_BYTES);
    TRY(edit_commit(edit));
    entry_fill(edit, short_entry, fat32_entry_name(replaced), out_entry);
    return OK;
}

static status rename_to(struct edit *edit, const uint8_t *old_entry, struct fat32_map *to,
                        uint32_t to_cluster, text name, struct fat32_entry *out_entry)
{
    TRY(edit_set_name(edit, name));
    TRY(directory_scan(edit, to));
    uint8_t short_entry[ENTRY_BYTES];
    short_name_store(edit, short_entry);
    contents_copy(short_entry, old_entry);
    TRY(names_await(edit, to, name, short_entry));
    TRY(room_make(edit, to));
    TRY(set_draw_removal(edit));
    TRY(parent_draw(edit, old_entry, to_cluster));
    TRY(set_draw_addition(edit, short_entry));
    TRY(edit_commit(edit));
    entry_fill(edit, short_entry, name, out_entry);
    return OK;
}

status fat32_entry_rename(struct fat32_volume *volume, struct fat32_map *from,
                          const struct fat32_entry *entry, struct fat32_map *to,
                          uint32_t to_cluster, text name, const struct fat32_entry *replaced,
                          struct fat32_entry *out_entry)
{
    OWNED(edit_owner) edit = edit_begin(volume);
    if (edit == nullptr) return FAIL(OUT_OF_MEMORY);
    edit->is_old_here = fat32_map_first(from) == fat32_map_first(to);
    uint8_t old_entry[ENTRY_BYTES];
    TRY(set_find(volume, from, entry, &edit->old, old_entry));
    TRY(fat32_names_removed_reserve(volume));
    /* Now: *out_entry may be *entry. */
    struct fat32_name_keys given_up = fat32_name_keys_of(fat32_map_first(from), entry);
    if (replaced != nullptr)
        TRY(rename_over(edit, old_entry, to, to_cluster, replaced, out_entry));
    else
        TRY(rename_to(edit, old_entry, to, to_cluster, name, out_entry));
    fat32_names_removed_note(volume, given_up);
    return OK;
}
