/*
 * Volumes that mkfs.fat makes, the core fills, fsck.fat checks and mtools reads and changes, and
 * the core then reads and changes again. Everything is done to a tree of the host at the same time,
 * and compared with it.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/container.h"
#include "fs/fat32/fat32_core.h"
#include "support/test.h"
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- tools of the host ---- */

static char work[] = "/tmp/peal-interop-XXXXXX";
static char image_path[64];

/* Runs a line of shell with the variables below; its exit code. */
[[gnu::format(printf, 1, 2)]] static int shell(const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", line, nullptr);
        _exit(127);
    }
    int how;
    return waitpid(child, &how, 0) == child && WIFEXITED(how) ? WEXITSTATUS(how) : 127;
}

static void remove_work(void)
{
    shell("rm -rf %s", work);
}

static void work_begin(void)
{
    static bool is_made;
    if (!is_made) {
        CHECK(mkdtemp(work) != nullptr);
        atexit(remove_work);
        snprintf(image_path, sizeof(image_path), "%s/image", work);
        setenv("MTOOLS_SKIP_CHECK", "1", 1);
        setenv("LC_ALL", "C.UTF-8", 1);
        setenv("TZ", "UTC", 1);
        char path[4096];
        snprintf(path, sizeof(path), "%s:/usr/sbin:/sbin", getenv("PATH"));
        setenv("PATH", path, 1);
        is_made = true;
    }
    if (shell("for tool in mkfs.fat fsck.fat mcopy; do command -v $tool > %s/log || exit 77; done",
              work) != 0)
        test_skip("mkfs.fat, fsck.fat or mtools is not installed");
    CHECK_EQUAL(0, shell("rm -rf %s/* && mkdir %s/tree", work, work));
}

/* ---- a disk that is a file ---- */

static int image;

static status image_read(void *context, uint64_t first_sector, uint32_t sector_count, void *to)
{
    uint64_t sector_bytes = *(uint32_t *)context, length = sector_count * sector_bytes;
    ssize_t moved = pread(image, to, length, (off_t)(first_sector * sector_bytes));
    return moved == (ssize_t)length ? OK : FAIL(IO_ERROR);
}

static status image_write(void *context, uint64_t first_sector, uint32_t sector_count,
                          const void *from)
{
    uint64_t sector_bytes = *(uint32_t *)context, length = sector_count * sector_bytes;
    ssize_t moved = pwrite(image, from, length, (off_t)(first_sector * sector_bytes));
    return moved == (ssize_t)length ? OK : FAIL(IO_ERROR);
}

static status image_flush(void *context)
{
    (void)context;
    return OK;
}

static uint32_t sector_bytes;
static struct fat32_volume volume;

static void volume_begin(void)
{
    image = open(image_path, O_RDWR);
    struct stat about;
    CHECK_EQUAL(0, fstat(image, &about));
    struct fat32_device device = {
        .context = &sector_bytes,
        .sector_bytes = sector_bytes,
        .sector_count = (uint64_t)about.st_size / sector_bytes,
        .read = image_read,
        .write = image_write,
        .flush = image_flush,
    };
    text reason;
    CHECK_STATUS(OK, fat32_open(&device, &volume, &reason));
    struct fat32_report report;
    CHECK_STATUS(OK, fat32_recover(&volume, &report));
    CHECK_EQUAL(0, report.damage.length);
    CHECK(!report.was_dirty);
    CHECK_EQUAL(0, volume.read_only_reason.length);
}

static void volume_end(void)
{
    CHECK_STATUS(OK, fat32_mark_clean(&volume));
    fat32_close(&volume);
    close(image);
}

/* ---- operations on the volume and on the host's tree ---- */

struct folder {
    struct fat32_map map;
    char path[2048]; /* on the host */
};

static constexpr uint64_t WHEN = 1234567890;

static text text_of(const char *bytes)
{
    return (text){bytes, strlen(bytes)};
}

static void root_open(struct folder *folder)
{
    CHECK_STATUS(OK, fat32_map_load(&volume, volume.root_cluster, &folder->map));
    snprintf(folder->path, sizeof(folder->path), "%s/tree", work);
}

static void folder_close(struct folder *folder)
{
    fat32_map_drop(&folder->map);
}

static const char *host_path(const struct folder *folder, const char *name)
{
    static char paths[2][4096];
    static uint32_t turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder->path, name);
    return path;
}

static struct fat32_entry find(const struct folder *folder, const char *name)
{
    static struct fat32_entry entry;
    status found = fat32_directory_find(&volume, &folder->map, text_of(name), &entry);
    if (!is_ok(found)) test_fail(__FILE__, __LINE__, "not found: %s", host_path(folder, name));
    return entry;
}

