#include "peal/calendar.h"
#include "peal/clock.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "uptime\n"
    "Tells the date, how long the machine has run, how idle its processors were, and how\n"
    "many requests it answered with how many system calls.\n";

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
    struct calendar_time now = calendar_from_ns(peal_clock_real_ns());
    uint64_t seconds = system->uptime_ns / 1'000'000'000u;
    uint64_t available = system->uptime_ns / 100 * system->cpu_count;
    uint64_t idle = available == 0 ? 0 : system->idle_ns / available;
    text version = peal_text_from_field(system->version, sizeof(system->version));
    peal_print("%04u-%02u-%02u %02u:%02u:%02u UTC\n", now.year, now.month, now.day, now.hour,
               now.minute, now.second);
    peal_print("%.*s, up %lu:%02lu:%02lu on %u processor%s, %lu %% idle\n", TEXT_ARGUMENTS(version),
               seconds / 3600, seconds / 60 % 60, seconds % 60, system->cpu_count,
               system->cpu_count == 1 ? "" : "s", idle > 100 ? 100 : idle);
    peal_print("%lu submissions in %lu system calls\n", system->submissions_total,
               system->syscalls_total);
    return 0;
}
