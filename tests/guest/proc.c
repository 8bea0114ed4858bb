/*
 * /proc: every file is one valid text of the schema, however odd the names of processes are and
 * while they come and go; it says what other operations say, stays what it was when it was opened,
 * and gives nobody more than a look.
 */
#include "peal/bytes.h"
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/format.h"
#include "peal/heap.h"
#include "peal/process.h"
#include "support/child.h"
#include "support/guest_test.h"
#include "support/json.h"
#include "support/raw.h"

#define PROGRAM     TEXT("boot/test/proc")
#define TEXT_BYTES  (1u << 20)
#define PATH_BYTES  64u
#define PIECE_BYTES 500u

static directory_ref root;
static system_ref machine;
static char *content, *content_again; /* TEXT_BYTES each */

static int play_waiter(void)
{
    return is_ok(peal_sleep_until(ABI_DEADLINE_NEVER)) ? 0 : 1;
}

GUEST_TEST_SETUP
{
    if (child_plays(TEXT("waiter"))) peal_exit(play_waiter());
    guest_test_need_grants();
    root = peal_granted_directory(TEXT("root"));
    machine = peal_granted_system(TEXT("system"));
    content = peal_allocate(TEXT_BYTES);
    content_again = peal_allocate(TEXT_BYTES);
    if (content == nullptr || content_again == nullptr) peal_exit(2);
}

/* ---- reading ---- */

/* All that an open file holds, in pieces of so many bytes at most. */
static text read_all(file_ref file, char *bytes, size_t piece)
{
    size_t length = 0;
    for (;;) {
        size_t room = TEXT_BYTES - length;
        size_result read =
            peal_file_read_at(file, (span){bytes + length, piece < room ? piece : room}, length);
        EXPECT_STATUS(OK, read.status);
        if (!is_ok(read.status) || read.value == 0) return (text){bytes, length};
        length += read.value;
    }
}

static file_handle open_file(text path)
{
    file_result opened = peal_file_open(root, path, RIGHTS_READ);
    EXPECT_MESSAGE(is_ok(opened.status), "%.*s does not open: status %u", TEXT_ARGUMENTS(path),
                   opened.status.code);
    return TAKE(opened.value);
}

static text read_path(text path, char *bytes)
{
    OWNED(file_handle) file = open_file(path);
    return read_all(file_borrow(&file), bytes, PIECE_BYTES);
}

static text path_of(struct writer *writer, const char *format, uint64_t process)
{
    writer_format(writer, format, (unsigned long long)process);
    return writer_text(writer);
}
/* A path with a process's number in it. */
#define PATH(format, process) path_of(&WRITER((char[PATH_BYTES]){0}), format, process)

/* Whether it is one line of JSON that says "ok", with data. */
static bool is_ok_text(text whole, text path)
{
    size_t at;
    text schema, ok, data;
    bool is_valid = json_is_valid(whole, &at);
    EXPECT_MESSAGE(is_valid, "%.*s is wrong at byte %zu: %.*s", TEXT_ARGUMENTS(path), at,
                   TEXT_ARGUMENTS(peal_text_slice(whole, at > 40 ? at - 40 : 0, 80)));
    if (!is_valid) return false;
    EXPECT_EQUAL(whole.length - 1, peal_text_find(whole, '\n', 0));
    EXPECT(json_find(whole, TEXT("schema"), &schema) &&
           peal_text_equal(schema, TEXT("\"peal-1\"")));
    EXPECT(json_find(whole, TEXT("ok"), &ok));
    return json_is_true(ok) && json_find(whole, TEXT("data"), &data);
}

static text data_of(text path)
{
    text data = TEXT("{}");
    text whole = read_path(path, content);
    EXPECT_MESSAGE(is_ok_text(whole, path) && json_find(whole, TEXT("data"), &data),
                   "%.*s has no data", TEXT_ARGUMENTS(path));
    return data;
}

static uint64_t number_in(text object, text key)
{
    text value = {0};
    uint64_t number = UINT64_MAX;
    bool is_number = json_find(object, key, &value) && json_to_number(value, &number);
    EXPECT_MESSAGE(is_number, "no number %.*s in %.*s", TEXT_ARGUMENTS(key),
                   TEXT_ARGUMENTS(peal_text_slice(object, 0, 200)));
    return number;
}