static void folder_open(const struct folder *parent, const char *name, struct folder *out_folder)
{
    struct fat32_entry entry = find(parent, name);
    CHECK(entry.is_directory);
    CHECK_STATUS(OK, fat32_map_load(&volume, entry.first_cluster, &out_folder->map));
    snprintf(out_folder->path, sizeof(out_folder->path), "%s", host_path(parent, name));
}

static struct fat32_entry add(struct folder *folder, const char *name, bool is_directory)
{
    static struct fat32_entry entry;
    struct fat32_new_entry what = {text_of(name), is_directory, WHEN * 1000000000};
    CHECK_STATUS(OK, fat32_entry_create(&volume, &folder->map, fat32_map_first(&folder->map), &what,
                                        &entry));
    return entry;
}

static void make_folder(struct folder *parent, const char *name, struct folder *out_folder)
{
    add(parent, name, true);
    CHECK_EQUAL(0, mkdir(host_path(parent, name), 0777));
    folder_open(parent, name, out_folder);
}

static uint8_t contents[1 << 20];

static void contents_make(uint32_t length, uint32_t seed)
{
    for (uint32_t i = 0; i < length; i++) {
        seed = seed * 1664525 + 1013904223;
        contents[i] = (uint8_t)(seed >> 24);
    }
    bytes_zero(contents + length, sizeof(contents) - length);
}

/* Moves whole sectors between the file and `contents`. */
static void transfer(const struct fat32_map *map, uint32_t length, bool is_write)
{
    uint32_t rounded = (length + sector_bytes - 1) / sector_bytes * sector_bytes;
    for (uint32_t done = 0; done < rounded;) {
        struct fat32_extent extent;
        CHECK_STATUS(OK, fat32_locate(&volume, map, done, rounded - done, &extent));
        if (is_write)
            CHECK_STATUS(OK, image_write(&sector_bytes, extent.first_sector, extent.sector_count,
                                         contents + done));
        else
            CHECK_STATUS(OK, image_read(&sector_bytes, extent.first_sector, extent.sector_count,
                                        contents + done));
        done += extent.sector_count * sector_bytes;
    }
}

