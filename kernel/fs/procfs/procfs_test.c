/*
 * The volume with files of the test's own, and processes that are numbers: what is told of the real
 * ones is tested in the booted system, tests/guest/proc.c.
 */
#include "arch/host/host.h"
#include "fs/procfs/procfs_internal.h"
#include "fs/vfs/name_cache.h"
#include "fs/vfs/page_cache.h"
#include "fs/vfs/vfs.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "support/single_thread_mutex.h"
#include "support/test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what stands in for the rest of the kernel ---- */

/* The processes there are: 3, 5 and 40, unless ended. */
struct process {
    struct object object;
    uint64_t id;
    bool has_ended;
};
static void never_destroyed(struct object *object)
{
    (void)object;
    abort();
}
static const struct object_type process_type = {.kind = ABI_KIND_PROCESS,
                                                .destroy = never_destroyed};
static struct process processes[] = {{.id = 3}, {.id = 5}, {.id = 40}};

struct process *process_find_from(uint64_t id)
{
    for (size_t i = 0; i < 3; i++) {
        if (processes[i].id < id || processes[i].has_ended) continue;
        object_get(&processes[i].object);
        return &processes[i];
    }
    return nullptr;
}

uint64_t process_id(const struct process *process)
{
    return process->id;
}

struct object *process_object(struct process *process)
{
    return &process->object;
}

/* How much "grow" writes, and how much more each time. */
static uint64_t grow_bytes, grow_step;
static uint32_t times_made;
static status fail_with;

static status make_counter(struct json_writer *json, const struct proc_subject *subject)
{
    json_put_number(json, TEXT("time"), ++times_made);
    json_put_number(json, TEXT("reader"), subject->reader);
    json_put_number(json, TEXT("about"), subject->process != nullptr ? subject->process->id : 0);
    return OK;
}

static status make_growing(struct json_writer *json, const struct proc_subject *subject)
{
    (void)subject;
    times_made++;
    static char letters[PROC_FILE_BYTES_MAX + 1000];
    memset(letters, 'x', grow_bytes);
    json_put_string(json, TEXT("letters"), (text){letters, grow_bytes});
    grow_bytes += grow_step;
    return OK;
}

static status make_failing(struct json_writer *json, const struct proc_subject *subject)
{
    (void)subject;
    json_put_array(json, TEXT("half"));
    return fail_with;
}

static status make_listing(struct json_writer *json, const struct proc_subject *subject)
{
    (void)subject;
    struct proc_list list = proc_list_open(json, TEXT("entries"));
    for (uint32_t i = 0; i < PROC_LIST_ENTRIES_MAX + 7; i++)
        if (proc_list_has_room(&list)) json_number(json, i);
    proc_list_close(&list);
    return OK;
}

const struct proc_file proc_machine_files[PROC_MACHINE_FILES] = {
    {TEXT("counter"), make_counter}, {TEXT("grow"), make_growing}, {TEXT("fail"), make_failing},
    {TEXT("list"), make_listing},    {TEXT("e"), make_counter},    {TEXT("f"), make_counter},
    {TEXT("g"), make_counter},       {TEXT("h"), make_counter},    {TEXT("i"), make_counter},
    {TEXT("j"), make_counter},
};
const struct proc_file proc_process_files[PROC_PROCESS_FILES] = {
    {TEXT("status"), make_counter}, {TEXT("b"), make_counter}, {TEXT("c"), make_counter},
    {TEXT("d"), make_counter},      {TEXT("e"), make_counter},
};

/* ---- helpers ---- */

static struct object *root;
static struct memory_quota *quota;
static struct vnode_requester reader;

static void begin(void)
{
    static bool is_made;
    if (!is_made) {
        host_memory_init();
        CHECK_STATUS(OK, vfs_init());
        object_result opened = vfs_open_vnode(procfs_init());
        CHECK_STATUS(OK, opened.status);
        root = opened.value;
        for (size_t i = 0; i < 3; i++)
            object_init(&processes[i].object, &process_type);
        is_made = true;
    }
    quota = memory_quota_create(8u << 20);
    CHECK(quota != nullptr);
    reader = (struct vnode_requester){.process = 5, .quota = quota};
    times_made = 0;
    grow_bytes = grow_step = 0;
    fail_with = OK;
    for (size_t i = 0; i < 3; i++)
        processes[i].has_ended = false;
}

static void end(void)
{
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
    for (size_t i = 0; i < 3; i++)
        CHECK_EQUAL(1, processes[i].object.references);
}

static object_result open_path(const char *path)
{
    return vfs_open_for(root, (text){path, strlen(path)}, &reader);
}

static struct object *open_it(const char *path)
{
    object_result opened = open_path(path);
    CHECK_STATUS(OK, opened.status);
    return opened.value;
}

