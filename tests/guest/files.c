/*
 * Files and directories: paths, rights, reading, moving, describing and listing, and each refusal.
 *
 * The boot archive is always there. What needs the sample disk (tools/make_sample_disk) is skipped
 * without it.
 */
#include "peal/bytes.h"
#include "peal/file.h"
#include "peal/process.h"
#include "peal/thread.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PAGE          ABI_PAGE_BYTES
#define SCRATCH_BYTES (16 * PAGE)
#define PATTERN_BYTES 65536u /* byte n is 1 + n modulo 127 */
#define PATTERN_PATH  TEXT("disk0/numbers/pattern.bin")
#define PROGRAM_PATH  TEXT("boot/bin/true")

static directory_ref root;
static struct raw_scratch scratch, other;

static int end_at_once(uint64_t)
{
    return 0;
}

GUEST_TEST_SETUP
{
    root = peal_granted_directory(TEXT("root"));
    scratch = raw_scratch_make(SCRATCH_BYTES);
    other = raw_scratch_make(SCRATCH_BYTES);
    running_thread_result started = peal_thread_create(end_at_once, 0);
    if (!is_ok(started.status)) return;
    running_thread thread = TAKE(started.value); /* its stack is kept for those that follow */
    running_thread_drop(&thread);
}

/* ---- single submissions ---- */

static struct abi_completion open_with(uint64_t directory, text path, uint64_t rights,
                                       uint32_t flags)
{
    memcpy(scratch.bytes, path.bytes, path.length);
    return raw_call((struct abi_submission){
        .op = ABI_OP_OPEN,
        .capability = directory,
        .buffer_index = scratch.index,
        .length_bytes = (uint32_t)path.length,
        .op_flags = flags,
        .args = {rights},
    });
}

/* The status of opening without making anything; what was opened is closed. */
static uint32_t try_open(text path, uint32_t flags)
{
    struct abi_completion done =
        open_with(root.raw, path, ABI_RIGHTS_ALL, flags | ABI_OPEN_MUST_EXIST);
    if (raw_is_ok(done)) raw_close(done.value);
    return raw_status(done);
}

static struct abi_completion read_span(uint64_t file, uint64_t offset, uint32_t at, uint32_t length)
{
    return raw_call((struct abi_submission){
        .op = ABI_OP_READ,
        .capability = file,
        .offset_bytes = offset,
        .buffer_index = scratch.index,
        .buffer_offset_bytes = at,
        .length_bytes = length,
    });
}

static struct abi_completion call_seek(uint64_t file, int64_t distance, uint32_t whence)
{
    return raw_call((struct abi_submission){
        .op = ABI_OP_SEEK, .capability = file, .op_flags = whence, .args = {(uint64_t)distance}});
}

static struct abi_completion list(uint64_t directory, uint64_t cookie, uint32_t length)
{
    return raw_call((struct abi_submission){
        .op = ABI_OP_ENUMERATE,
        .capability = directory,
        .buffer_index = scratch.index,
        .length_bytes = length,
        .args = {cookie},
    });
}

static file_handle open_file(text path)
{
    file_result opened = peal_file_open(root, path, ABI_RIGHTS_ALL);
    EXPECT_STATUS(OK, opened.status);
    return opened.value;
}

static directory_handle open_folder(text path)
{
    directory_result opened = peal_directory_open(root, path, ABI_RIGHTS_ALL);
    EXPECT_STATUS(OK, opened.status);
    return opened.value;
}

/* Says so when there is none. */
static bool has_sample_disk(void)
{
    if (try_open(PATTERN_PATH, ABI_OPEN_MUST_BE_FILE) == ABI_STATUS_OK) return true;
    guest_test_skip("no sample disk");
    return false;
}

static uint8_t pattern_at(uint64_t offset)
{
    return (uint8_t)(1 + offset % 127);
}

static bool is_pattern(const uint8_t *bytes, uint64_t offset, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        if (bytes[i] != pattern_at(offset + i)) return false;
    return true;
}

/* ---- opening ---- */