/* The item of a list whose member is that number. */
static bool find_item(text object, text list, text key, uint64_t number, text *out_item)
{
    text rest;
    if (!json_find(object, list, &rest)) return false;
    while (json_next_item(&rest, out_item))
        if (number_in(*out_item, key) == number) return true;
    return false;
}

static uint64_t count_items(text object, text list)
{
    text rest, item;
    uint64_t count = 0;
    if (!json_find(object, list, &rest)) return 0;
    while (json_next_item(&rest, &item))
        count++;
    return count;
}

/* ---- every file ---- */

/* Reads every file in a directory of /proc; answers how many. Those of a process that ended
 * meanwhile are not there any more. */
static uint32_t check_files_in(text path, bool may_end)
{
    directory_result opened = peal_directory_open(root, path, RIGHTS_FOLDER);
    if (may_end && opened.status.code == STATUS_NOT_FOUND) return 0;
    EXPECT_STATUS(OK, opened.status);
    OWNED(directory_handle) directory = TAKE(opened.value);
    struct listing listing = {.raw = directory.raw};
    const struct abi_directory_entry *entry;
    uint32_t count = 0;
    while ((entry = peal_list_directory(&listing)) != nullptr) {
        if (entry->kind != ABI_KIND_FILE) continue;
        text name = directory_entry_name(entry);
        file_result file = peal_file_open(directory_borrow(&directory), name, RIGHTS_READ);
        if (may_end && file.status.code == STATUS_NOT_FOUND) continue;
        EXPECT_STATUS(OK, file.status);
        OWNED(file_handle) held = TAKE(file.value);
        text whole = read_all(file_borrow(&held), content, TEXT_BYTES);
        EXPECT_MESSAGE(is_ok_text(whole, name) || may_end, "%.*s is not ok", TEXT_ARGUMENTS(name));
        count++;
    }
    EXPECT_STATUS(OK, listing.status);
    return count;
}

/* All there is below /proc. */
static uint32_t check_everything(bool may_end)
{
    uint32_t count = check_files_in(TEXT("proc"), false);
    OWNED(directory_handle) proc = peal_directory_open(root, TEXT("proc"), RIGHTS_FOLDER).value;
    struct listing listing = {.raw = proc.raw};
    const struct abi_directory_entry *entry;
    while ((entry = peal_list_directory(&listing)) != nullptr) {
        if (entry->kind != ABI_KIND_DIRECTORY) continue;
        char bytes[PATH_BYTES];
        struct writer path = WRITER(bytes);
        writer_format(&path, "proc/%.*s", TEXT_ARGUMENTS(directory_entry_name(entry)));
        count += check_files_in(writer_text(&path), may_end);
    }
    EXPECT_STATUS(OK, listing.status);
    return count;
}

GUEST_TEST(every_file_is_one_text_of_the_schema)
{
    uint32_t count = check_everything(false);
    EXPECT_MESSAGE(count >= 10 + 5 * 3, "only %u files", count);
}

/* ---- names ---- */

