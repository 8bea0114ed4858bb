/*
 * Names of files and directories on a disk: made, found, taken away, moved, by one and by several;
 * which names there can be; the right each of it needs, and that whoever lacks one is told which.
 */
#include "peal/bytes.h"
#include "peal/file.h"
#include "peal/heap.h"
#include "peal/text.h"
#include "peal/thread.h"
#include "support/guest_test.h"
#include "support/raw.h"
#include "support/workspace.h"

#define SCRATCH_BYTES (4 * ABI_PAGE_BYTES)

static struct raw_scratch scratch;

static int end_at_once(uint64_t)
{
    return 0;
}

GUEST_TEST_SETUP
{
    scratch = raw_scratch_make(SCRATCH_BYTES);
    peal_release(peal_allocate(1)); /* what the heap takes is kept */
    running_thread threads[2];      /* their stacks are kept for those that follow */
    for (uint32_t i = 0; i < 2; i++) {
        running_thread_result started = peal_thread_create(end_at_once, 0);
        if (!is_ok(started.status)) return;
        threads[i] = started.value;
    }
    for (uint32_t i = 0; i < 2; i++)
        running_thread_drop(&threads[i]);
}

/* ---- short ways to say it ---- */

static status create(text path)
{
    file_result made = peal_file_create(workspace(), path, RIGHTS_WRITE);
    file_handle_drop(&made.value);
    return made.status;
}

static status create_folder(text path)
{
    directory_result made = peal_directory_create(workspace(), path, RIGHTS_FOLDER_WRITE);
    directory_handle_drop(&made.value);
    return made.status;
}

static status open_to_write(text path)
{
    file_result opened = peal_file_open(workspace(), path, RIGHTS_WRITE);
    file_handle_drop(&opened.value);
    return opened.status;
}

static status delete(text path)
{
    return peal_delete(workspace(), path, 0);
}

static status rename(text path, text new_path)
{
    return peal_rename(workspace(), path, (directory_ref){0}, new_path, 0);
}

static status rename_keeping(text path, text new_path)
{
    return peal_rename(workspace(), path, (directory_ref){0}, new_path, ABI_RENAME_KEEP);
}

/* A new file with this content, closed. */
static void put(text path, text content)
{
    OWNED(file_handle) file = workspace_file(path, content);
}

static void put_folder(text path)
{
    EXPECT_STATUS(OK, create_folder(path));
}

static struct abi_stat stat_of(peal_raw_handle raw)
{
    struct abi_stat stat = {0};
    EXPECT_STATUS(OK, peal_raw_stat(raw, &stat));
    return stat;
}

/* ---- making ---- */

GUEST_TEST(opening_makes_a_file_for_who_may_write_to_it)
{
    if (!workspace_begin()) return;
    peal_raw_handle raw;
    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND,
                 peal_raw_open(workspace(), TEXT("new"), RIGHTS_WRITE, ABI_OPEN_MUST_EXIST, &raw));
    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, peal_raw_open(workspace(), TEXT("new"), RIGHTS_WRITE,
                                                     ABI_OPEN_MUST_BE_FOLDER, &raw));
    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND,
                 peal_raw_open(workspace(), TEXT("new"), RIGHTS_READ, 0, &raw));
    EXPECT_EQUAL(0, workspace_count(workspace()));
    EXPECT_STATUS(OK, open_to_write(TEXT("new")));
    EXPECT_EQUAL(1, workspace_count_named(workspace(), TEXT("new")));
    put(TEXT("full"), TEXT("stays"));
    EXPECT_STATUS(OK, open_to_write(TEXT("full")));
    EXPECT(workspace_holds(TEXT("full"), TEXT("stays")));
    EXPECT_STATUS(NOT_FOUND, open_to_write(TEXT("none/new")));
    EXPECT_STATUS(NOT_FOUND, open_to_write(TEXT("full/new")));
    EXPECT_EQUAL(2, workspace_count(workspace()));
    workspace_end();
}