GUEST_TEST(paths_lead_down_from_the_directory_and_nowhere_else)
{
    static const struct {
        text path;
        uint32_t outcome;
    } cases[] = {
        {TEXT("boot"), ABI_STATUS_OK},
        {TEXT("boot/bin"), ABI_STATUS_OK},
        {TEXT("boot/bin/true"), ABI_STATUS_OK},
        {TEXT("Boot"), ABI_STATUS_NOT_FOUND},
        {TEXT("boot/bin/True"), ABI_STATUS_NOT_FOUND},
        {TEXT("boot/bin/tru"), ABI_STATUS_NOT_FOUND},
        {TEXT("boot/bin/truee"), ABI_STATUS_NOT_FOUND},
        {TEXT("boot/bin/true/more"), ABI_STATUS_NOT_FOUND},
        {TEXT("boot/none/true"), ABI_STATUS_NOT_FOUND},
        {TEXT("..."), ABI_STATUS_NOT_FOUND},
        {TEXT("boot/..."), ABI_STATUS_NOT_FOUND},
        {TEXT("boot/ bin"), ABI_STATUS_NOT_FOUND},
        {TEXT("boot\\bin"), ABI_STATUS_NOT_FOUND},
        {TEXT("/"), ABI_STATUS_PERMISSION_DENIED},
        {TEXT("/boot"), ABI_STATUS_PERMISSION_DENIED},
        {TEXT(".."), ABI_STATUS_PERMISSION_DENIED},
        {TEXT("../boot"), ABI_STATUS_PERMISSION_DENIED},
        {TEXT("boot/.."), ABI_STATUS_PERMISSION_DENIED},
        {TEXT("boot/../boot"), ABI_STATUS_PERMISSION_DENIED},
        {TEXT("none/../boot"), ABI_STATUS_PERMISSION_DENIED},
        {TEXT(""), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("."), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("boot/."), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("boot/"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("boot//bin"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("boot\0"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("boot/bin/true\0x"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("boot/\xff"), ABI_STATUS_INVALID_ARGUMENT},
        {TEXT("boot/\xc0\xaf"), ABI_STATUS_INVALID_ARGUMENT},     /* an overlong slash */
        {TEXT("boot/\xed\xa0\x80"), ABI_STATUS_INVALID_ARGUMENT}, /* half a pair */
        {TEXT("boot/\xe2\x82"), ABI_STATUS_INVALID_ARGUMENT},     /* cut short */
        {TEXT("boot/\xe2\x82\xac"), ABI_STATUS_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t outcome = try_open(cases[i].path, 0);
        EXPECT_MESSAGE(outcome == cases[i].outcome, "path '%.*s': status %u, not %u",
                       TEXT_ARGUMENTS(cases[i].path), outcome, cases[i].outcome);
    }
}

GUEST_TEST(lengths_of_names_and_paths_are_bounded_to_the_byte)
{
    static char bytes[ABI_PATH_BYTES_MAX + 1];
    memset(bytes, 'x', sizeof(bytes));
    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, try_open((text){bytes, ABI_NAME_BYTES_MAX}, 0));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, try_open((text){bytes, ABI_NAME_BYTES_MAX + 1}, 0));
    for (size_t i = 1; i < ABI_PATH_BYTES_MAX - 1; i += 2)
        bytes[i] = '/';
    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, try_open((text){bytes, ABI_PATH_BYTES_MAX}, 0));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, try_open((text){bytes, ABI_PATH_BYTES_MAX + 1}, 0));
}

GUEST_TEST(an_open_can_insist_on_a_file_or_a_folder)
{
    const uint32_t file = ABI_OPEN_MUST_BE_FILE, folder = ABI_OPEN_MUST_BE_FOLDER;
    EXPECT_EQUAL(ABI_STATUS_OK, try_open(PROGRAM_PATH, file));
    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, try_open(PROGRAM_PATH, folder));
    EXPECT_EQUAL(ABI_STATUS_OK, try_open(TEXT("boot/bin"), folder));
    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, try_open(TEXT("boot/bin"), file));
    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, try_open(PROGRAM_PATH, file | folder));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, try_open(PROGRAM_PATH, 8));
}

/* The rights a handle to the path has, opened through a directory handle with some rights. */
static uint64_t rights_through(uint64_t directory_rights, text path, uint64_t wanted)
{
    uint64_t directory = raw_dup(root.raw, directory_rights | ABI_RIGHT_LOOK_UP | ABI_RIGHT_CLOSE);
    struct abi_completion opened =
        open_with(directory, path, wanted | ABI_RIGHT_STAT | ABI_RIGHT_CLOSE, 0);
    raw_close(directory);
    if (!raw_is_ok(opened)) return UINT64_MAX;
    struct abi_stat stat = {0};
    EXPECT_STATUS(OK, peal_raw_stat(opened.value, &stat));
    raw_close(opened.value);
    return stat.rights & ~(uint64_t)(ABI_RIGHT_STAT | ABI_RIGHT_CLOSE);
}

