#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] = "free\nTells how much memory there is and who has it.\n";

static void print_share(const char *label, uint64_t bytes, uint64_t total_bytes)
{
    char size_bytes[16];
    struct writer size = WRITER(size_bytes);
    uint64_t per_mille = total_bytes < 1024 ? 0 : (bytes / 1024 * 1000) / (total_bytes / 1024);
    peal_format_bytes(&size, bytes);
    peal_print("%-10s %8.*s %10lu KiB %4lu.%lu %%\n", label, TEXT_ARGUMENTS(writer_text(&size)),
               bytes / 1024, per_mille / 10, per_mille % 10);
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct abi_stat stat;
    status asked = system_stat(peal_granted_system(TEXT("system")), &stat);
    if (!is_ok(asked)) {
        peal_error_status(TEXT("system"), asked);
        return EXIT_CODE_FAILED;
    }
    const struct abi_stat_system *system = &stat.system;
    uint64_t total = system->memory_total_bytes;
    uint64_t used = total - system->memory_free_bytes;
    uint64_t known = system->memory_cache_bytes + system->memory_kernel_bytes;
    print_share("total", total, total);
    print_share("free", system->memory_free_bytes, total);
    print_share("in use", used, total);
    print_share("  kernel", system->memory_kernel_bytes, total);
    print_share("  cache", system->memory_cache_bytes, total);
    print_share("  programs", used > known ? used - known : 0, total);
    peal_print("%u processes, %u threads, %u handles, %u objects\n", system->process_count,
               system->thread_count, system->handle_count, system->object_count);
    return 0;
}