GUEST_TEST(what_is_made_is_new_empty_and_found_below_what_it_was_made_in)
{
    if (!workspace_begin()) return;
    put_folder(TEXT("folder"));
    EXPECT_STATUS(OK, create(TEXT("folder/file")));
    EXPECT_STATUS(OK, create_folder(TEXT("folder/inner")));
    EXPECT(workspace_holds(TEXT("folder/file"), TEXT("")));
    OWNED(directory_handle)
    folder = peal_directory_open(workspace(), TEXT("folder"), RIGHTS_FOLDER).value;
    EXPECT_EQUAL(2, workspace_count(directory_borrow(&folder)));
    static const text taken[] = {TEXT("folder"),      TEXT("FOLDER"),       TEXT("folder/file"),
                                 TEXT("folder/File"), TEXT("folder/inner"), TEXT("Folder/INNER")};
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        EXPECT_STATUS(ALREADY_EXISTS, create(taken[i]));
        EXPECT_STATUS(ALREADY_EXISTS, create_folder(taken[i]));
    }
    EXPECT_STATUS(NOT_FOUND, create(TEXT("folder/file/below")));
    EXPECT_STATUS(NOT_FOUND, create_folder(TEXT("folder/none/below")));
    EXPECT_EQUAL(2, workspace_count(directory_borrow(&folder)));
    peal_raw_handle raw;
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT,
                 peal_raw_create(workspace(), TEXT("x"), RIGHTS_WRITE, 2, &raw));
    workspace_end();
}

/* ---- which names there can be ---- */

GUEST_TEST(names_of_every_sort_are_found_as_they_were_given)
{
    static const text names[] = {
        TEXT("a"),
        TEXT("CON"),
        TEXT("con.txt"),
        TEXT("NUL"),
        TEXT("LPT1"),
        TEXT(".hidden"),
        TEXT("..two"),
        TEXT("..."
             "x"),
        TEXT(" led by a space"),
        TEXT("two  spaces"),
        TEXT("a.b.c.d"),
        TEXT("UPPER.TXT"),
        TEXT("lower.txt"),
        TEXT("MiXeD.tXt"),
        TEXT("half.TXT"),
        TEXT("+,;=[]"),
        TEXT("{}()!#$%&'-@^_`~"),
        TEXT("LONGNA~1"),
        TEXT("long name that becomes LONGNA~1 otherwise"),
        TEXT("\u00fc\u00df\u20ac"),
        TEXT("\u9418"),
        TEXT("\U0001f514 \U0001d11e"),
        TEXT("eight888.thr"),
        TEXT("nine99999.thr"),
        TEXT("thirteen13131"),
        TEXT("fourteen141414"),
    };
    if (!workspace_begin()) return;
    const uint32_t count = sizeof(names) / sizeof(names[0]);
    for (uint32_t i = 0; i < count; i++) {
        status made = create(names[i]);
        EXPECT_MESSAGE(is_ok(made), "'%.*s': status %u", TEXT_ARGUMENTS(names[i]), made.code);
    }
    EXPECT_EQUAL(count, workspace_count(workspace()));
    for (uint32_t i = 0; i < count; i++) {
        EXPECT_MESSAGE(workspace_count_named(workspace(), names[i]) == 1, "'%.*s' is not listed",
                       TEXT_ARGUMENTS(names[i]));
        EXPECT_STATUS(OK, workspace_find(names[i]));
        EXPECT_STATUS(ALREADY_EXISTS, create(names[i]));
    }
    for (uint32_t i = 0; i < count; i++)
        EXPECT_STATUS(OK, delete (names[i]));
    EXPECT_EQUAL(0, workspace_count(workspace()));
    workspace_end();
}