GUEST_TEST(what_is_opened_has_the_rights_asked_for_that_the_directory_has)
{
    const uint64_t with_stat = ABI_RIGHT_STAT;
    EXPECT_EQUAL(ABI_RIGHT_READ,
                 rights_through(with_stat | ABI_RIGHT_READ, PROGRAM_PATH, ABI_RIGHTS_ALL));
    EXPECT_EQUAL(ABI_RIGHT_READ, rights_through(ABI_RIGHTS_ALL, PROGRAM_PATH, ABI_RIGHT_READ));
    EXPECT_EQUAL(ABI_RIGHT_SEEK, rights_through(with_stat | ABI_RIGHT_READ | ABI_RIGHT_SEEK,
                                                PROGRAM_PATH, ABI_RIGHT_SEEK | ABI_RIGHT_WRITE));
    EXPECT_EQUAL(0, rights_through(ABI_RIGHTS_ALL, PROGRAM_PATH, 0));
    /* What makes no sense for a file is not given, and what does for a folder is. */
    EXPECT_EQUAL(0, rights_through(ABI_RIGHTS_ALL, PROGRAM_PATH,
                                   ABI_RIGHT_LOOK_UP | ABI_RIGHT_ENUMERATE | ABI_RIGHT_KILL));
    EXPECT_EQUAL(ABI_RIGHT_LOOK_UP | ABI_RIGHT_ENUMERATE,
                 rights_through(ABI_RIGHTS_ALL, TEXT("boot"),
                                ABI_RIGHT_LOOK_UP | ABI_RIGHT_ENUMERATE | ABI_RIGHT_KILL));
    /* No step on the way gives back what was not asked for before. */
    struct abi_completion folder =
        open_with(root.raw, TEXT("boot"), ABI_RIGHT_LOOK_UP | ABI_RIGHT_CLOSE, 0);
    REQUIRE(raw_is_ok(folder));
    struct abi_completion file =
        open_with(folder.value, TEXT("bin/true"), ABI_RIGHTS_ALL & ~ABI_RIGHT_STAT, 0);
    REQUIRE(raw_is_ok(file));
    EXPECT_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, raw_status(read_span(file.value, 0, 0, 1)));
    EXPECT(raw_close(file.value) && raw_close(folder.value));
}

static uint32_t detail_of_refused(struct abi_completion done)
{
    EXPECT_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, raw_status(done));
    return done.detail;
}

GUEST_TEST(a_denial_names_the_right_and_the_step_that_took_it)
{
    const uint64_t rights = ABI_RIGHT_READ | ABI_RIGHT_SEEK | ABI_RIGHT_DUP | ABI_RIGHT_CLOSE;
    struct abi_completion opened = open_with(root.raw, PROGRAM_PATH, rights, 0);
    REQUIRE(raw_is_ok(opened));
    uint64_t without_seek = raw_dup(opened.value, rights & ~(uint64_t)ABI_RIGHT_SEEK);
    uint64_t the_same = raw_dup(without_seek, ABI_RIGHTS_ALL);
    uint64_t last = raw_restrict(the_same, ABI_RIGHT_CLOSE);
    REQUIRE(without_seek != 0 && last != 0);
    struct abi_submission stat = {.op = ABI_OP_STAT,
                                  .capability = last,
                                  .buffer_index = scratch.index,
                                  .length_bytes = sizeof(struct abi_stat)};
    uint32_t detail = detail_of_refused(raw_call(stat)); /* opening did not ask for it */
    EXPECT_EQUAL(7, ABI_DETAIL_RIGHT(detail));
    uint32_t step = ABI_DETAIL_STEP(detail);
    EXPECT_EQUAL(ABI_DETAIL_MAKE(2, step + 1), detail_of_refused(call_seek(last, 0, ABI_SEEK_SET)));
    EXPECT_EQUAL(ABI_DETAIL_MAKE(0, step + 3), detail_of_refused(read_span(last, 0, 0, 1)));
    EXPECT(raw_is_ok(read_span(without_seek, 0, 0, 1)));
    EXPECT(!raw_close(the_same)); /* restricted: gone */
    EXPECT(raw_close(last) && raw_close(without_seek) && raw_close(opened.value));
}

/* ---- reading ---- */