/* A process of this name that waits for its end. */
static process_handle start_named(text name)
{
    process_handle none = {0};
    file_result opened = peal_file_open(root, PROGRAM, RIGHTS_EXECUTE);
    EXPECT_STATUS(OK, opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    text path = PROGRAM, variable = TEXT("part=waiter");
    process_result started = peal_process_spawn(file_borrow(&file), &(struct peal_spawn){
                                                                        .name = name,
                                                                        .arguments = &path,
                                                                        .arguments_count = 1,
                                                                        .environment = &variable,
                                                                        .environment_count = 1,
                                                                    });
    EXPECT_STATUS(OK, started.status);
    return is_ok(started.status) ? TAKE(started.value) : none;
}

static uint64_t number_of(process_ref process)
{
    struct abi_stat stat = {0};
    EXPECT_STATUS(OK, peal_raw_stat(process.raw, &stat));
    return stat.process.id;
}

static void end_it(process_ref process)
{
    struct abi_exit how;
    EXPECT_STATUS(OK, peal_process_kill(process, 0));
    EXPECT_STATUS(OK, peal_process_wait(process, ABI_DEADLINE_NEVER, &how));
}

/* The name that a list, or a process's own file, gives. */
static text name_in(text object, char *bytes, size_t capacity)
{
    text value, name = TEXT("");
    EXPECT(json_find(object, TEXT("name"), &value) && json_to_text(value, bytes, capacity, &name));
    return name;
}

static const text odd_names[] = {
    TEXT("\"quotes\" and \\backslashes\\"),
    TEXT("\\"),
    TEXT("\","),
    TEXT("line\nline\r\ttab\b\f"),
    TEXT("\x01\x1b[31mred\x7f"),
    TEXT("\xc2\x85\xc2\x9b"),
    TEXT("\xe2\x80\xa8\xe2\x80\xa9"),
    TEXT("\xf0\x9f\x98\x80\xf0\x9f\x90\xa7"),
    TEXT("\xef\xbf\xbf\xef\xbb\xbf"),
    TEXT("{\"schema\":\"peal-1\"}]}"),
    TEXT("</script><!-- & %s %n"),
    TEXT("123456789 123456789 123456789 123456789 123456789 123456789 123"),
};

GUEST_TEST(names_come_back_as_they_were_however_odd)
{
    for (size_t i = 0; i < sizeof(odd_names) / sizeof(odd_names[0]); i++) {
        OWNED(process_handle) process = start_named(odd_names[i]);
        uint64_t number = number_of(process_borrow(&process));
        char bytes[256];
        text task;
        bool is_there =
            find_item(data_of(TEXT("proc/tasks")), TEXT("tasks"), TEXT("id"), number, &task);
        EXPECT_MESSAGE(is_there && peal_text_equal(odd_names[i], name_in(task, bytes, 256)),
                       "name %zu in tasks", i);
        text status_data = data_of(PATH("proc/%llu/status", number));
        EXPECT_MESSAGE(peal_text_equal(odd_names[i], name_in(status_data, bytes, 256)),
                       "name %zu in status", i);
        end_it(process_borrow(&process));
    }
}

GUEST_TEST(texts_are_whole_while_processes_come_and_go)
{
    process_handle held[8] = {0};
    for (uint32_t round = 0; round < 24; round++) {
        process_handle *place = &held[round % 8];
        if (place->raw != ABI_HANDLE_NONE) {
            /* Its end is under way while everything is read. */
            EXPECT_STATUS(OK, peal_process_kill(process_borrow(place), 0));
            process_handle_drop(place);
        }
        *place = start_named(odd_names[round % (sizeof(odd_names) / sizeof(odd_names[0]))]);
        if (round % 3 == 0) check_everything(true);
    }
    for (size_t i = 0; i < 8; i++) {
        end_it(process_borrow(&held[i]));
        process_handle_drop(&held[i]);
    }
}

/* ---- one text for each opening ---- */

GUEST_TEST(a_file_stays_what_it_was_when_it_was_opened)
{
    OWNED(file_handle) file = open_file(TEXT("proc/tasks"));
    text before = read_all(file_borrow(&file), content, TEXT_BYTES);
    size_result size = peal_file_size(file_borrow(&file));
    EXPECT(is_ok(size.status) && size.value == before.length);

    OWNED(process_handle) process = start_named(TEXT("somebody new"));
    text after = read_all(file_borrow(&file), content_again, 7);
    EXPECT(peal_text_equal(before, after));
    text fresh = read_path(TEXT("proc/tasks"), content_again);
    EXPECT(!peal_text_equal(before, fresh) && fresh.length > before.length);
    end_it(process_borrow(&process));
}

static uint64_t own_memory(void)
{
    return number_in(data_of(TEXT("proc/self/status")), TEXT("memory_bytes"));
}

GUEST_TEST(whoever_opens_a_file_pays_for_it_until_it_is_closed)
{
    uint64_t before = own_memory();
    file_handle held[16];
    uint64_t bytes = 0;
    for (size_t i = 0; i < 16; i++) {
        held[i] = open_file(TEXT("proc/reach"));
        size_result size = peal_file_size(file_borrow(&held[i]));
        EXPECT_STATUS(OK, size.status);
        bytes += size.value;
    }
    EXPECT(own_memory() >= before + bytes);
    for (size_t i = 0; i < 16; i++)
        file_handle_drop(&held[i]);
    EXPECT(own_memory() < before + bytes);
}

GUEST_TEST(what_was_opened_is_read_after_the_end_of_the_process)
{
    OWNED(process_handle) process = start_named(TEXT("mortal"));
    uint64_t number = number_of(process_borrow(&process));
    OWNED(file_handle) file = open_file(PATH("proc/%llu/status", number));
    OWNED(directory_handle)
    directory = peal_directory_open(root, PATH("proc/%llu", number), RIGHTS_FOLDER).value;
    end_it(process_borrow(&process));

    text whole = read_all(file_borrow(&file), content, PIECE_BYTES);
    EXPECT(is_ok_text(whole, TEXT("status")));
    EXPECT_STATUS(NOT_FOUND,
                  peal_file_open(directory_borrow(&directory), TEXT("status"), RIGHTS_READ).status);
    EXPECT_STATUS(NOT_FOUND,
                  peal_directory_open(root, PATH("proc/%llu", number), RIGHTS_FOLDER).status);
}

/* ---- the same as elsewhere ---- */

GUEST_TEST(it_says_what_stat_and_enumerate_say)
{
    struct abi_stat stat = {0};
    EXPECT_STATUS(OK, peal_raw_stat(machine.raw, &stat));
    text memory = data_of(TEXT("proc/memory"));
    EXPECT_EQUAL(stat.system.memory_total_bytes, number_in(memory, TEXT("total_bytes")));
    EXPECT_EQUAL(stat.system.process_count, number_in(memory, TEXT("process_count")));
    text uptime = data_of(TEXT("proc/uptime"));
    EXPECT(number_in(uptime, TEXT("uptime_ns")) >= stat.system.uptime_ns);
    EXPECT_EQUAL(stat.system.cpu_count, number_in(uptime, TEXT("processor_count")));

    text tasks = data_of(TEXT("proc/tasks"));
    struct listing listing = {.raw = machine.raw};
    const struct abi_process_entry *entry;
    uint64_t count = 0;
    while ((entry = peal_list_processes(&listing)) != nullptr) {
        text task;
        count++;
        if (!find_item(tasks, TEXT("tasks"), TEXT("id"), entry->process.id, &task)) continue;
        EXPECT_EQUAL(entry->process.parent_id, number_in(task, TEXT("parent_id")));
        EXPECT_EQUAL(entry->process.memory_max_bytes, number_in(task, TEXT("memory_max_bytes")));
        EXPECT_EQUAL(entry->process.started_ns, number_in(task, TEXT("started_ns")));
    }
    EXPECT_EQUAL(count, count_items(tasks, TEXT("tasks")));
}

GUEST_TEST(handles_are_told_of_without_their_tokens)
{
    OWNED(process_handle) process = start_named(TEXT("holder"));
    uint64_t number = number_of(process_borrow(&process));
    text handles = data_of(PATH("proc/%llu/handles", number));
    struct listing listing = {.raw = process.raw};
    const struct abi_handle_entry *entry;
    uint64_t count = 0;
    while ((entry = peal_list_handles(&listing)) != nullptr) {
        text item;
        uint64_t slot = entry->handle & ABI_HANDLE_SLOT_MASK;
        count++;
        EXPECT(find_item(handles, TEXT("handles"), TEXT("slot"), slot, &item));
        EXPECT_EQUAL(entry->object_id, number_in(item, TEXT("object_id")));
        EXPECT_EQUAL(entry->derivation_step, number_in(item, TEXT("derivation_step")));
        EXPECT_EQUAL((uint64_t)__builtin_popcountll(entry->rights),
                     count_items(item, TEXT("rights")));
    }
    EXPECT_STATUS(OK, listing.status);
    EXPECT_EQUAL(count, count_items(handles, TEXT("handles")));
    end_it(process_borrow(&process));
}

GUEST_TEST(reach_leads_from_every_handle_of_ours_to_the_first)
{
    text reach = data_of(TEXT("proc/reach"));
    EXPECT_EQUAL(0, number_in(reach, TEXT("left_out_count")));
    struct abi_stat stat = {0};
    EXPECT_STATUS(OK, peal_raw_stat(root.raw, &stat));
    text node = {0}, rest;
    bool is_found = false;
    EXPECT(json_find(reach, TEXT("derivations"), &rest));
    while (!is_found && json_next_item(&rest, &node))
        is_found = number_in(node, TEXT("object_id")) == stat.object_id &&
                   number_in(node, TEXT("step")) > 0;
    REQUIRE(is_found);
    uint32_t steps = 0;
    for (uint64_t parent; (parent = number_in(node, TEXT("parent_id"))) != 0 && steps < 100;
         steps++)
        REQUIRE(find_item(reach, TEXT("derivations"), TEXT("id"), parent, &node));
    EXPECT_EQUAL(0, number_in(node, TEXT("step")));
    EXPECT(steps > 0);
}

/* ---- what it does not give ---- */

static bool is_null(text object, text key)
{
    text value;
    return json_find(object, key, &value) && peal_text_equal(value, TEXT("null"));
}

GUEST_TEST(addresses_are_the_business_of_their_own_process)
{
    text rest, region;
    uint64_t here = (uint64_t)(uintptr_t)&region;
    bool is_found = false;
    REQUIRE(json_find(data_of(TEXT("proc/self/maps")), TEXT("regions"), &rest));
    while (json_next_item(&rest, &region)) {
        char bytes[32];
        text value, address;
        uint64_t start = 0, end = 0;
        EXPECT(json_find(region, TEXT("start_address"), &value) &&
               json_to_text(value, bytes, sizeof(bytes), &address) &&
               peal_text_to_number(address, &start));
        EXPECT(json_find(region, TEXT("end_address"), &value) &&
               json_to_text(value, bytes, sizeof(bytes), &address) &&
               peal_text_to_number(address, &end));
        EXPECT_EQUAL(end - start, number_in(region, TEXT("length_bytes")));
        is_found = is_found || (here >= start && here < end);
    }
    EXPECT(is_found);

    OWNED(process_handle) process = start_named(TEXT("somebody else"));
    uint64_t number = number_of(process_borrow(&process));
    EXPECT(json_find(data_of(PATH("proc/%llu/maps", number)), TEXT("regions"), &rest));
    uint32_t count = 0;
    for (; json_next_item(&rest, &region); count++)
        EXPECT(is_null(region, TEXT("start_address")) && is_null(region, TEXT("end_address")));
    EXPECT(count > 0);
    end_it(process_borrow(&process));
}

GUEST_TEST(self_is_whoever_opens_it)
{
    EXPECT_EQUAL(peal_startup()->process_id,
                 number_in(data_of(TEXT("proc/self/status")), TEXT("id")));
    OWNED(directory_handle)
    self = peal_directory_open(root, TEXT("proc/self"), RIGHTS_FOLDER).value;
    OWNED(file_handle)
    file = peal_file_open(directory_borrow(&self), TEXT("status"), RIGHTS_READ).value;
    text whole = read_all(file_borrow(&file), content, PIECE_BYTES);
    EXPECT_EQUAL(peal_startup()->process_id, number_in(whole, TEXT("data.id")));
}

GUEST_TEST(nothing_can_be_written_made_or_removed)
{
    file_result opened = peal_file_open(root, TEXT("proc/version"), ABI_RIGHTS_ALL);
    EXPECT_STATUS(OK, opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    size_result written = peal_file_write_at(file_borrow(&file), (view){"x", 1}, 0);
    EXPECT(!is_ok(written.status));
    EXPECT(is_ok_text(read_all(file_borrow(&file), content, PIECE_BYTES), TEXT("version")));
    file_result made = peal_file_open(root, TEXT("proc/new"), ABI_RIGHTS_ALL);
    EXPECT(!is_ok(made.status));
}

GUEST_TEST(names_that_are_none_are_not_found)
{
    static const text names[] = {
        TEXT("proc/0"),
        TEXT("proc/01"),
        TEXT("proc/0x1"),
        TEXT("proc/999999"),
        TEXT("proc/-1"),
        TEXT("proc/1 "),
        TEXT("proc/Version"),
        TEXT("proc/version/x"),
        TEXT("proc/self/version"),
        TEXT("proc/self/1"),
        TEXT("proc/99999999999999999999"),
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        EXPECT_STATUS(NOT_FOUND, peal_file_open(root, names[i], RIGHTS_READ).status);
    EXPECT_STATUS(PERMISSION_DENIED,
                  peal_file_open(root, TEXT("proc/self/../version"), RIGHTS_READ).status);
}
