#include "peal/clock.h"
#include "peal/memory.h"
#include "peal/output.h"
#include "peal/ring.h"
#include "peal/thread.h"
#include "peal/usage.h"

static const char usage[] =
    "hog memory|handles|ring|threads\n"
    "Takes as much as it gets, says where the end was, and gives it back by ending.\n"
    "  memory    touches pages until there are none: the system ends this program\n"
    "  handles   makes handles until the table or the quota is full\n"
    "  ring      has requests in flight until no completion slot is left\n"
    "  threads   starts threads until there may be no more\n";

#define STEP_BYTES (1u << 20)

static int hog_memory(void)
{
    for (uint64_t taken_bytes = 0;; taken_bytes += STEP_BYTES) {
        pointer_result made = peal_memory_map(STEP_BYTES);
        if (!is_ok(made.status)) {
            peal_print("%lu MiB, then:\n", taken_bytes >> 20);
            peal_error_status(TEXT("memory"), made.status);
            return 0;
        }
        for (uint64_t at = 0; at < STEP_BYTES; at += ABI_PAGE_BYTES)
            __atomic_store_n((uint8_t *)made.value + at, 1, __ATOMIC_RELAXED);
        if ((taken_bytes >> 20) % 64 != 63) continue;
        peal_print("%lu MiB\n", (taken_bytes >> 20) + 1);
        peal_flush();
    }
}

static int hog_handles(void)
{
    buffer_result made = peal_buffer_create(ABI_PAGE_BYTES, 0);
    if (!is_ok(made.status)) {
        peal_error_status(TEXT("buffer"), made.status);
        return EXIT_CODE_FAILED;
    }
    OWNED(buffer_handle) buffer = TAKE(made.value);
    for (uint64_t count = 0;; count++) {
        buffer_result copy = buffer_dup(buffer_borrow(&buffer), ABI_RIGHTS_ALL);
        if (is_ok(copy.status)) {
            (void)TAKE(copy.value); /* kept until the program ends: that is the point */
            continue;
        }
        peal_print("%lu handles, then:\n", count);
        peal_error_status(TEXT("handles"), copy.status);
        return 0;
    }
}

static status ring_end;

/* On a thread of its own: a ring that is full cannot print either. */
static int fill_ring(uint64_t)
{
    uint64_t late_ns = peal_deadline_in_ms(3'600'000);
    for (uint64_t count = 0;;) {
        struct abi_submission *slot = peal_ring_slot();
        if (slot != nullptr) {
            peal_prepare_sleep(slot, (struct abi_submission){.args = {late_ns}});
            peal_ring_push();
            continue;
        }
        size_result entered = peal_submit(0, 0);
        count += entered.value;
        ring_end = entered.status;
        if (!is_ok(entered.status)) return (int)count;
    }
}

static int hog_ring(void)
{
    running_thread_result started = peal_thread_create(fill_ring, 0);
    if (!is_ok(started.status)) {
        peal_error_status(TEXT("thread"), started.status);
        return EXIT_CODE_FAILED;
    }
    running_thread thread = TAKE(started.value);
    size_result count = peal_thread_join(&thread);
    peal_print("%lu requests in flight, then:\n", count.value);
    peal_error_status(TEXT("ring"), is_ok(count.status) ? ring_end : count.status);
    return 0;
}

static int sleep_long(uint64_t)
{
    ignore_status(peal_sleep_until(peal_deadline_in_ms(3'600'000)));
    return 0;
}

static int hog_threads(void)
{
    for (uint64_t count = 0;; count++) {
        running_thread_result started = peal_thread_create(sleep_long, 0);
        if (is_ok(started.status)) {
            (void)TAKE(started.value); /* ends with the program */
            continue;
        }
        peal_print("%lu threads, then:\n", count);
        peal_error_status(TEXT("threads"), started.status);
        return 0;
    }
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    text what = peal_argument(arguments, 1);
    if (peal_text_equal(what, TEXT("memory"))) return hog_memory();
    if (peal_text_equal(what, TEXT("handles"))) return hog_handles();
    if (peal_text_equal(what, TEXT("ring"))) return hog_ring();
    if (peal_text_equal(what, TEXT("threads"))) return hog_threads();
    return peal_usage_error("say what: memory, handles, ring or threads");
}