GUEST_TEST(a_read_gives_what_there_is_and_nothing_behind_the_end)
{
    OWNED(file_handle) file = open_file(PROGRAM_PATH);
    size_result size = peal_file_size(file_borrow(&file));
    REQUIRE(is_ok(size.status) && size.value > 4);
    EXPECT_EQUAL(4, read_span(file.raw, 0, 0, 4).value);
    EXPECT(memcmp(scratch.bytes,
                  "\x7f"
                  "ELF",
                  4) == 0);

    memset(scratch.bytes, 0xa5, SCRATCH_BYTES);
    static const uint64_t behind[] = {0, 1, PAGE, 1ull << 32, 1ull << 63};
    for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
        struct abi_completion done = read_span(file.raw, size.value + behind[i], 0, 100);
        EXPECT(raw_is_ok(done));
        EXPECT_EQUAL(0, done.value);
    }
    EXPECT_EQUAL(0, read_span(file.raw, UINT64_MAX - 1, 0, SCRATCH_BYTES).value);
    EXPECT_EQUAL(0xa5, scratch.bytes[0]);

    EXPECT_EQUAL(3, read_span(file.raw, size.value - 3, 8, 100).value);
    EXPECT_EQUAL(0xa5, scratch.bytes[7]);
    EXPECT_EQUAL(0xa5, scratch.bytes[11]);

    struct abi_completion nothing = read_span(file.raw, 0, 0, 0);
    EXPECT(raw_is_ok(nothing) && nothing.value == 0);
    nothing = read_span(file.raw, ABI_OFFSET_CURRENT, SCRATCH_BYTES, 0); /* the very end */
    EXPECT(raw_is_ok(nothing) && nothing.value == 0);
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, raw_status(read_span(file.raw, 0, SCRATCH_BYTES + 1, 0)));
    EXPECT_EQUAL(0xa5, scratch.bytes[0]);
}

GUEST_TEST(the_position_belongs_to_what_was_opened)
{
    OWNED(file_handle) one = open_file(PROGRAM_PATH);
    OWNED(file_handle) another = open_file(PROGRAM_PATH);
    uint64_t copy = raw_dup(one.raw, ABI_RIGHTS_ALL);
    EXPECT_EQUAL(10, read_span(one.raw, ABI_OFFSET_CURRENT, 0, 10).value);
    EXPECT_EQUAL(10, call_seek(copy, 0, ABI_SEEK_CURRENT).value);
    EXPECT_EQUAL(0, call_seek(another.raw, 0, ABI_SEEK_CURRENT).value);
    EXPECT_EQUAL(5, read_span(one.raw, 100, 0, 5).value); /* at an offset: does not move it */
    EXPECT_EQUAL(10, call_seek(one.raw, 0, ABI_SEEK_CURRENT).value);
    struct abi_stat stat = {0}, stat_of_copy = {0}, stat_of_another = {0};
    EXPECT_STATUS(OK, peal_raw_stat(one.raw, &stat));
    EXPECT_STATUS(OK, peal_raw_stat(copy, &stat_of_copy));
    EXPECT_STATUS(OK, peal_raw_stat(another.raw, &stat_of_another));
    EXPECT_EQUAL(10, stat.file.position_bytes);
    EXPECT_EQUAL(stat.object_id, stat_of_copy.object_id);
    EXPECT(stat.object_id != stat_of_another.object_id);
    raw_close(copy);
}

/* The whole file at the position, in pieces of any size, against reads at offsets, page by page. */
static void compare_ways_of_reading(text path, uint32_t piece_bytes)
{
    OWNED(file_handle) file = open_file(path);
    size_result size = peal_file_size(file_borrow(&file));
    uint64_t at = 0;
    for (;;) {
        struct abi_completion done =
            read_span(file.raw, ABI_OFFSET_CURRENT, PAGE - 17, piece_bytes);
        REQUIRE(raw_is_ok(done));
        if (done.value == 0) break;
        EXPECT(done.value == piece_bytes || at + done.value == size.value);
        struct abi_completion again = raw_call((struct abi_submission){
            .op = ABI_OP_READ,
            .capability = file.raw,
            .offset_bytes = at,
            .buffer_index = other.index,
            .length_bytes = (uint32_t)done.value,
        });
        EXPECT_EQUAL(done.value, again.value);
        EXPECT(memcmp(scratch.bytes + PAGE - 17, other.bytes, done.value) == 0);
        at += done.value;
    }
    EXPECT_EQUAL(size.value, at);
}

GUEST_TEST(pieces_of_any_size_make_the_same_file)
{
    static const uint32_t pieces[] = {1000, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 7, 15 * PAGE};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        compare_ways_of_reading(PROGRAM_PATH, pieces[i]);
    if (try_open(PATTERN_PATH, 0) != ABI_STATUS_OK) return;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        compare_ways_of_reading(PATTERN_PATH, pieces[i]);
}

