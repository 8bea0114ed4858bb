#include "peal/file.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "ps\n"
    "Lists the processes: number, parent, threads, handles, memory, processor time, state\n"
    "and name. `kill NUMBER` ends one, `handles NUMBER` lists what it holds.\n";

static const char *state_name(uint32_t state)
{
    switch (state) {
    case ABI_PROCESS_RUNNING:
        return "running";
    case ABI_PROCESS_ENDING:
        return "ending";
    case ABI_PROCESS_ENDED:
        return "ended";
    default:
        return "?";
    }
}

static void print_process(const struct abi_stat_process *process)
{
    char bytes[16];
    struct writer memory = WRITER(bytes);
    text name = peal_text_from_field(process->name, sizeof(process->name));
    peal_format_bytes(&memory, process->memory_bytes);
    peal_print("%6lu %6lu %7u %7u %8.*s %6lu.%03lu  %-8s %.*s\n", process->id, process->parent_id,
               process->thread_count, process->handle_count, TEXT_ARGUMENTS(writer_text(&memory)),
               process->processor_ns / 1'000'000'000u, process->processor_ns / 1'000'000u % 1000,
               state_name(process->state), TEXT_ARGUMENTS(name));
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    system_ref system = peal_granted_system(TEXT("system"));
    if (system_is_nil(system)) {
        peal_error("needs the handle \"system\"; the shell grants it: `help ps`");
        return EXIT_CODE_FAILED;
    }
    struct listing listing = {.raw = system.raw};
    const struct abi_process_entry *entry;
    peal_print("%6s %6s %7s %7s %8s %10s  %-8s %s\n", "NUMBER", "PARENT", "THREADS", "HANDLES",
               "MEMORY", "SECONDS", "STATE", "NAME");
    while ((entry = peal_list_processes(&listing)) != nullptr)
        print_process(&entry->process);
    if (is_ok(listing.status)) return 0;
    peal_error_status(TEXT("system"), listing.status);
    return EXIT_CODE_FAILED;
}