GUEST_TEST(names_that_cannot_be_are_refused_wherever_they_are_given)
{
    static const struct {
        text name;
        uint32_t outcome;
    } cases[] = {
        {TEXT(""), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("."), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("a/"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("a//b"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("./a"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT(".."), ABI_STATUS_PERMISSION_DENIED},
        {TEXT("../a"), ABI_STATUS_PERMISSION_DENIED},
        {TEXT("f/../a"), ABI_STATUS_PERMISSION_DENIED},
        {TEXT("/a"), ABI_STATUS_PERMISSION_DENIED},
        {TEXT("/"), ABI_STATUS_PERMISSION_DENIED},
        {TEXT("a\0"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("a\0b"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("\xff"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("a\xc0\xaf"), ABI_STATUS_INVALID_ARGUMENT},    /* an overlong slash */
        {TEXT("\xed\xa0\x80"), ABI_STATUS_INVALID_ARGUMENT}, /* half a pair */
        {TEXT("\xe2\x82"), ABI_STATUS_INVALID_ARGUMENT},     /* cut short */
        {TEXT("dot."), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("space "), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("..."), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT(" "), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("a:b"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("a*"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("a?"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("\"a\""), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("<a>"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("a|b"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("a\\b"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("a\nb"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("a\x7f"), ABI_STATUS_INVALID_ARGUMENT},
    };
    if (!workspace_begin()) return;
    put(TEXT("f"), TEXT("x"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        text name = cases[i].name;
        uint32_t outcomes[] = {create(name).code, create_folder(name).code,
                               open_to_write(name).code, rename(TEXT("f"), name).code};
        for (uint32_t j = 0; j < 4; j++)
            EXPECT_MESSAGE(outcomes[j] == cases[i].outcome, "'%.*s', way %u: status %u, not %u",
                           TEXT_ARGUMENTS(name), j, outcomes[j], cases[i].outcome);
        EXPECT(!is_ok(delete (name)));
        EXPECT(!is_ok(rename(name, TEXT("g"))));
    }
    EXPECT_EQUAL(1, workspace_count(workspace()));
    EXPECT(workspace_holds(TEXT("f"), TEXT("x")));
    workspace_end();
}

GUEST_TEST(a_name_has_at_most_two_hundred_and_fifty_five_units_of_utf_16)
{
    static const struct {
        const char *character;
        uint32_t bytes, units;
    } cases[] = {{"n", 1, 1}, {"\u00fc", 2, 1}, {"\u20ac", 3, 1}, {"\U0001f514", 4, 2}};
    if (!workspace_begin()) return;
    static char bytes[300 * 4];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (uint32_t j = 0; j < 300; j++)
            memcpy(bytes + j * cases[i].bytes, cases[i].character, cases[i].bytes);
        uint32_t most = 255 / cases[i].units;
        text longest = {bytes, most * cases[i].bytes};
        EXPECT_STATUS(OK, create(longest));
        EXPECT_EQUAL(1, workspace_count_named(workspace(), longest));
        EXPECT_STATUS(INVALID_ARGUMENT, create((text){bytes, (most + 1) * cases[i].bytes}));
        EXPECT_STATUS(INVALID_ARGUMENT, create((text){bytes, 300 * cases[i].bytes}));
        EXPECT_STATUS(INVALID_ARGUMENT,
                      rename(longest, (text){bytes, (most + 1) * cases[i].bytes}));
        EXPECT_STATUS(OK, delete (longest));
    }
    workspace_end();
}

GUEST_TEST(the_short_form_of_a_name_is_taken_too)
{
    if (!workspace_begin()) return;
    EXPECT_STATUS(OK, create(TEXT("quite a long name.text")));
    EXPECT_STATUS(OK, workspace_find(TEXT("QUITEA~1.TEX")));
    EXPECT_STATUS(ALREADY_EXISTS, create(TEXT("QUITEA~1.TEX")));
    EXPECT_STATUS(OK, create(TEXT("quite a long name, too.text")));
    EXPECT_STATUS(OK, workspace_find(TEXT("QUITEA~2.TEX")));
    EXPECT_STATUS(OK, delete (TEXT("QUITEA~1.TEX")));
    EXPECT_STATUS(NOT_FOUND, workspace_find(TEXT("quite a long name.text")));
    EXPECT_EQUAL(1, workspace_count(workspace()));
    workspace_end();
}

/* ---- taking away ---- */

GUEST_TEST(what_is_deleted_is_gone_and_a_directory_must_be_empty)
{
    if (!workspace_begin()) return;
    const uint32_t file = ABI_DELETE_MUST_BE_FILE, folder = ABI_DELETE_MUST_BE_FOLDER;
    put(TEXT("file"), TEXT("x"));
    put_folder(TEXT("folder"));
    put(TEXT("folder/file"), TEXT("y"));
    EXPECT_STATUS(NOT_FOUND, peal_delete(workspace(), TEXT("file"), folder));
    EXPECT_STATUS(NOT_FOUND, peal_delete(workspace(), TEXT("folder"), file));
    EXPECT_STATUS(INVALID_ARGUMENT, peal_delete(workspace(), TEXT("file"), file | folder));
    EXPECT_STATUS(INVALID_ARGUMENT, peal_delete(workspace(), TEXT("file"), 4));
    EXPECT_STATUS(NOT_EMPTY, delete (TEXT("folder")));
    EXPECT_STATUS(NOT_EMPTY, peal_delete(workspace(), TEXT("folder"), folder));
    EXPECT_STATUS(NOT_FOUND, delete (TEXT("none")));
    EXPECT_STATUS(NOT_FOUND, delete (TEXT("file/below")));
    EXPECT_STATUS(OK, delete (TEXT("folder/file")));
    EXPECT_STATUS(NOT_FOUND, delete (TEXT("folder/file")));
    EXPECT_STATUS(OK, peal_delete(workspace(), TEXT("folder"), folder));
    EXPECT_STATUS(OK, peal_delete(workspace(), TEXT("FILE"), file));
    EXPECT_EQUAL(0, workspace_count(workspace()));
    EXPECT_STATUS(NOT_FOUND, workspace_find(TEXT("file")));
    EXPECT_STATUS(OK, create_folder(TEXT("file"))); /* the name is free for anything */
    workspace_end();
}

GUEST_TEST(in_a_directory_that_is_gone_nothing_is_found_and_nothing_made)
{
    if (!workspace_begin()) return;
    OWNED(directory_handle) gone = workspace_folder(TEXT("gone"));
    directory_ref there = directory_borrow(&gone);
    EXPECT_STATUS(OK, delete (TEXT("gone")));
    put(TEXT("here"), TEXT("x"));
    EXPECT_STATUS(NOT_FOUND, peal_file_open(there, TEXT("here"), RIGHTS_READ).status);
    EXPECT_STATUS(NOT_FOUND, peal_file_open(there, TEXT("new"), RIGHTS_WRITE).status);
    EXPECT_STATUS(NOT_FOUND, peal_file_create(there, TEXT("new"), RIGHTS_WRITE).status);
    EXPECT_STATUS(NOT_FOUND, peal_directory_create(there, TEXT("new"), RIGHTS_FOLDER).status);
    EXPECT_STATUS(NOT_FOUND, peal_delete(there, TEXT("new"), 0));
    EXPECT_STATUS(NOT_FOUND, peal_rename(workspace(), TEXT("here"), there, TEXT("there"), 0));
    EXPECT_STATUS(NOT_FOUND, peal_rename(there, TEXT("a"), workspace(), TEXT("b"), 0));
    struct listing listing = {.raw = gone.raw};
    EXPECT(peal_list_directory(&listing) == nullptr);
    EXPECT_EQUAL(ABI_KIND_DIRECTORY, stat_of(gone.raw).kind);
    EXPECT_STATUS(OK, create_folder(TEXT("gone"))); /* another one */
    EXPECT_STATUS(OK, create(TEXT("gone/new")));
    EXPECT_STATUS(NOT_FOUND, peal_file_open(there, TEXT("new"), RIGHTS_READ).status);
    EXPECT(workspace_holds(TEXT("here"), TEXT("x")));
    workspace_end();
}

/* ---- moving ---- */

GUEST_TEST(a_file_moves_inside_a_directory_and_to_another_and_stays_what_it_is)
{
    if (!workspace_begin()) return;
    put_folder(TEXT("one"));
    OWNED(directory_handle) two = workspace_folder(TEXT("two"));
    OWNED(file_handle) file = workspace_file(TEXT("one/a"), TEXT("content"));
    uint64_t number = stat_of(file.raw).file.number;
    EXPECT_STATUS(OK, rename(TEXT("one/a"), TEXT("one/b")));
    EXPECT_STATUS(NOT_FOUND, workspace_find(TEXT("one/a")));
    EXPECT(workspace_holds(TEXT("one/b"), TEXT("content")));
    EXPECT_STATUS(OK, rename(TEXT("one/b"), TEXT("two/a much longer name than it had before")));
    EXPECT_STATUS(NOT_FOUND, workspace_find(TEXT("one/b")));
    EXPECT_STATUS(OK,
                  peal_rename(directory_borrow(&two), TEXT("a much longer name than it had before"),
                              workspace(), TEXT("c"), 0));
    EXPECT(workspace_holds(TEXT("c"), TEXT("content")));
    EXPECT_EQUAL(0, workspace_count(directory_borrow(&two)));
    /* Whoever had it open has it still. */
    EXPECT_EQUAL(8, peal_file_write_at(file_borrow(&file), view_of(TEXT("replaced")), 0).value);
    EXPECT(workspace_holds(TEXT("c"), TEXT("replaced")));
    EXPECT_EQUAL(number, stat_of(file.raw).file.number);
    EXPECT_STATUS(NOT_FOUND, rename(TEXT("none"), TEXT("d")));
    EXPECT_STATUS(NOT_FOUND, rename(TEXT("c"), TEXT("none/d")));
    EXPECT_STATUS(NOT_FOUND, rename(TEXT("c/x"), TEXT("d")));
    EXPECT_STATUS(NOT_FOUND, rename(TEXT("c"), TEXT("c/d")));
    EXPECT(workspace_holds(TEXT("c"), TEXT("replaced")));
    workspace_end();
}

GUEST_TEST(a_file_replaces_a_file_unless_it_is_to_be_kept)
{
    if (!workspace_begin()) return;
    put(TEXT("new"), TEXT("new content"));
    OWNED(file_handle) old = workspace_file(TEXT("old"), TEXT("old"));
    EXPECT_STATUS(ALREADY_EXISTS, rename_keeping(TEXT("new"), TEXT("old")));
    EXPECT_STATUS(ALREADY_EXISTS, rename_keeping(TEXT("new"), TEXT("OLD")));
    EXPECT(workspace_holds(TEXT("new"), TEXT("new content")));
    EXPECT(workspace_holds(TEXT("old"), TEXT("old")));
    EXPECT_STATUS(OK, rename(TEXT("new"), TEXT("old")));
    EXPECT_STATUS(NOT_FOUND, workspace_find(TEXT("new")));
    EXPECT(workspace_holds(TEXT("old"), TEXT("new content")));
    EXPECT_EQUAL(1, workspace_count(workspace()));
    static uint8_t bytes[16];
    EXPECT_EQUAL(3, peal_file_read_at(file_borrow(&old), SPAN_OF(bytes), 0).value);
    EXPECT(memcmp(bytes, "old", 3) == 0); /* for who has it open */
    EXPECT_STATUS(OK, rename_keeping(TEXT("old"), TEXT("free")));
    EXPECT(workspace_holds(TEXT("free"), TEXT("new content")));
    workspace_end();
}

GUEST_TEST(a_name_may_change_its_case_alone_and_may_be_renamed_to_itself)
{
    if (!workspace_begin()) return;
    put(TEXT("name.txt"), TEXT("x"));
    EXPECT_STATUS(OK, rename(TEXT("name.txt"), TEXT("Name.Txt")));
    EXPECT_EQUAL(1, workspace_count_named(workspace(), TEXT("Name.Txt")));
    EXPECT_STATUS(OK, rename_keeping(TEXT("NAME.TXT"), TEXT("NAME.TXT")));
    EXPECT_STATUS(OK, rename(TEXT("name.txt"), TEXT("name.txt")));
    EXPECT_EQUAL(1, workspace_count(workspace()));
    EXPECT(workspace_holds(TEXT("name.txt"), TEXT("x")));
    put_folder(TEXT("folder"));
    EXPECT_STATUS(OK, rename(TEXT("folder"), TEXT("Folder")));
    EXPECT_STATUS(OK, rename(TEXT("folder"), TEXT("folder")));
    EXPECT_EQUAL(2, workspace_count(workspace()));
    workspace_end();
}

GUEST_TEST(a_directory_moves_with_all_in_it_but_not_into_itself)
{
    if (!workspace_begin()) return;
    put_folder(TEXT("a"));
    put_folder(TEXT("b"));
    put_folder(TEXT("full"));
    put(TEXT("full/x"), TEXT("x"));
    put(TEXT("file"), TEXT("f"));
    OWNED(directory_handle) inner = workspace_folder(TEXT("a/inner"));
    EXPECT_STATUS(INVALID_ARGUMENT, rename(TEXT("a"), TEXT("a/inner/a")));
    EXPECT_STATUS(INVALID_ARGUMENT, rename(TEXT("a"), TEXT("a/new")));
    EXPECT_STATUS(INVALID_ARGUMENT,
                  peal_rename(workspace(), TEXT("a"), directory_borrow(&inner), TEXT("a"), 0));
    EXPECT_STATUS(NOT_EMPTY, rename(TEXT("a"), TEXT("full")));
    EXPECT_STATUS(NOT_EMPTY, rename(TEXT("a/inner"), TEXT("a")));
    EXPECT_STATUS(ALREADY_EXISTS, rename(TEXT("a"), TEXT("file")));
    EXPECT_STATUS(ALREADY_EXISTS, rename(TEXT("file"), TEXT("a")));
    EXPECT_STATUS(ALREADY_EXISTS, rename_keeping(TEXT("a"), TEXT("b")));
    EXPECT_STATUS(OK, rename(TEXT("a"), TEXT("b"))); /* an empty one */
    EXPECT_STATUS(NOT_FOUND, workspace_find(TEXT("a")));
    file_result late = peal_file_create(directory_borrow(&inner), TEXT("late"), RIGHTS_HANDLE);
    EXPECT_STATUS(OK, late.status);
    file_handle_drop(&late.value);
    EXPECT_STATUS(OK, workspace_find(TEXT("b/inner/late")));
    EXPECT_STATUS(OK, rename(TEXT("b/inner"), TEXT("full/inner")));
    EXPECT_STATUS(OK, workspace_find(TEXT("full/inner/late")));
    EXPECT_STATUS(OK, delete (TEXT("full/inner/late")));
    EXPECT_EQUAL(0, workspace_count(directory_borrow(&inner)));
    workspace_end();
}

GUEST_TEST(nothing_is_renamed_from_one_volume_to_another)
{
    if (!workspace_begin()) return;
    directory_ref root = peal_granted_directory(TEXT("root"));
    put(TEXT("file"), TEXT("x"));
    EXPECT_STATUS(PERMISSION_DENIED,
                  peal_rename(workspace(), TEXT("file"), root, TEXT("boot/file"), 0));
    EXPECT_STATUS(PERMISSION_DENIED,
                  peal_rename(root, TEXT("boot/welcome.txt"), workspace(), TEXT("welcome"), 0));
    EXPECT_STATUS(PERMISSION_DENIED, peal_rename(workspace(), TEXT("file"), root, TEXT("file"), 0));
    EXPECT_EQUAL(1, workspace_count(workspace()));
    workspace_end();
}

/* ---- several at once ---- */

static struct race {
    _Atomic uint32_t started, won, lost, other;
} race;

/* Each of two tries to give the same file a name of its own. */
static int rename_first(uint64_t number)
{
    static const text names[] = {TEXT("winner zero"), TEXT("winner one")};
    race.started++;
    for (uint32_t i = 0; i < 100'000'000 && race.started % 2 != 0; i++)
        __builtin_ia32_pause();
    status done = rename(TEXT("wanted"), names[number]);
    if (is_ok(done))
        race.won++;
    else if (done.code == STATUS_NOT_FOUND)
        race.lost++;
    else
        race.other++;
    return 0;
}

GUEST_TEST(of_two_that_rename_a_file_at_once_exactly_one_succeeds)
{
    if (!workspace_begin()) return;
    race = (struct race){0};
    for (uint32_t round = 0; round < 20; round++) {
        put(TEXT("wanted"), TEXT("x"));
        running_thread threads[2];
        for (uint64_t i = 0; i < 2; i++)
            threads[i] = peal_thread_create(rename_first, i).value;
        for (uint32_t i = 0; i < 2; i++)
            EXPECT_STATUS(OK, peal_thread_join(&threads[i]).status);
        EXPECT_EQUAL(round + 1, race.won);
        EXPECT_EQUAL(round + 1, race.lost);
        EXPECT_EQUAL(1, workspace_count(workspace()));
        status zero = delete (TEXT("winner zero")), one = delete (TEXT("winner one"));
        EXPECT(is_ok(zero) != is_ok(one));
    }
    EXPECT_EQUAL(0, race.other);
    workspace_end();
}

/* Makes, renames and deletes names of its own, and one that both want. */
static int churn(uint64_t number)
{
    for (uint32_t i = 0; i < 40; i++) {
        char own[32], moved[32];
        struct writer words = WRITER(own), more = WRITER(moved);
        writer_format(&words, "own file %u of %u", i, (uint32_t)number);
        writer_format(&more, "moved file %u of %u", i, (uint32_t)number);
        bool is_fine = is_ok(create(writer_text(&words)));
        is_fine = is_ok(rename(writer_text(&words), writer_text(&more))) && is_fine;
        status shared = create(TEXT("shared"));
        is_fine = (is_ok(shared) || shared.code == STATUS_ALREADY_EXISTS) && is_fine;
        shared = delete (TEXT("shared"));
        is_fine = (is_ok(shared) || shared.code == STATUS_NOT_FOUND) && is_fine;
        if (i % 2 == 0) is_fine = is_ok(delete (writer_text(&more))) && is_fine;
        if (!is_fine) race.other++;
    }
    return 0;
}

GUEST_TEST(two_that_change_one_directory_do_not_disturb_each_other)
{
    if (!workspace_begin()) return;
    race = (struct race){0};
    running_thread threads[2];
    for (uint64_t i = 0; i < 2; i++)
        threads[i] = peal_thread_create(churn, i).value;
    for (uint32_t i = 0; i < 2; i++)
        EXPECT_STATUS(OK, peal_thread_join(&threads[i]).status);
    EXPECT_EQUAL(0, race.other);
    ignore_status(
        delete (TEXT("shared"))); /* if the last that made it came too late to delete it */
    EXPECT_EQUAL(40, workspace_count(workspace()));
    workspace_end();
}

GUEST_TEST(hundreds_of_names_fit_into_a_directory_and_are_listed_once_each)
{
    if (!workspace_begin()) return;
    static constexpr uint32_t COUNT = 400;
    static bool is_listed[COUNT];
    char bytes[64];
    for (uint32_t i = 0; i < COUNT; i++) {
        struct writer words = WRITER(bytes);
        writer_format(&words, "file with number %u", i);
        EXPECT_STATUS(OK, create(writer_text(&words)));
    }
    for (uint32_t i = 0; i < COUNT; i += 3) {
        struct writer words = WRITER(bytes);
        writer_format(&words, "file with number %u", i);
        EXPECT_STATUS(OK, delete (writer_text(&words)));
    }
    memset(is_listed, 0, sizeof(is_listed));
    struct listing listing = {.raw = workspace().raw};
    const struct abi_directory_entry *entry;
    uint32_t count = 0;
    while ((entry = peal_list_directory(&listing)) != nullptr) {
        text name = directory_entry_name(entry);
        uint32_t number = 0;
        for (size_t i = sizeof("file with number ") - 1; i < name.length; i++)
            number = 10 * number + (uint32_t)(name.bytes[i] - '0');
        EXPECT(number < COUNT && number % 3 != 0 && !is_listed[number]);
        if (number < COUNT) is_listed[number] = true;
        count++;
    }
    EXPECT_EQUAL(COUNT - (COUNT + 2) / 3, count);
    EXPECT_STATUS(OK, workspace_find(TEXT("file with number 398")));
    EXPECT_STATUS(NOT_FOUND, workspace_find(TEXT("file with number 399")));
    workspace_end();
}

/* ---- rights ---- */

struct path_call {
    uint8_t op;
    uint32_t flags;
    uint64_t args[2];
    text path;
};

static struct abi_completion call(uint64_t capability, struct path_call what)
{
    bool has_path = what.path.length > 0;
    if (has_path) memcpy(scratch.bytes, what.path.bytes, what.path.length);
    return raw_call((struct abi_submission){
        .op = what.op,
        .capability = capability,
        .buffer_index = has_path ? scratch.index : 0,
        .length_bytes = (uint32_t)what.path.length,
        .op_flags = what.flags,
        .args = {what.args[0], what.args[1]},
    });
}

static uint32_t bit_of(uint64_t right)
{
    return (uint32_t)__builtin_ctzll(right);
}

/* The call through a handle that lacks this right alone is refused, and the right is named. */
static void expect_needs(uint64_t right, uint64_t handle, struct path_call what)
{
    uint64_t without = raw_dup(handle, ABI_RIGHTS_ALL & ~right);
    struct abi_completion done = call(without, what);
    EXPECT_MESSAGE(raw_status(done) == ABI_STATUS_INSUFFICIENT_RIGHTS, "op %u without right %u: %u",
                   what.op, bit_of(right), raw_status(done));
    EXPECT_EQUAL(bit_of(right), ABI_DETAIL_RIGHT(done.detail));
    raw_close(without);
}

GUEST_TEST(each_change_of_names_needs_its_right_and_the_missing_one_is_named)
{
    if (!workspace_begin()) return;
    put(TEXT("file"), TEXT("x"));
    OWNED(directory_handle) to = workspace_folder(TEXT("to"));
    uint64_t here = workspace().raw;
    expect_needs(ABI_RIGHT_LOOK_UP, here,
                 (struct path_call){ABI_OP_OPEN, 0, {RIGHTS_READ}, TEXT("file")});
    expect_needs(ABI_RIGHT_CREATE, here,
                 (struct path_call){ABI_OP_OPEN, 0, {RIGHTS_WRITE}, TEXT("new")});
    expect_needs(ABI_RIGHT_CREATE, here,
                 (struct path_call){ABI_OP_CREATE, 0, {RIGHTS_WRITE}, TEXT("new")});
    expect_needs(
        ABI_RIGHT_CREATE, here,
        (struct path_call){ABI_OP_CREATE, ABI_CREATE_FOLDER, {RIGHTS_FOLDER}, TEXT("new")});
    expect_needs(ABI_RIGHT_DELETE, here, (struct path_call){ABI_OP_DELETE, 0, {0}, TEXT("file")});
    struct path_call inside = {ABI_OP_RENAME, 0, {0, 4}, TEXT("filenew")};
    expect_needs(ABI_RIGHT_DELETE, here, inside);
    expect_needs(ABI_RIGHT_CREATE, here, inside);
    static const uint8_t without_path[] = {ABI_OP_SET_MODIFIED, ABI_OP_SYNC};
    for (size_t i = 0; i < sizeof(without_path); i++)
        expect_needs(ABI_RIGHT_WRITE, here, (struct path_call){.op = without_path[i]});
    EXPECT_STATUS(NOT_FOUND, workspace_find(TEXT("new")));
    EXPECT(workspace_holds(TEXT("file"), TEXT("x")));
    workspace_end();
}

/* RENAME of "file" to "to/file", by handles with these rights to the two directories. */
static struct abi_completion rename_across(uint64_t from, uint64_t rights_from, uint64_t to,
                                           uint64_t rights_to, uint32_t flags)
{
    uint64_t one = raw_dup(from, rights_from), another = raw_dup(to, rights_to);
    struct abi_completion done =
        call(one, (struct path_call){ABI_OP_RENAME, flags, {another, 4}, TEXT("filefile")});
    EXPECT(raw_close(one) && raw_close(another));
    return done;
}

static void expect_names(uint64_t right, struct abi_completion done)
{
    EXPECT_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, raw_status(done));
    EXPECT_EQUAL(bit_of(right), ABI_DETAIL_RIGHT(done.detail));
}

GUEST_TEST(a_rename_to_another_directory_needs_rights_there_and_gains_none)
{
    if (!workspace_begin()) return;
    const uint64_t all = ABI_RIGHTS_ALL;
    put(TEXT("file"), TEXT("new"));
    OWNED(directory_handle) folder = workspace_folder(TEXT("to"));
    uint64_t from = workspace().raw, to = folder.raw;
    expect_names(ABI_RIGHT_CREATE,
                 rename_across(from, all, to, all & ~(uint64_t)ABI_RIGHT_CREATE, 0));
    static const uint64_t kept[] = {ABI_RIGHT_READ, ABI_RIGHT_WRITE, ABI_RIGHT_EXECUTE,
                                    ABI_RIGHT_ENUMERATE, ABI_RIGHT_LOOK_UP};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        expect_names(kept[i], rename_across(from, all & ~kept[i], to, all, 0));
    /* Who may not delete there replaces nothing. */
    put(TEXT("to/file"), TEXT("old"));
    const uint64_t no_delete = all & ~(uint64_t)ABI_RIGHT_DELETE;
    expect_names(ABI_RIGHT_DELETE, rename_across(from, all, to, no_delete, 0));
    EXPECT_EQUAL(ABI_STATUS_ALREADY_EXISTS,
                 raw_status(rename_across(from, all, to, no_delete, ABI_RENAME_KEEP)));
    EXPECT(workspace_holds(TEXT("to/file"), TEXT("old")));
    EXPECT_STATUS(OK, delete (TEXT("to/file")));
    EXPECT_EQUAL(ABI_STATUS_OK, raw_status(rename_across(from, all, to, no_delete, 0)));
    EXPECT(workspace_holds(TEXT("to/file"), TEXT("new")));
    EXPECT_EQUAL(ABI_STATUS_WRONG_CAPABILITY_TYPE,
                 raw_status(call(from, (struct path_call){
                                           ABI_OP_RENAME, 0, {scratch.handle, 2}, TEXT("toon")})));
    EXPECT_EQUAL(
        ABI_STATUS_INVALID_CAPABILITY,
        raw_status(call(from, (struct path_call){ABI_OP_RENAME, 0, {12345, 2}, TEXT("toon")})));
    static const uint64_t lengths[] = {0, 4, 5, UINT64_MAX};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT,
                     raw_status(call(from, (struct path_call){
                                               ABI_OP_RENAME, 0, {0, lengths[i]}, TEXT("toon")})));
    workspace_end();
}

/* ---- where nothing can be written ---- */

GUEST_TEST(volumes_for_reading_refuse_every_change)
{
    static const text places[] = {TEXT("boot"), TEXT("proc"), TEXT("dev")};
    directory_ref root = peal_granted_directory(TEXT("root"));
    for (size_t i = 0; i <= sizeof(places) / sizeof(places[0]); i++) {
        bool is_root = i == sizeof(places) / sizeof(places[0]);
        OWNED(directory_handle) place = {0};
        if (!is_root) place = peal_directory_open(root, places[i], ABI_RIGHTS_ALL).value;
        directory_ref there = is_root ? root : directory_borrow(&place);
        EXPECT_STATUS(PERMISSION_DENIED, peal_file_open(there, TEXT("new"), RIGHTS_WRITE).status);
        EXPECT_STATUS(PERMISSION_DENIED, peal_file_create(there, TEXT("new"), 0).status);
        EXPECT_STATUS(PERMISSION_DENIED, peal_directory_create(there, TEXT("new"), 0).status);
        EXPECT_STATUS(PERMISSION_DENIED, peal_delete(there, TEXT("new"), 0));
        EXPECT_STATUS(PERMISSION_DENIED,
                      peal_rename(there, TEXT("new"), (directory_ref){0}, TEXT("other"), 0));
        EXPECT_STATUS(PERMISSION_DENIED, peal_directory_set_modified(there, 0));
    }
}