GUEST_TEST(a_file_of_the_disk_has_the_bytes_that_were_put_there)
{
    if (!has_sample_disk()) return;
    OWNED(file_handle) file = open_file(PATTERN_PATH);
    EXPECT_EQUAL(PATTERN_BYTES, peal_file_size(file_borrow(&file)).value);
    EXPECT_EQUAL(PATTERN_BYTES, read_span(file.raw, 0, 0, PATTERN_BYTES).value);
    EXPECT(is_pattern(scratch.bytes, 0, PATTERN_BYTES));
    for (uint32_t offset = 1; offset < PATTERN_BYTES - 700; offset += 5003) {
        uint32_t length = offset % 700;
        memset(scratch.bytes, 0, 2 * PAGE);
        EXPECT_EQUAL(length, read_span(file.raw, offset, offset % PAGE, length).value);
        EXPECT(is_pattern(scratch.bytes + offset % PAGE, offset, length));
        EXPECT_EQUAL(0, scratch.bytes[offset % PAGE + length]);
    }
}

/* Line n is the number n. */
GUEST_TEST(a_file_of_many_clusters_has_every_line)
{
    if (!has_sample_disk()) return;
    OWNED(file_handle) file = open_file(TEXT("disk0/numbers/lines.txt"));
    uint64_t line = 1, number = 0;
    for (;;) {
        struct abi_completion done = read_span(file.raw, ABI_OFFSET_CURRENT, 0, SCRATCH_BYTES);
        REQUIRE(raw_is_ok(done));
        if (done.value == 0) break;
        for (uint64_t i = 0; i < done.value; i++) {
            if (scratch.bytes[i] != '\n') {
                number = 10 * number + scratch.bytes[i] - '0';
                continue;
            }
            if (number != line) break; /* told below */
            line++;
            number = 0;
        }
    }
    EXPECT_EQUAL(48'896, line);
    EXPECT_EQUAL(0, number);
}

GUEST_TEST(names_of_the_disk_may_be_long_and_any_case)
{
    if (!has_sample_disk()) return;
    char name[256];
    for (size_t i = 0; i < 250; i++)
        name[i] = (char)('0' + i % 10);
    memcpy(name + 250, ".text", 5);
    char path[300];
    struct writer words = WRITER(path);
    writer_format(&words, "disk0/documents/%.*s", 255, name);
    EXPECT_EQUAL(ABI_STATUS_OK, try_open(writer_text(&words), ABI_OPEN_MUST_BE_FILE));
    EXPECT_EQUAL(ABI_STATUS_OK,
                 try_open(TEXT("disk0/deep/1/2/3/4/5/6/7/8/9/10/11/12/bottom.txt"), 0));
    EXPECT_EQUAL(ABI_STATUS_OK,
                 try_open(TEXT("disk0/documents/letters/Gr\u00fc\u00dfe aus K\u00f6ln.txt"), 0));
    EXPECT_EQUAL(ABI_STATUS_OK, try_open(TEXT("disk0/NUMBERS/Pattern.BIN"), 0));
    EXPECT_EQUAL(ABI_STATUS_OK, try_open(TEXT("disk0/readme.txt"), 0));
    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, try_open(TEXT("disk0/numbers/pattern"), 0));
    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, try_open(TEXT("disk0/numbers/pattern.binx"), 0));
    EXPECT_EQUAL(ABI_STATUS_PERMISSION_DENIED, try_open(TEXT("disk0/numbers/../README.TXT"), 0));
    OWNED(file_handle) empty = open_file(TEXT("disk0/documents/empty.txt"));
    struct abi_completion done = read_span(empty.raw, 0, 0, PAGE);
    EXPECT(raw_is_ok(done) && done.value == 0);
}

/* ---- several threads on one position ---- */

static struct sharing {
    peal_raw_handle file;
    _Atomic uint64_t bytes_total;
    _Atomic uint64_t failures;
} sharing;

/* Takes pieces at the position; each has to be consecutive bytes of the pattern. */
static int take_pieces(uint64_t piece_bytes)
{
    uint8_t bytes[300];
    for (;;) {
        size_result got =
            peal_file_read((file_ref){sharing.file}, (span){bytes, (size_t)piece_bytes});
        if (!is_ok(got.status)) sharing.failures++;
        if (!is_ok(got.status) || got.value == 0) return 0;
        for (uint64_t i = 1; i < got.value; i++)
            sharing.failures += bytes[i] != 1 + bytes[i - 1] % 127;
        sharing.bytes_total += got.value;
    }
}