static char content[PROC_FILE_BYTES_MAX + 1];

/* All of an open file, as a string. */
static const char *read_all(struct object *file)
{
    struct abi_stat stat;
    vfs_fill_stat(file, &stat);
    size_result read = vfs_read_kernel(vfs_vnode(file), 0, content, sizeof(content) - 1);
    CHECK_STATUS(OK, read.status);
    CHECK_EQUAL(stat.size_bytes, read.value);
    content[read.value] = 0;
    return content;
}

static void check_content(const char *path, const char *expected)
{
    struct object *file = open_it(path);
    const char *found = read_all(file);
    if (strcmp(expected, found) != 0) test_fail(__FILE__, __LINE__, "%s: %s", path, found);
    object_put(file);
}

/* ---- texts ---- */

TEST(a_text_has_the_schema_and_a_newline)
{
    begin();
    check_content("counter", "{\"schema\":\"peal-1\",\"ok\":true,\"data\":"
                             "{\"time\":1,\"reader\":5,\"about\":0}}\n");
    end();
}

TEST(each_opening_makes_a_text_that_stays_as_it_was)
{
    begin();
    struct object *first = open_it("counter");
    struct object *second = open_it("counter");
    CHECK(strstr(read_all(first), "\"time\":1,") != nullptr);
    CHECK(strstr(read_all(second), "\"time\":2,") != nullptr);
    page_cache_reclaim(1000);
    CHECK(strstr(read_all(first), "\"time\":1,") != nullptr);
    CHECK(vfs_vnode(first)->identity != vfs_vnode(second)->identity);
    object_put(first);
    object_put(second);
    end();
}

TEST(what_cannot_be_told_is_an_error_in_the_text)
{
    begin();
    fail_with = FAIL(NOT_FOUND);
    check_content("fail", "{\"schema\":\"peal-1\",\"ok\":false,\"error\":{\"status\":\"NOT_FOUND\","
                          "\"message\":\"what it is about has ended\"}}\n");
    end();
}

static void check_pieces(uint64_t bytes)
{
    grow_bytes = bytes;
    struct object *file = open_it("grow");
    static char whole[30000];
    strcpy(whole, read_all(file));
    size_t length = strlen(whole);
    CHECK(length > bytes && whole[length - 1] == '\n' && whole[length - 2] == '}');
    for (size_t at = 0; at < length; at += 777) {
        char piece[100];
        size_result read = vfs_read_kernel(vfs_vnode(file), at, piece, sizeof(piece));
        CHECK_STATUS(OK, read.status);
        CHECK_BYTES(whole + at, piece, read.value);
    }
    object_put(file);
}

TEST(a_text_of_any_length_is_whole_at_every_offset)
{
    begin();
    check_pieces(0);
    for (uint64_t bytes = 4000; bytes < 4100; bytes++) /* what the first attempt has room for */
        check_pieces(bytes);
    check_pieces(20000);
    end();
}

TEST(a_text_that_grows_while_it_is_written_is_written_again)
{
    begin();
    grow_bytes = 5000;
    grow_step = 300;
    struct object *file = open_it("grow");
    CHECK(strstr(read_all(file), "\"ok\":true") != nullptr);
    CHECK_EQUAL(2, times_made);
    object_put(file);
    end();
}

TEST(a_text_that_grows_too_fast_is_given_up)
{
    begin();
    grow_bytes = 5000;
    grow_step = 5000;
    struct object *file = open_it("grow");
    CHECK(strstr(read_all(file), "\"status\":\"BUSY\"") != nullptr);
    CHECK_EQUAL(6, times_made);
    object_put(file);
    end();
}

TEST(a_text_that_is_too_long_says_so)
{
    begin();
    reader.quota = nullptr;
    for (uint64_t more = 0; more <= 200; more += 10) {
        grow_bytes = PROC_FILE_BYTES_MAX - 160 + more;
        struct object *file = open_it("grow");
        bool is_told = strstr(read_all(file), "\"ok\":true") != nullptr;
        CHECK(is_told || strstr(content, "\"status\":\"OUT_OF_RANGE\"") != nullptr);
        CHECK(is_told || more > 0);
        CHECK(is_told || times_made == 1); /* again would be in vain */
        times_made = 0;
        CHECK(!is_told || more < 200);
        object_put(file);
    }
    end();
}

TEST(a_list_says_how_much_it_left_out)
{
    begin();
    struct object *file = open_it("list");
    CHECK(strstr(read_all(file), ",4095],\"left_out_count\":7}}\n") != nullptr);
    object_put(file);
    end();
}

/* ---- who pays ---- */

