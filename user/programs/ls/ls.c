#include "peal/bytes.h"
#include "peal/calendar.h"
#include "peal/file.h"
#include "peal/heap.h"
#include "peal/output.h"
#include "peal/tree_edit.h"
#include "peal/usage.h"

static const char usage[] =
    "ls [-l] [path]...\n"
    "Lists directories, the current one without a path; names of directories end in /.\n"
    "  -l   size, date and attributes, one entry in a line\n";

/* Of one directory, collected first so that it can be sorted. */
struct entry {
    text name; /* on the heap */
    uint64_t size_bytes;
    uint64_t modified_ns;
    uint32_t kind;
    uint32_t attributes;
};
struct entries {
    uint32_t count;
    uint32_t capacity;
    struct entry *items;
};

static void entries_drop(struct entries *entries)
{
    for (uint32_t i = 0; i < entries->count; i++)
        peal_release((void *)entries->items[i].name.bytes);
    peal_release(entries->items);
}

static status entries_add(struct entries *entries, const struct abi_directory_entry *found)
{
    if (entries->count == entries->capacity) {
        uint32_t capacity = entries->capacity == 0 ? 64 : entries->capacity * 2;
        struct entry *moved = peal_resize(entries->items, capacity * sizeof(*moved));
        if (moved == nullptr) return FAIL(OUT_OF_MEMORY);
        entries->items = moved;
        entries->capacity = capacity;
    }
    text name = directory_entry_name(found);
    char *copy = peal_allocate(name.length);
    if (copy == nullptr) return FAIL(OUT_OF_MEMORY);
    memcpy(copy, name.bytes, name.length);
    entries->items[entries->count++] = (struct entry){.name = {copy, name.length},
                                                      .size_bytes = found->size_bytes,
                                                      .modified_ns = found->modified_ns,
                                                      .kind = found->kind,
                                                      .attributes = found->attributes};
    return OK;
}

/* Shell sort (D. L. Shell, 1959), gaps by halving: short, in place, no recursion. */
static void entries_sort(struct entries *entries)
{
    for (uint32_t gap = entries->count / 2; gap > 0; gap /= 2)
        for (uint32_t i = gap; i < entries->count; i++) {
            struct entry moving = entries->items[i];
            uint32_t at = i;
            while (at >= gap && peal_text_compare(entries->items[at - gap].name, moving.name) > 0) {
                entries->items[at] = entries->items[at - gap];
                at -= gap;
            }
            entries->items[at] = moving;
        }
}

static void print_date(uint64_t modified_ns)
{
    if (modified_ns == 0) {
        peal_print("%-16s", "-");
        return;
    }
    struct calendar_time when = calendar_from_ns(modified_ns);
    peal_print("%04u-%02u-%02u %02u:%02u", when.year, when.month, when.day, when.hour, when.minute);
}

static void print_entry(const struct entry *entry, bool is_long)
{
    bool is_folder = entry->kind == ABI_KIND_DIRECTORY;
    if (is_long) {
        peal_print("%c%c%c%c  ", is_folder ? 'd' : '-',
                   entry->attributes & ABI_ATTRIBUTE_READ_ONLY ? 'r' : '-',
                   entry->attributes & ABI_ATTRIBUTE_HIDDEN ? 'h' : '-',
                   entry->attributes & ABI_ATTRIBUTE_SYSTEM ? 's' : '-');
        if (is_folder)
            peal_print("%12s  ", "-");
        else
            peal_print("%12lu  ", entry->size_bytes);
        print_date(entry->modified_ns);
        peal_print("  ");
    }
    peal_print("%.*s%s\n", TEXT_ARGUMENTS(entry->name), is_folder ? "/" : "");
}

static status list_folder(text path, bool is_long)
{
    directory_result opened = peal_path_open_directory(path, RIGHTS_FOLDER);
    TRY(opened.status);
    OWNED(directory_handle) folder = TAKE(opened.value);
    __attribute__((cleanup(entries_drop))) struct entries entries = {0};
    struct listing listing = {.raw = directory_borrow(&folder).raw};
    const struct abi_directory_entry *found;
    while ((found = peal_list_directory(&listing)) != nullptr)
        TRY(entries_add(&entries, found));
    TRY(listing.status);
    entries_sort(&entries);
    for (uint32_t i = 0; i < entries.count; i++)
        print_entry(&entries.items[i], is_long);
    return OK;
}

static status list_file(text path, bool is_long)
{
    file_result opened = peal_path_open_file(path, RIGHTS_READ);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    struct abi_stat stat;
    TRY(file_stat(file_borrow(&file), &stat));
    struct entry entry = {.name = path,
                          .size_bytes = stat.size_bytes,
                          .modified_ns = stat.file.modified_ns,
                          .kind = ABI_KIND_FILE,
                          .attributes = stat.file.attributes};
    print_entry(&entry, is_long);
    return OK;
}

static int tell(text path, status listed)
{
    if (is_ok(listed)) return 0;
    peal_error_status(path, listed);
    return EXIT_CODE_FAILED;
}

static int list(text path, bool is_long)
{
    status listed = list_folder(path, is_long);
    if (listed.code == STATUS_NOT_FOUND) listed = list_file(path, is_long);
    return tell(path, listed);
}

/* The files first, then each folder under its name. */
static int list_several(struct peal_arguments arguments, uint32_t first, bool is_long)
{
    int code = 0;
    bool has_shown = false;
    for (uint32_t i = first; i < arguments.count; i++) {
        text path = peal_argument(arguments, i);
        if (peal_is_folder(path)) continue;
        if (tell(path, list_file(path, is_long)) != 0) code = EXIT_CODE_FAILED;
        has_shown = true;
    }
    for (uint32_t i = first; i < arguments.count; i++) {
        text path = peal_argument(arguments, i);
        if (!peal_is_folder(path)) continue;
        peal_print("%s%.*s:\n", has_shown ? "\n" : "", TEXT_ARGUMENTS(path));
        if (tell(path, list_folder(path, is_long)) != 0) code = EXIT_CODE_FAILED;
        has_shown = true;
    }
    return code;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    bool is_long = peal_text_equal(peal_argument(arguments, 1), TEXT("-l"));
    uint32_t first = is_long ? 2 : 1;
    text option = peal_argument(arguments, first);
    if (option.length > 1 && option.bytes[0] == '-')
        return peal_usage_error("there is no such option");
    if (arguments.count <= first) return list(TEXT("."), is_long);
    if (arguments.count == first + 1) return list(peal_argument(arguments, first), is_long);
    return list_several(arguments, first, is_long);
}
