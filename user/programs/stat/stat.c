#include "peal/calendar.h"
#include "peal/file.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "stat path...\n"
    "Tells what a file or directory is: kind, size, dates, and the rights with which it\n"
    "could be opened.\n";

static void print_time(const char *label, uint64_t ns)
{
    if (ns == 0) return;
    struct calendar_time when = calendar_from_ns(ns);
    peal_print("  %-10s %04u-%02u-%02u %02u:%02u:%02u UTC\n", label, when.year, when.month,
               when.day, when.hour, when.minute, when.second);
}

static void print_stat(text path, const struct abi_stat *stat)
{
    char bytes[256];
    struct writer rights = WRITER(bytes);
    text kind = peal_kind_name(stat->kind);
    peal_format_rights(&rights, stat->rights);
    peal_print("%.*s\n  %-10s %.*s\n", TEXT_ARGUMENTS(path), "kind", TEXT_ARGUMENTS(kind));
    if (stat->kind == ABI_KIND_FILE) peal_print("  %-10s %lu bytes\n", "size", stat->size_bytes);
    peal_print("  %-10s %.*s\n", "rights", TEXT_ARGUMENTS(writer_text(&rights)));
    peal_print("  %-10s %lu\n  %-10s %lu\n", "object", stat->object_id, "volume",
               stat->file.volume);
    print_time("modified", stat->file.modified_ns);
    print_time("created", stat->file.created_ns);
    peal_print("  %-10s%s%s%s%s\n", "attributes",
               stat->file.attributes & ABI_ATTRIBUTE_READ_ONLY ? " read-only" : "",
               stat->file.attributes & ABI_ATTRIBUTE_HIDDEN ? " hidden" : "",
               stat->file.attributes & ABI_ATTRIBUTE_SYSTEM ? " system" : "",
               stat->file.attributes == 0 ? " none" : "");
}

static status describe(text path)
{
    struct abi_stat stat;
    file_result opened = peal_path_open_file(path, ABI_RIGHTS_ALL);
    if (is_ok(opened.status)) {
        OWNED(file_handle) file = TAKE(opened.value);
        TRY(file_stat(file_borrow(&file), &stat));
    } else {
        directory_result folder_opened = peal_path_open_directory(path, ABI_RIGHTS_ALL);
        TRY(folder_opened.status);
        OWNED(directory_handle) folder = TAKE(folder_opened.value);
        TRY(directory_stat(directory_borrow(&folder), &stat));
    }
    print_stat(path, &stat);
    return OK;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    if (arguments.count == 1) return peal_usage_error("a path is needed");
    int code = 0;
    for (uint32_t i = 1; i < arguments.count; i++) {
        status described = describe(peal_argument(arguments, i));
        if (is_ok(described)) continue;
        peal_error_status(peal_argument(arguments, i), described);
        code = EXIT_CODE_FAILED;
    }
    return code;
}