GUEST_TEST(threads_that_share_a_position_get_every_byte_once)
{
    if (!has_sample_disk()) return;
    OWNED(file_handle) file = open_file(PATTERN_PATH);
    sharing = (struct sharing){.file = file.raw};
    running_thread threads[4];
    for (uint64_t i = 0; i < 4; i++) {
        running_thread_result made = peal_thread_create(take_pieces, 97 + 60 * i);
        REQUIRE(is_ok(made.status));
        threads[i] = made.value;
    }
    for (uint32_t i = 0; i < 4; i++)
        EXPECT_STATUS(OK, peal_thread_join(&threads[i]).status);
    EXPECT_EQUAL(0, sharing.failures);
    EXPECT_EQUAL(PATTERN_BYTES, sharing.bytes_total);
}

/* ---- moving ---- */

GUEST_TEST(a_seek_stays_inside_the_file_whatever_it_is_given)
{
    OWNED(file_handle) file = open_file(PROGRAM_PATH);
    const uint64_t size = peal_file_size(file_borrow(&file)).value;
#define EXPECT_SEEK(position, distance, whence) \
    EXPECT_EQUAL((position), call_seek(file.raw, (distance), ABI_SEEK_##whence).value)
    EXPECT_SEEK(100, 100, SET);
    EXPECT_SEEK(110, 10, CURRENT);
    EXPECT_SEEK(90, -20, CURRENT);
    EXPECT_SEEK(0, -91, CURRENT);
    EXPECT_SEEK(0, -1, SET);
    EXPECT_SEEK(0, INT64_MIN, SET);
    EXPECT_SEEK(size, INT64_MAX, SET);
    EXPECT_SEEK(size, 1, CURRENT);
    EXPECT_SEEK(size, INT64_MAX, CURRENT);
    EXPECT_SEEK(size, INT64_MAX, END);
    EXPECT_SEEK(size, 0, END);
    EXPECT_SEEK(size - 7, -7, END);
    EXPECT_SEEK(0, INT64_MIN, END);
    EXPECT_SEEK(size, (int64_t)size, CURRENT);
    EXPECT_SEEK(0, INT64_MIN, CURRENT);
    EXPECT_SEEK(size - 2, -2, END);
    EXPECT_EQUAL(2, read_span(file.raw, ABI_OFFSET_CURRENT, 0, 100).value);
    EXPECT_SEEK(size, 0, CURRENT);
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(call_seek(file.raw, 0, 3)));
    EXPECT_SEEK(size, 0, CURRENT);
}

/* ---- describing ---- */

GUEST_TEST(a_stat_may_be_cut_but_not_below_the_part_all_kinds_share)
{
    OWNED(file_handle) file = open_file(PROGRAM_PATH);
    struct abi_submission request = {
        .op = ABI_OP_STAT, .capability = file.raw, .buffer_index = scratch.index};
    for (uint32_t length = 0; length <= sizeof(struct abi_stat) + 8; length += 4) {
        memset(scratch.bytes, 0xa5, PAGE);
        request.length_bytes = length;
        struct abi_completion done = raw_call(request);
        if (length < 32) {
            EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, raw_status(done));
            EXPECT_EQUAL(0xa5, scratch.bytes[0]);
            continue;
        }
        uint64_t written = length < sizeof(struct abi_stat) ? length : sizeof(struct abi_stat);
        EXPECT_EQUAL(written, done.value);
        EXPECT_EQUAL(0xa5, scratch.bytes[written]);
        EXPECT_EQUAL(ABI_KIND_FILE, ((const struct abi_stat *)scratch.bytes)->kind);
    }
}