TEST(whoever_opens_a_file_pays_for_its_text)
{
    begin();
    grow_bytes = 100000;
    struct object *file = open_it("grow");
    CHECK(memory_quota_used(quota) > 100000);
    object_put(file);
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
    quota = memory_quota_create(50000);
    reader.quota = quota;
    CHECK_STATUS(OUT_OF_MEMORY, open_path("grow").status);
    end();
}

TEST(without_memory_nothing_is_opened_and_nothing_lost)
{
    begin();
    grow_bytes = 6000;
    uint64_t before = heap_count().objects_taken;
    FOR_EACH_FAILING_ALLOCATION {
        object_result opened = open_path("5/status");
        if (is_ok(opened.status))
            object_put(opened.value);
        else
            CHECK_STATUS(OUT_OF_MEMORY, opened.status);
        opened = open_path("grow");
        if (is_ok(opened.status))
            object_put(opened.value);
        else
            CHECK_STATUS(OUT_OF_MEMORY, opened.status);
        CHECK_EQUAL(0, memory_quota_used(quota));
    }
    CHECK(heap_count().objects_taken <= before + 8); /* tables of the page cache may stay */
    end();
}

/* ---- names ---- */

TEST(a_process_is_found_under_its_number)
{
    begin();
    check_content("40/status", "{\"schema\":\"peal-1\",\"ok\":true,\"data\":"
                               "{\"time\":1,\"reader\":5,\"about\":40}}\n");
    end();
}

TEST(self_is_who_asks)
{
    begin();
    reader.process = 3;
    check_content("self/status", "{\"schema\":\"peal-1\",\"ok\":true,\"data\":"
                                 "{\"time\":1,\"reader\":3,\"about\":3}}\n");
    reader.process = 0; /* the kernel, which is none */
    CHECK_STATUS(NOT_FOUND, open_path("self/status").status);
    end();
}

TEST(names_that_are_none_are_not_found)
{
    begin();
    static const char *const names[] = {
        "0",       "4",         "05",      "0x5",
        "+5",      "5 ",        "5a",      "18446744073709551621",
        "41",      "sel",       "counte",  "counter2",
        "Counter", "5/nothing", "40/self", "counter/status",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        CHECK_STATUS(NOT_FOUND, open_path(names[i]).status);
    CHECK_STATUS(PERMISSION_DENIED, open_path("5/../counter").status);
    end();
}

TEST(a_directory_of_a_process_that_ended_is_empty_of_files)
{
    begin();
    struct object *directory = open_it("40");
    processes[2].has_ended = true;
    CHECK_STATUS(NOT_FOUND, vfs_open_for(directory, TEXT("status"), &reader).status);
    CHECK_STATUS(NOT_FOUND, open_path("40").status);
    object_put(directory);
    end();
}

struct names {
    char bytes[400];
    uint32_t count_max; /* told of in one go */
    uint64_t cookie;
};

static bool note_name(void *context, const struct abi_directory_entry *entry, text name)
{
    struct names *names = context;
    if (names->count_max-- == 0) return false;
    names->cookie = entry->next_cookie;
    snprintf(names->bytes + strlen(names->bytes), 50, "%.*s%s ", TEXT_ARGUMENTS(name),
             entry->kind == ABI_KIND_DIRECTORY ? "/" : "");
    return true;
}

TEST(a_directory_is_listed_in_pieces_of_any_size)
{
    begin();
    for (uint32_t piece = 1; piece < 16; piece++) {
        struct names names = {0};
        uint64_t before;
        do {
            before = names.cookie;
            names.count_max = piece;
            const struct vnode *vnode = vfs_vnode(root);
            CHECK_STATUS(
                OK, vnode->operations->enumerate(vfs_vnode(root), names.cookie, note_name, &names));
        } while (names.cookie != before);
        CHECK(strcmp("counter grow fail list e f g h i j self/ 3/ 5/ 40/ ", names.bytes) == 0);
    }
    struct object *directory = open_it("5");
    struct names names = {.count_max = 100};
    const struct vnode *vnode = vfs_vnode(directory);
    CHECK_STATUS(OK, vnode->operations->enumerate(vfs_vnode(directory), 1, note_name, &names));
    CHECK(strcmp("b c d e ", names.bytes) == 0);
    object_put(directory);
    end();
}

TEST(nothing_stays_under_its_name)
{
    begin();
    object_put(open_it("counter"));
    object_put(open_it("5/status"));
    CHECK(name_cache_find(vfs_vnode(root), TEXT("counter")) == nullptr);
    CHECK(name_cache_find(vfs_vnode(root), TEXT("5")) == nullptr);
    CHECK_STATUS(WOULD_BLOCK, vfs_open_cached(root, TEXT("counter")).status);
    end();
}
