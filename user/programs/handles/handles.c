#include "peal/file.h"
#include "peal/output.h"
#include "peal/system.h"
#include "peal/usage.h"

static const char usage[] =
    "handles [process number]\n"
    "Lists what a process holds: kind, rights, the object's number, how many references it\n"
    "has, and in how many steps the handle was derived from the first one (`why` tells them).\n"
    "Without a number, what this program itself was granted.\n";

static void print_rights(uint64_t rights_held)
{
    char bytes[256];
    struct writer rights = WRITER(bytes);
    peal_format_rights(&rights, rights_held);
    peal_print("%.*s\n", TEXT_ARGUMENTS(writer_text(&rights)));
}

static int list_own(void)
{
    for (uint32_t i = 0; i < peal_granted_count(); i++) {
        const struct abi_startup_handle *granted = peal_granted_at(i);
        text name = peal_text_from_field(granted->name, sizeof(granted->name));
        text kind = peal_kind_name(granted->kind);
        peal_print("%-10.*s %-10.*s ", TEXT_ARGUMENTS(name), TEXT_ARGUMENTS(kind));
        print_rights(granted->rights);
    }
    return 0;
}

static status list_process(uint64_t id)
{
    process_result opened =
        peal_process_open(peal_granted_system(TEXT("system")), id,
                          ABI_RIGHT_ENUMERATE | ABI_RIGHT_STAT | ABI_RIGHT_CLOSE);
    TRY(opened.status);
    OWNED(process_handle) process = TAKE(opened.value);
    struct listing listing = {.raw = process_borrow(&process).raw};
    const struct abi_handle_entry *entry;
    peal_print("%6s %-14s %8s %5s %8s  %s\n", "SLOT", "KIND", "OBJECT", "REFS", "STEPS", "RIGHTS");
    while ((entry = peal_list_handles(&listing)) != nullptr) {
        text kind = peal_kind_name(entry->kind);
        peal_print("%6lu %-14.*s %8lu %5u %8u  ", (uint64_t)(entry->handle & ABI_HANDLE_SLOT_MASK),
                   TEXT_ARGUMENTS(kind), entry->object_id, entry->references,
                   entry->derivation_step);
        print_rights(entry->rights);
    }
    return listing.status;
}

int peal_main(struct peal_arguments arguments)
{
    uint64_t id;
    if (peal_wants_help(arguments, usage)) return 0;
    if (arguments.count == 1) return list_own();
    if (arguments.count != 2 || !peal_text_to_number(peal_argument(arguments, 1), &id))
        return peal_usage_error("one process number is needed; `ps` lists them");
    status listed = list_process(id);
    if (is_ok(listed)) return 0;
    peal_error_status(peal_argument(arguments, 1), listed);
    return EXIT_CODE_FAILED;
}
