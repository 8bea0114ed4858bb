#include "peal/file.h"
#include "peal/format.h"
#include "peal/options.h"
#include "peal/output.h"
#include "peal/usage.h"
#include "transfer.h"

#define TEMPORARY_NAME   TEXT("diskbench.tmp")
#define SEQUENTIAL_BYTES (64u << 10)
#define RANDOM_BYTES     (4u << 10)
#define TRANSFERS_MAX    65536u
#define SIZE_BYTES_MAX   (4ull << 30)

static const char usage[] =
    "diskbench [options] path\n"
    "Measures reading and writing. In a directory it makes a file, diskbench.tmp, that is gone in\n"
    "the end. A file or a block device (/dev/...) is read only, unless -w is given.\n"
    "  -b BYTES  how much of it: 4m, 1g (16m)\n"
    "  -n COUNT  random transfers in each test (1000)\n"
    "  -c        through the page cache only\n"
    "  -d        straight between device and memory only\n"
    "  -w        write to the file or device, too: WHAT IS IN IT IS LOST\n"
    "Sequential transfers have 64 KiB, random ones 4 KiB. Writing includes a sync in the end. "
    "What\n"
    "was just written is read from memory, with the cache: that measures the cache.\n";

struct bench {
    peal_raw_handle target;
    uint64_t size_bytes;
    uint64_t random_count;
    bool may_write;
    bool has_cached;
    bool has_direct;
    bool has_failed;
};

/* ---- the table ---- */

struct test {
    text name;
    uint64_t piece_bytes;
    uint32_t depth;
    bool is_write;
    bool is_random;
};

static const struct test tests[] = {
    {TEXT("write 64 KiB in order"), SEQUENTIAL_BYTES, 1, true, false},
    {TEXT("write 64 KiB in order"), SEQUENTIAL_BYTES, 8, true, false},
    {TEXT("read 64 KiB in order"), SEQUENTIAL_BYTES, 1, false, false},
    {TEXT("read 64 KiB in order"), SEQUENTIAL_BYTES, 8, false, false},
    {TEXT("read 4 KiB at random"), RANDOM_BYTES, 1, false, true},
    {TEXT("read 4 KiB at random"), RANDOM_BYTES, 8, false, true},
    {TEXT("read 4 KiB at random"), RANDOM_BYTES, 32, false, true},
    {TEXT("write 4 KiB at random"), RANDOM_BYTES, 1, true, true},
    {TEXT("write 4 KiB at random"), RANDOM_BYTES, 8, true, true},
    {TEXT("write 4 KiB at random"), RANDOM_BYTES, 32, true, true},
};

static void print_result(const struct transfer_plan *plan, const struct transfer_result *result)
{
    uint64_t us = result->elapsed_ns / 1000 + 1;
    uint64_t bytes = plan->count * plan->piece_bytes;
    uint64_t tenths = bytes * 10 / us; /* bytes per microsecond are megabytes per second */
    peal_print("%8lu.%lu %9lu %10lu %10lu\n", tenths / 10, tenths % 10,
               plan->count * 1'000'000 / us, result->median_ns / 1000, result->slow_ns / 1000);
}

static void run_test(struct bench *bench, const struct test *test, bool is_direct)
{
    uint64_t pieces = bench->size_bytes / test->piece_bytes;
    struct transfer_plan plan = {
        .target = bench->target,
        .size_bytes = pieces * test->piece_bytes,
        .piece_bytes = test->piece_bytes,
        .count = test->is_random ? bench->random_count : pieces,
        .depth = test->depth,
        .is_write = test->is_write,
        .is_random = test->is_random,
        .is_direct = is_direct,
        .ends_with_sync = test->is_write,
    };
    char bytes[80];
    struct writer label = WRITER(bytes);
    writer_format(&label, "%-22.*s %-6s %5u", TEXT_ARGUMENTS(test->name),
                  is_direct ? "direct" : "cached", test->depth);
    struct transfer_result result;
    status outcome = transfer_run(&plan, writer_text(&label), &result);
    peal_print_text(writer_text(&label));
    if (is_ok(outcome)) {
        print_result(&plan, &result);
    } else {
        text name = peal_status_name(outcome);
        peal_print("  %.*s\n", TEXT_ARGUMENTS(name));
        bench->has_failed = true;
    }
    peal_flush();
}

static void run_tests(struct bench *bench, bool is_direct)
{
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        if (bench->may_write || !tests[i].is_write) run_test(bench, &tests[i], is_direct);
}

