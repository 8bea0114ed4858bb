#include "peal/file.h"
#include "peal/history.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "why name...\n"
    "Tells how a handle granted under this name (`handles` lists them) came to be, from the\n"
    "handle itself up to the one its object was first given out with: at each step who made\n"
    "it, how, who holds it, and which rights were lost there. A refusal names the step, too.\n"
    "`with root:read+look_up why root` shows what a program started so would get.\n";

#define RECORDS_MAX 256u
static struct abi_derivation records[RECORDS_MAX];

static text in_words(struct writer *writer, system_ref system, uint64_t process)
{
    writer->length = 0;
    peal_format_process(writer, system, process);
    return writer_text(writer);
}

static void print_rights(const char *label, uint64_t rights)
{
    char bytes[256];
    struct writer writer = WRITER(bytes);
    peal_format_rights(&writer, rights);
    peal_print("%s%.*s", label, TEXT_ARGUMENTS(writer_text(&writer)));
}

/* `parent`: nullptr when there is none, or it is not known. */
static void print_step(const struct abi_derivation *record, const struct abi_derivation *parent,
                       system_ref system)
{
    char bytes[128], how_bytes[64];
    struct writer writer = WRITER(bytes), how = WRITER(how_bytes);
    peal_format_origin(&how, record->origin);
    peal_print("  step %-4u %.*s", record->step, TEXT_ARGUMENTS(writer_text(&how)));
    if (record->origin != ABI_ORIGIN_CREATED)
        peal_print(" by %.*s", TEXT_ARGUMENTS(in_words(&writer, system, record->origin_process)));
    if (record->holder_process != 0)
        peal_print(", held by %.*s",
                   TEXT_ARGUMENTS(in_words(&writer, system, record->holder_process)));
    else
        peal_print(", held by nobody now");
    if (parent == nullptr) {
        print_rights(", with ", record->rights);
    } else if ((parent->rights & ~record->rights) != 0) {
        print_rights(", lost ", parent->rights & ~record->rights);
    }
    if (parent != nullptr && parent->object_id != record->object_id)
        peal_print(", of %.*s %lu", TEXT_ARGUMENTS(peal_kind_name(parent->kind)),
                   parent->object_id);
    peal_print("\n");
}

static status tell(text name, peal_raw_handle handle)
{
    size_result told = peal_raw_explain(handle, records, RECORDS_MAX);
    TRY(told.status);
    text kind = peal_kind_name(records[0].kind);
    peal_print("%.*s: %.*s, object %lu", TEXT_ARGUMENTS(name), TEXT_ARGUMENTS(kind),
               records[0].object_id);
    print_rights(", ", records[0].rights);
    peal_print("\n");
    system_ref system = peal_granted_system(TEXT("system"));
    for (uint64_t i = 0; i < told.value; i++)
        print_step(&records[i], i + 1 < told.value ? &records[i + 1] : nullptr, system);
    if (records[told.value - 1].parent_id != 0) peal_print("  ... and more before that\n");
    return OK;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    if (arguments.count == 1) return peal_usage_error("the name of a granted handle is needed");
    int code = 0;
    for (uint32_t i = 1; i < arguments.count; i++) {
        text name = peal_argument(arguments, i);
        const struct abi_startup_handle *granted = peal_granted(name);
        status told = granted != nullptr ? tell(name, granted->handle) : OK;
        if (granted != nullptr && is_ok(told)) continue;
        if (granted == nullptr)
            peal_error("no handle named '%.*s' was granted; `handles` lists those that are",
                       TEXT_ARGUMENTS(name));
        else
            peal_error_status(name, told);
        code = EXIT_CODE_FAILED;
    }
    return code;
}
