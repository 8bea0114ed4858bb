#include "busy_time.h"
#include "peal/clock.h"
#include "peal/program.h"

size_result busy_time_ns(void)
{
    struct abi_stat stat;
    TRY_AS(size_result, system_stat(peal_granted_system(TEXT("system")), &stat));
    return (size_result){.value = peal_clock_now_ns() - stat.system.idle_ns};
}