GUEST_TEST(volumes_have_numbers_and_files_of_the_disk_have_dates)
{
    if (!has_sample_disk()) return;
    OWNED(file_handle) on_disk = open_file(PATTERN_PATH);
    OWNED(file_handle) in_archive = open_file(PROGRAM_PATH);
    OWNED(directory_handle) folder = open_folder(TEXT("disk0/numbers"));
    struct abi_stat disk, archive, numbers;
    EXPECT_STATUS(OK, file_stat(file_borrow(&on_disk), &disk));
    EXPECT_STATUS(OK, file_stat(file_borrow(&in_archive), &archive));
    EXPECT_STATUS(OK, directory_stat(directory_borrow(&folder), &numbers));
    EXPECT_EQUAL(disk.file.volume, numbers.file.volume);
    EXPECT(disk.file.volume != archive.file.volume);
    EXPECT_EQUAL(946'684'800'000'000'000, disk.file.modified_ns); /* 2000-01-01 */
    EXPECT_EQUAL(ABI_KIND_DIRECTORY, numbers.kind);
    EXPECT(archive.file.attributes & ABI_ATTRIBUTE_READ_ONLY);
}

/* ---- listing ---- */

/* True when the bytes are well-formed records; counts them and sums up their names. */
static bool are_records(const uint8_t *bytes, uint64_t length, uint32_t *count, uint64_t *sum,
                        uint64_t *out_cookie)
{
    for (uint64_t at = 0; at < length;) {
        const struct abi_directory_entry *entry = (const void *)(bytes + at);
        uint64_t end = sizeof(*entry) + entry->name_bytes;
        if (length - at < sizeof(*entry) || entry->record_bytes % 8 != 0 ||
            entry->record_bytes > length - at || end > entry->record_bytes ||
            entry->record_bytes - end >= 8 || entry->name_bytes == 0)
            return false;
        if (entry->kind != ABI_KIND_FILE && entry->kind != ABI_KIND_DIRECTORY) return false;
        const uint8_t *name = bytes + at + sizeof(*entry);
        for (uint32_t i = 0; i < entry->name_bytes; i++)
            *sum = *sum * 31 + name[i];
        for (uint64_t i = end; i < entry->record_bytes; i++)
            if (bytes[at + i] != 0) return false;
        (*count)++;
        *out_cookie = entry->next_cookie;
        at += entry->record_bytes;
    }
    return true;
}

/* Lists all of a folder with spans of one size; answers the number of entries. */
static uint32_t list_all(uint64_t folder, uint32_t span_bytes, uint64_t *out_sum)
{
    uint32_t count = 0;
    uint64_t cookie = 0;
    *out_sum = 0;
    for (uint32_t calls = 0; calls < 1000; calls++) {
        memset(scratch.bytes, 0xa5, PAGE);
        struct abi_completion done = list(folder, cookie, span_bytes);
        EXPECT_EQUAL(ABI_STATUS_OK, raw_status(done));
        if (!raw_is_ok(done) || done.value == 0) break;
        EXPECT(done.value <= span_bytes);
        EXPECT(are_records(scratch.bytes, done.value, &count, out_sum, &cookie));
        EXPECT(span_bytes >= PAGE || scratch.bytes[done.value] == 0xa5);
        if (guest_test_has_failed()) break;
    }
    return count;
}

static void check_listing(text path, uint32_t count_expected)
{
    OWNED(directory_handle) folder = open_folder(path);
    uint64_t sum, sum_of_tiny;
    uint32_t count = list_all(folder.raw, SCRATCH_BYTES, &sum);
    if (count_expected != 0) EXPECT_EQUAL(count_expected, count);
    EXPECT_EQUAL(count, list_all(folder.raw, 88, &sum_of_tiny)); /* one record, or two short ones */
    EXPECT_EQUAL(sum, sum_of_tiny);
    EXPECT_EQUAL(count, list_all(folder.raw, 500, &sum_of_tiny));
    EXPECT_EQUAL(sum, sum_of_tiny);
    for (uint32_t length = 0; count > 0 && length <= 40; length += 8)
        EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, raw_status(list(folder.raw, 0, length)));
}

GUEST_TEST(a_listing_is_the_same_in_spans_of_any_size)
{
    check_listing(TEXT("boot"), 0);
    check_listing(TEXT("boot/bin"), 0);
    uint64_t sum;
    EXPECT(list_all(root.raw, SCRATCH_BYTES, &sum) >= 1);
    if (!has_sample_disk()) return;
    check_listing(TEXT("disk0/many"), 200);
    check_listing(TEXT("disk0/empty folder"), 0);
}

GUEST_TEST(the_longest_name_needs_a_span_of_its_own)
{
    if (!has_sample_disk()) return;
    OWNED(directory_handle) folder = open_folder(TEXT("disk0/documents"));
    uint64_t sum, sum_of_small;
    uint32_t count = list_all(folder.raw, SCRATCH_BYTES, &sum);
    EXPECT_EQUAL(count, list_all(folder.raw, 296, &sum_of_small)); /* 40 + 255, rounded up */
    EXPECT_EQUAL(sum, sum_of_small);
    uint64_t cookie = 0;
    for (;;) {
        struct abi_completion done = list(folder.raw, cookie, 288);
        if (!raw_is_ok(done)) {
            EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, raw_status(done));
            break;
        }
        EXPECT(done.value > 0);
        if (done.value == 0) break;
        uint32_t ignored = 0;
        EXPECT(are_records(scratch.bytes, done.value, &ignored, &sum, &cookie));
    }
}