static int run_bench(struct bench *bench, text path)
{
    if (bench->size_bytes < SEQUENTIAL_BYTES) {
        peal_error("%.*s: too small: 64 KiB are needed", TEXT_ARGUMENTS(path));
        return EXIT_CODE_FAILED;
    }
    peal_print("%-22s %-6s %5s %10s %9s %10s %10s\n", "TEST", "MODE", "DEPTH", "MB/S", "PER S",
               "MEDIAN us", "95 % us");
    if (bench->has_cached) run_tests(bench, false);
    if (bench->has_direct) run_tests(bench, true);
    return bench->has_failed ? EXIT_CODE_FAILED : 0;
}

/* ---- what is measured ---- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* An open one; it stays open. */
static int bench_open(struct bench *bench, text path)
{
    struct abi_stat stat;
    status told = peal_raw_stat(bench->target, &stat);
    if (!is_ok(told)) {
        peal_error_status(path, told);
        return EXIT_CODE_FAILED;
    }
    uint64_t there = stat.size_bytes;
    if (stat.kind == ABI_KIND_BLOCK_DEVICE) {
        if (!bench->has_direct) return peal_usage_error("a device has no cache, so not with -c");
        bench->has_cached = false;
        there = stat.block.sector_count * stat.block.sector_bytes;
    }
    bench->size_bytes = smaller(bench->size_bytes, there);
    return run_bench(bench, path);
}

/* What there is, as long as it is. */
static int bench_existing(struct bench *bench, text path)
{
    uint64_t rights = RIGHTS_READ | (bench->may_write ? ABI_RIGHT_WRITE : 0);
    status opened =
        status_of_raw(peal_raw_path_open(path, rights, ABI_OPEN_MUST_EXIST, &bench->target));
    if (!is_ok(opened)) {
        peal_error_status(path, opened);
        return EXIT_CODE_FAILED;
    }
    int code = bench_open(bench, path);
    peal_raw_close(bench->target);
    return code;
}

/* A file that loses its name at once, so that it is gone however this ends. */
static int bench_folder(struct bench *bench, directory_ref folder)
{
    file_result made = peal_file_create(folder, TEMPORARY_NAME, RIGHTS_WRITE);
    if (!is_ok(made.status)) {
        peal_error_status(TEMPORARY_NAME, made.status);
        return EXIT_CODE_FAILED;
    }
    OWNED(file_handle) file = TAKE(made.value);
    bench->target = file.raw;
    bench->may_write = true;
    status prepared = peal_delete(folder, TEMPORARY_NAME, ABI_DELETE_MUST_BE_FILE);
    if (is_ok(prepared)) prepared = peal_file_truncate(file_borrow(&file), bench->size_bytes);
    if (is_ok(prepared)) return run_bench(bench, TEMPORARY_NAME);
    peal_error_status(TEMPORARY_NAME, prepared);
    return EXIT_CODE_FAILED;
}

static const char *take_option(struct bench *bench, char letter, text value)
{
    switch (letter) {
    case 'b':
        if (peal_text_to_bytes(value, &bench->size_bytes) && bench->size_bytes <= SIZE_BYTES_MAX)
            return nullptr;
        return "how much of it is a size such as 4m, at most 4g";
    case 'n':
        if (peal_text_to_number(value, &bench->random_count) && bench->random_count > 0 &&
            bench->random_count <= TRANSFERS_MAX)
            return nullptr;
        return "there are 1 to 65536 random transfers";
    case 'c':
        bench->has_direct = false;
        return nullptr;
    case 'd':
        bench->has_cached = false;
        return nullptr;
    default:
        bench->may_write = true;
        return nullptr;
    }
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct bench bench = {
        .size_bytes = 16 << 20, .random_count = 1000, .has_cached = true, .has_direct = true};
    struct peal_options options = {.arguments = arguments, .letters = "b:n:cdw"};
    text value;
    for (char letter; (letter = peal_option_next(&options, &value)) != 0;) {
        const char *wrong = take_option(&bench, letter, value);
        if (wrong != nullptr) return peal_usage_error(wrong);
    }
    if (options.is_wrong) return EXIT_CODE_USAGE;
    if (arguments.count != options.next + 1) return peal_usage_error("one path is needed");
    if (!bench.has_cached && !bench.has_direct) return peal_usage_error("-c and -d exclude all");

    text path = peal_argument(arguments, options.next);
    directory_result opened = peal_path_open_directory(path, RIGHTS_FOLDER_WRITE);
    if (!is_ok(opened.status)) return bench_existing(&bench, path);
    OWNED(directory_handle) folder = TAKE(opened.value);
    return bench_folder(&bench, directory_borrow(&folder));
}
