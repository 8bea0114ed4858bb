#include "peal/file.h"
#include "peal/history.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "reach name | object number\n"
    "Lists who can reach an object, through whom, and with which rights: the one that a handle\n"
    "granted under this name is for, or one by its number (`handles NUMBER` shows them). Handles\n"
    "that were taken back are not listed, for they reach nothing.\n";

#define RECORDS_MAX 64u
static struct abi_derivation records[RECORDS_MAX];

static void print_record(const struct abi_derivation *record, system_ref system)
{
    char who_bytes[96], by_bytes[96], how_bytes[64], rights_bytes[256];
    struct writer who = WRITER(who_bytes), by = WRITER(by_bytes), how = WRITER(how_bytes);
    struct writer rights = WRITER(rights_bytes);
    if (record->holder_process != 0)
        peal_format_process(&who, system, record->holder_process);
    else
        writer_write(&who, record->in_use != 0 ? TEXT("(in use)") : TEXT("(in a message)"));
    peal_format_origin(&how, record->origin);
    peal_format_process(&by, system, record->origin_process);
    peal_format_rights(&rights, record->rights);
    peal_print("%-20.*s %6lu %5u  %-26.*s %-20.*s %.*s\n", TEXT_ARGUMENTS(writer_text(&who)),
               (uint64_t)(record->handle & ABI_HANDLE_SLOT_MASK), record->step,
               TEXT_ARGUMENTS(writer_text(&how)), TEXT_ARGUMENTS(writer_text(&by)),
               TEXT_ARGUMENTS(writer_text(&rights)));
}

static status list(system_ref system, uint64_t object_id)
{
    uint64_t cookie = 0;
    peal_print("%-20s %6s %5s  %-26s %-20s %s\n", "WHO", "SLOT", "STEP", "HOW", "BY", "RIGHTS");
    for (;;) {
        size_result told = peal_system_reach(system, object_id, cookie, records, RECORDS_MAX);
        TRY(told.status);
        if (told.value == 0) return OK;
        for (uint64_t i = 0; i < told.value; i++)
            print_record(&records[i], system);
        cookie = records[told.value - 1].next_cookie;
    }
}

/* The number of the object that is meant. */
static status find_object(text meant, uint64_t *out_object_id)
{
    const struct abi_startup_handle *granted = peal_granted(meant);
    if (granted == nullptr) return peal_text_to_number(meant, out_object_id) ? OK : FAIL(NOT_FOUND);
    struct abi_stat stat;
    TRY(peal_raw_stat(granted->handle, &stat));
    *out_object_id = stat.object_id;
    return OK;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    if (arguments.count != 2) return peal_usage_error("one name or object number is needed");
    system_ref system = peal_granted_system(TEXT("system"));
    if (system_is_nil(system)) {
        peal_error("needs the handle \"system\"; the shell grants it: `help reach`");
        return EXIT_CODE_FAILED;
    }
    uint64_t object_id;
    status outcome = find_object(peal_argument(arguments, 1), &object_id);
    if (is_ok(outcome)) outcome = list(system, object_id);
    if (is_ok(outcome)) return 0;
    peal_error_status(peal_argument(arguments, 1), outcome);
    return EXIT_CODE_FAILED;
}
