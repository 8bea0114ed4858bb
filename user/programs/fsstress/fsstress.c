#include "peal/clock.h"
#include "peal/format.h"
#include "peal/heap.h"
#include "peal/options.h"
#include "peal/output.h"
#include "peal/progress.h"
#include "peal/system.h"
#include "peal/thread.h"
#include "peal/usage.h"
#include "worker.h"

#define WORKERS_MAX    64u
#define FILES_MAX      1000u
#define FILE_BYTES_MAX (64ull << 20)

static const char usage[] =
    "fsstress [options] directory\n"
    "Lets several workers do at random to files in a directory what can be done: create, write,\n"
    "append, read, cut, lengthen, rename, replace, remove, list, sync. Every byte that is read is\n"
    "compared with what was written. Ends with exit code 0 when there was no fault. Takes as much\n"
    "memory as WORKERS x FILES x BYTES.\n"
    "  -s SEED        what happens, the same again for the same number\n"
    "  -t WORKERS     workers at once, a thread each (4)\n"
    "  -n OPERATIONS  of each worker (2000)\n"
    "  -f FILES       of each worker (16)\n"
    "  -b BYTES       the largest a file may become: 100, 64k, 1m (128k)\n"
    "  -l             print what is durable, to be compared after a power cut\n"
    "  -k             keep the files in the end\n";

struct choices {
    struct stress_plan *plan;
    uint32_t workers;
};

static bool number_within(text value, uint64_t limit, uint64_t *out_number)
{
    return peal_text_to_bytes(value, out_number) && *out_number > 0 && *out_number <= limit;
}

/* What is wrong with an option, or nullptr. */
static const char *take_option(struct choices *choices, char letter, text value)
{
    struct stress_plan *plan = choices->plan;
    uint64_t number = 0;
    switch (letter) {
    case 's':
        return peal_text_to_number(value, &plan->seed) ? nullptr : "a seed is a number";
    case 't':
        if (!number_within(value, WORKERS_MAX, &number)) return "there are 1 to 64 workers";
        choices->workers = (uint32_t)number;
        return nullptr;
    case 'n':
        return number_within(value, UINT64_MAX / WORKERS_MAX, &plan->operations)
                   ? nullptr
                   : "how many operations is a number";
    case 'f':
        if (!number_within(value, FILES_MAX, &number)) return "there are 1 to 1000 files";
        plan->files = (uint32_t)number;
        return nullptr;
    case 'b':
        return number_within(value, FILE_BYTES_MAX, &plan->file_bytes_max)
                   ? nullptr
                   : "a file may have 1 to 64m bytes";
    case 'l':
        plan->logs = true;
        return nullptr;
    default:
        plan->keeps = true;
        return nullptr;
    }
}

static uint64_t counted(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* "8.1M" */
struct size_words {
    char bytes[16];
    text words;
};
static text size_in_words(struct size_words *words, uint64_t bytes)
{
    struct writer writer = WRITER(words->bytes);
    peal_format_bytes(&writer, bytes);
    return words->words = writer_text(&writer);
}

static uint64_t per_second(uint64_t amount, uint64_t since_ns)
{
    uint64_t ms = (peal_clock_now_ns() - since_ns) / 1'000'000;
    return amount * 1000 / (ms == 0 ? 1 : ms);
}

static void watch(const struct stress_plan *plan, struct progress *progress, uint64_t began_ns)
{
    while (counted(&plan->done) < progress->total &&
           !atomic_load_explicit(&plan->is_stopped, memory_order_relaxed)) {
        char bytes[80];
        struct writer words = WRITER(bytes);
        struct size_words written;
        writer_format(&words, "%lu operations/s, %.*s written",
                      per_second(counted(&plan->done), began_ns),
                      TEXT_ARGUMENTS(size_in_words(&written, counted(&plan->written_bytes))));
        if (!plan->logs) progress_show(progress, counted(&plan->done), writer_text(&words));
        ignore_status(peal_sleep_until(peal_deadline_in_ms(PROGRESS_INTERVAL_MS / 4)));
    }
    progress_end(progress);
}

static void print_summary(const struct stress_plan *plan, uint64_t began_ns)
{
    struct size_words written, verified;
    uint64_t ms = (peal_clock_now_ns() - began_ns) / 1'000'000;
    peal_print("fsstress: seed %lu: %lu operations in %lu.%03lu s, %.*s written, %.*s compared, "
               "%lu syncs, %lu refused for want of room, %lu faults\n",
               plan->seed, counted(&plan->done), ms / 1000, ms % 1000,
               TEXT_ARGUMENTS(size_in_words(&written, counted(&plan->written_bytes))),
               TEXT_ARGUMENTS(size_in_words(&verified, counted(&plan->verified_bytes))),
               counted(&plan->syncs), counted(&plan->refused), counted(&plan->faults));
}

/* Starts them all, waits for them all. False: not all could be started. */
static bool run_workers(struct stress_plan *plan, struct worker *workers, uint32_t count)
{
    running_thread threads[WORKERS_MAX] = {0};
    struct progress progress = {.total = plan->operations * count};
    uint64_t began_ns = peal_clock_now_ns();
    uint32_t started = 0;
    for (; started < count; started++) {
        workers[started] = (struct worker){.plan = plan, .number = started};
        running_thread_result made =
            peal_thread_create(worker_run, (uint64_t)(uintptr_t)&workers[started]);
        if (!is_ok(made.status)) {
            peal_error_status(TEXT("a worker"), made.status);
            atomic_store_explicit(&plan->is_stopped, true, memory_order_relaxed);
            break;
        }
        threads[started] = TAKE(made.value);
    }
    watch(plan, &progress, began_ns);
    for (uint32_t i = 0; i < started; i++)
        running_thread_drop(&threads[i]);
    print_summary(plan, began_ns);
    return started == count;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    static struct stress_plan plan = {.operations = 2000, .files = 16, .file_bytes_max = 128 << 10};
    struct choices choices = {.plan = &plan, .workers = 4};
    status drawn = peal_random(SPAN_OF(plan.seed));
    plan.seed = is_ok(drawn) ? plan.seed % 1'000'000 : 1;
    struct peal_options options = {.arguments = arguments, .letters = "s:t:n:f:b:lk"};
    text value;
    for (char letter; (letter = peal_option_next(&options, &value)) != 0;) {
        const char *wrong = take_option(&choices, letter, value);
        if (wrong != nullptr) return peal_usage_error(wrong);
    }
    if (options.is_wrong) return EXIT_CODE_USAGE;
    if (arguments.count != options.next + 1) return peal_usage_error("one directory is needed");

    text path = peal_argument(arguments, options.next);
    directory_result opened = peal_path_open_directory(path, RIGHTS_FOLDER_WRITE);
    if (!is_ok(opened.status)) {
        peal_error_status(path, opened.status);
        return EXIT_CODE_FAILED;
    }
    OWNED(directory_handle) folder = TAKE(opened.value);
    plan.folder = directory_borrow(&folder);
    static struct worker workers[WORKERS_MAX];
    bool is_whole = run_workers(&plan, workers, choices.workers);
    for (uint32_t i = 0; i < choices.workers; i++)
        if (workers[i].message_bytes > 0)
            peal_error("worker %u: %.*s", i, (int)workers[i].message_bytes, workers[i].message);
    return is_whole && counted(&plan.faults) == 0 ? 0 : EXIT_CODE_FAILED;
}