/* Gives a file, new or not, other contents. */
static void fill(struct folder *folder, const char *name, uint32_t length)
{
    struct fat32_entry entry = find(folder, name);
    struct fat32_map map;
    contents_make(length, length ^ entry.size_bytes);
    uint32_t clusters = (length + volume.cluster_bytes - 1) / volume.cluster_bytes;
    CHECK_STATUS(OK, fat32_map_load(&volume, entry.first_cluster, &map));
    if (clusters > map.cluster_count) CHECK_STATUS(OK, fat32_chain_extend(&volume, &map, clusters));
    transfer(&map, length, true);
    entry.size_bytes = length;
    entry.first_cluster = clusters == 0 ? 0 : fat32_map_first(&map);
    entry.modified_ns = (WHEN + 2 * length) * 1000000000;
    CHECK_STATUS(OK, fat32_entry_update(&volume, &entry));
    CHECK_STATUS(OK, fat32_chain_cut(&volume, &map, clusters));
    fat32_map_drop(&map);

    int file = open(host_path(folder, name), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    CHECK_EQUAL(length, write(file, contents, length));
    close(file);
}

static void put(struct folder *folder, const char *name, uint32_t length)
{
    add(folder, name, false);
    fill(folder, name, length);
}

static void chain_free(uint32_t first_cluster)
{
    struct fat32_map map;
    CHECK_STATUS(OK, fat32_map_load(&volume, first_cluster, &map));
    CHECK_STATUS(OK, fat32_chain_cut(&volume, &map, 0));
    fat32_map_drop(&map);
}

static void drop(struct folder *folder, const char *name)
{
    struct fat32_entry entry = find(folder, name);
    CHECK_STATUS(OK, fat32_entry_remove(&volume, &folder->map, &entry));
    chain_free(entry.first_cluster);
    CHECK_EQUAL(0, remove(host_path(folder, name)));
}

static void move(struct folder *from, const char *name, struct folder *to, const char *new_name)
{
    struct fat32_entry entry = find(from, name), replaced, out;
    status found = fat32_directory_find(&volume, &to->map, text_of(new_name), &replaced);
    bool replaces = is_ok(found) && replaced.position != entry.position;
    CHECK_STATUS(OK, fat32_entry_rename(&volume, &from->map, &entry, &to->map,
                                        fat32_map_first(&to->map), text_of(new_name),
                                        replaces ? &replaced : nullptr, &out));
    if (replaces) chain_free(replaced.first_cluster);
    CHECK_EQUAL(0, rename(host_path(from, name), host_path(to, new_name)));
}

/* ---- comparing ---- */

static void check_with_fsck(void)
{
    int code = shell("fsck.fat -n %s > %s/fsck 2>&1", image_path, work);
    /* Its own name, and how many files and clusters: anything else is a complaint. */
    if (code != 0 || shell("test $(wc -l < %s/fsck) = 2", work) != 0) {
        shell("head -20 %s/fsck", work);
        test_fail(__FILE__, __LINE__, "fsck.fat complains");
    }
}

static void check_with_mtools(void)
{
    CHECK_EQUAL(0, shell("rm -rf %s/copy && mkdir %s/copy && mcopy -i %s -s -n '::*' %s/copy "
                         "> %s/log 2>&1 || { tail %s/log; false; }",
                         work, work, image_path, work, work, work));
    CHECK_EQUAL(0,
                shell("diff -r %s/tree %s/copy | head -20 | grep . && exit 1; exit 0", work, work));
}

/* As deep as the tree that the test has made itself. */
static void check_with_core(const struct folder *folder)
{
    struct fat32_entry entry;
    uint32_t index = 0, count = 0;
    while (is_ok(fat32_directory_next(&volume, &folder->map, &index, &entry))) {
        char name[FAT32_NAME_BYTES_MAX + 1];
        snprintf(name, sizeof(name), "%.*s", (int)entry.name_bytes, entry.name);
        count++;
        if (entry.is_directory) {
            struct folder inner;
            folder_open(folder, name, &inner);
            check_with_core(&inner);
            folder_close(&inner);
            continue;
        }
        static uint8_t expected[sizeof(contents)];
        int file = open(host_path(folder, name), O_RDONLY);
        ssize_t length = read(file, expected, sizeof(expected));
        close(file);
        CHECK_EQUAL(length, entry.size_bytes);
        struct fat32_map map;
        CHECK_STATUS(OK, fat32_map_load(&volume, entry.first_cluster, &map));
        transfer(&map, entry.size_bytes, false);
        CHECK_BYTES(expected, contents, entry.size_bytes);
        fat32_map_drop(&map);
    }
    CHECK_EQUAL(0, shell("test $(ls -A '%s' | wc -l) = %u", folder->path, count));
}

static void check_everything(void)
{
    check_with_fsck();
    check_with_mtools();
    volume_begin();
    struct folder root;
    root_open(&root);
    check_with_core(&root);
    folder_close(&root);
    volume_end();
    check_with_fsck();
}

/* ---- what is done ---- */

static void make_sizes(struct folder *root)
{
    static const uint32_t sizes[] = {0,    1,     511,   512,   513,    4095,  4096,
                                     4097, 32767, 32768, 32769, 300001, 65536, 1000000};
    struct folder folder;
    char name[64];
    make_folder(root, "sizes", &folder);
    for (uint32_t i = 0; i < array_count(sizes); i++) {
        snprintf(name, sizeof(name), "size%u.bin", sizes[i]);
        put(&folder, name, sizes[i]);
    }
    fill(&folder, "size300001.bin", 100);
    fill(&folder, "size1.bin", 200000);
    fill(&folder, "size4097.bin", 0);
    folder_close(&folder);
}

static void make_names(struct folder *root)
{
    static const char *const names[] = {
        "PLAIN.TXT",   "lower.txt",
        "Mixed.Case",  "UPPER.low",
        "with space",  "several.dots.in.it",
        "noextension", "Grüße aus Köln.txt",
        "Привет, мир", "鐘",
        "+,;=[].txt",  "~tilde~1.x",
        ".hidden",     "exactly13.txt",
        "a",           "A very long name that goes on and on, over three parts"};
    struct folder folder;
    make_folder(root, "Names of all kinds", &folder);
    for (uint32_t i = 0; i < array_count(names); i++)
        put(&folder, names[i], 100 + i);
    char longest[256];
    for (uint32_t length = 180; length <= 255; length += 15) {
        memset(longest, 'a' + (int)(length % 26), length);
        longest[length] = 0;
        put(&folder, longest, length);
    }
    memset(longest, 'z', 255);
    move(&folder, "noextension", &folder, longest);
    folder_close(&folder);
}

static void make_many(struct folder *root)
{
    struct folder many, other;
    char name[64], new_name[64];
    make_folder(root, "many", &many);
    make_folder(root, "other", &other);
    for (uint32_t i = 0; i < 400; i++) {
        snprintf(name, sizeof(name), "this is entry number %u.text", i);
        put(&many, name, i);
    }
    for (uint32_t i = 0; i < 400; i++) {
        snprintf(name, sizeof(name), "this is entry number %u.text", i);
        snprintf(new_name, sizeof(new_name), i % 8 == 1 ? "THIS is ENTRY number %u.text" : "%u", i);
        if (i % 4 == 0) drop(&many, name);
        if (i % 4 == 1) move(&many, name, i % 8 == 1 ? &many : &other, new_name);
        if (i % 4 == 2) move(&many, name, &other, "replaced again and again");
    }
    for (uint32_t i = 1000; i < 1100; i++) {
        snprintf(name, sizeof(name), "%u", i);
        put(&many, name, i);
    }
    folder_close(&many);
    folder_close(&other);
}

static void make_deep(struct folder *root)
{
    struct folder folder, inner, first, second;
    make_folder(root, "deep", &folder);
    for (uint32_t i = 0; i < 12; i++) {
        make_folder(&folder, i % 2 == 0 ? "level" : "A level with a name", &inner);
        put(&inner, "file", i);
        folder_close(&folder);
        folder = inner;
    }
    folder_close(&folder);
    make_folder(root, "first", &first);
    make_folder(root, "second", &second);
    make_folder(&first, "moved", &inner);
    put(&inner, "inside", 5000);
    move(&first, "moved", &second, "moved and renamed");
    move(root, "deep", &first, "deeper");
    make_folder(&second, "empty", &folder);
    folder_close(&folder);
    folder_close(&inner);
    folder_close(&first);
    folder_close(&second);
}

/* What mtools does to the volume, and sh to the tree. */
static void change_with_mtools(void)
{
    static const char *const lines[] = {
        "mdel -i $image '::many/1001' && rm $tree/many/1001",
        "mdel -i $image '::many/this is entry number 7.text' && rm \"$tree/many/this is entry "
        "number 7.text\"",
        "mcopy -i $image $0 '::many/A new one from outside' && cp $0 \"$tree/many/A new one from "
        "outside\"",
        "mmd -i $image '::a folder from outside' && mkdir \"$tree/a folder from outside\"",
        "mcopy -i $image $0 '::a folder from outside/lower.txt' && cp $0 \"$tree/a folder from "
        "outside/lower.txt\"",
        "mren -i $image ::many/1002 '::many/renamed from outside' && mv $tree/many/1002 "
        "\"$tree/many/renamed from outside\"",
        "mdeltree -i $image ::first && rm -r $tree/first",
    };
    for (uint32_t i = 0; i < array_count(lines); i++) {
        char script[1024];
        snprintf(script, sizeof(script),
                 "image=%s; tree=%s/tree; ( %s ) > %s/log 2>&1 || { cat %s/log; false; }",
                 image_path, work, lines[i], work, work);
        /* $0 is some file with contents: the log of fsck. */
        char path[64];
        snprintf(path, sizeof(path), "%s/fsck", work);
        setenv("SCRIPT", script, 1);
        setenv("FILE", path, 1);
        CHECK_EQUAL(0, shell("sh -c \"$SCRIPT\" \"$FILE\""));
    }
}

static void change_again(void)
{
    struct folder root, many, outside;
    root_open(&root);
    folder_open(&root, "many", &many);
    folder_open(&root, "a folder from outside", &outside);
    move(&many, "A new one from outside", &outside, "lower.txt");
    move(&many, "renamed from outside", &many, "1002");
    fill(&outside, "lower.txt", 70000);
    drop(&many, "1003");
    put(&root, "last", 12345);
    move(&root, "a folder from outside", &root, "A folder from Outside");
    folder_close(&outside);
    folder_close(&many);
    folder_close(&root);
}

static void exchange(uint32_t kib, uint32_t sectors_per_cluster, uint32_t table_count,
                     uint32_t image_sector_bytes, uint32_t device_sector_bytes)
{
    work_begin();
    sector_bytes = device_sector_bytes;
    CHECK_EQUAL(0, shell("mkfs.fat -F 32 -n PEAL -S %u -s %u -f %u -C %s %u > %s/log 2>&1 || "
                         "{ cat %s/log; false; }",
                         image_sector_bytes, sectors_per_cluster, table_count, image_path, kib,
                         work, work));
    volume_begin();
    struct folder root;
    root_open(&root);
    make_sizes(&root);
    make_names(&root);
    make_many(&root);
    make_deep(&root);
    folder_close(&root);
    volume_end();
    check_everything();
    change_with_mtools();
    check_everything();
    volume_begin();
    change_again();
    volume_end();
    check_everything();
}

/* mtools insists on the 65,525 clusters that the specification asks for; the images are sparse. */

TEST(clusters_of_a_sector_are_understood_by_others)
{
    exchange(36000, 1, 2, 512, 512);
}

TEST(clusters_of_two_kib_and_one_table_are_understood_by_others)
{
    exchange(136000, 4, 1, 512, 512);
}

TEST(clusters_of_a_page_are_understood_by_others)
{
    exchange(270000, 8, 2, 512, 512);
}

TEST(clusters_of_32_kib_are_understood_by_others)
{
    exchange(2150000, 64, 2, 512, 512);
}

TEST(sectors_of_a_page_are_understood_by_others)
{
    exchange(270000, 1, 2, 4096, 4096);
}

TEST(sectors_larger_than_the_devices_are_understood_by_others)
{
    exchange(540000, 2, 2, 4096, 512);
}