GUEST_TEST(cookies_from_nowhere_give_records_or_nothing)
{
    static const text paths[] = {TEXT("boot"), TEXT("boot/bin"), TEXT("disk0"), TEXT("disk0/many")};
    for (size_t i = 0; i <= sizeof(paths) / sizeof(paths[0]); i++) {
        uint64_t folder = i == 0 ? raw_dup(root.raw, ABI_RIGHTS_ALL) : 0;
        if (i > 0) folder = open_with(root.raw, paths[i - 1], ABI_RIGHTS_ALL, 0).value;
        uint64_t random = 88172645463325252;
        for (uint32_t j = 0; j < 300 && folder > ABI_STATUS_NOT_IMPLEMENTED; j++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            uint64_t cookie = j < 64 ? UINT64_MAX << j : random >> (j % 64);
            struct abi_completion done = list(folder, cookie, PAGE);
            if (!raw_is_ok(done)) {
                EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, raw_status(done));
                continue;
            }
            uint32_t count = 0;
            uint64_t sum = 0, next;
            EXPECT_MESSAGE(done.value <= PAGE &&
                               are_records(scratch.bytes, done.value, &count, &sum, &next),
                           "cookie %lx: no records", cookie);
        }
        if (folder > ABI_STATUS_NOT_IMPLEMENTED) raw_close(folder);
    }
}

/* ---- what volumes for reading refuse ---- */

GUEST_TEST(a_write_to_a_file_is_denied_by_policy_and_changes_nothing)
{
    static const text paths[] = {PROGRAM_PATH}; /* the boot archive cannot change */
    struct abi_stat stat;
    EXPECT_STATUS(OK, directory_stat(root, &stat));
    if ((stat.rights & ABI_RIGHT_WRITE) == 0) {
        guest_test_skip("not given the right to write");
        return;
    }
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (try_open(paths[i], 0) != ABI_STATUS_OK) continue;
        OWNED(file_handle) file = open_file(paths[i]);
        memset(other.bytes, 'w', PAGE);
        struct abi_submission request = {
            .op = ABI_OP_WRITE,
            .capability = file.raw,
            .buffer_index = other.index,
            .length_bytes = PAGE,
        };
        EXPECT_EQUAL(ABI_STATUS_PERMISSION_DENIED, raw_status(raw_call(request)));
        request.offset_bytes = ABI_OFFSET_CURRENT;
        EXPECT_EQUAL(ABI_STATUS_PERMISSION_DENIED, raw_status(raw_call(request)));
        EXPECT_EQUAL(0, call_seek(file.raw, 0, ABI_SEEK_CURRENT).value);
        EXPECT_EQUAL(4, read_span(file.raw, 0, 0, 4).value);
        EXPECT(scratch.bytes[0] != 'w');
    }
}

GUEST_TEST(a_file_without_a_program_is_not_executed)
{
    struct abi_stat stat;
    EXPECT_STATUS(OK, directory_stat(root, &stat));
    if ((stat.rights & ABI_RIGHT_EXECUTE) == 0) {
        guest_test_skip("not given the right to execute");
        return;
    }
    OWNED(file_handle) text_file = open_file(TEXT("boot/welcome.txt"));
    EXPECT_STATUS(NOT_EXECUTABLE,
                  peal_process_spawn(file_borrow(&text_file), &(struct peal_spawn){0}).status);
    OWNED(file_handle) program = open_file(PROGRAM_PATH);
    file_result without = file_dup(file_borrow(&program), RIGHTS_READ);
    REQUIRE(is_ok(without.status));
    OWNED(file_handle) not_to_be_run = TAKE(without.value);
    EXPECT_STATUS(INSUFFICIENT_RIGHTS,
                  peal_process_spawn(file_borrow(&not_to_be_run), &(struct peal_spawn){0}).status);
    if (!has_sample_disk()) return;
    static const text paths[] = {PATTERN_PATH, TEXT("disk0/documents/empty.txt"),
                                 TEXT("disk0/numbers/lines.txt")};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        OWNED(file_handle) data = open_file(paths[i]);
        EXPECT_STATUS(NOT_EXECUTABLE,
                      peal_process_spawn(file_borrow(&data), &(struct peal_spawn){0}).status);
    }
}
