/* Processors and their timers, as far as module tests need them. */
#include "arch/arch/cpu.h"
#include "arch/arch/timer.h"
#include "arch/host/host.h"
#include "debug/assert.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static constexpr uint32_t INDEX_NONE = UINT32_MAX;

thread_local bool host_interrupts_enabled = true;
thread_local struct thread *host_current_thread;
thread_local struct host_timer host_timer;
_Atomic uint64_t host_kicked;
_Atomic uint64_t host_stopped_ticks;

static thread_local uint32_t own_index = INDEX_NONE;
static _Atomic uint64_t indices_claimed;
static pthread_key_t index_key;
static pthread_once_t index_key_once = PTHREAD_ONCE_INIT;

/* Runs when a thread ends; `claim` is its index plus one. */
static void give_index(void *claim)
{
    atomic_fetch_and(&indices_claimed, ~(1ull << ((uintptr_t)claim - 1)));
}

static void make_index_key(void)
{
    pthread_key_create(&index_key, give_index);
}

static uint32_t claim_index(void)
{
    pthread_once(&index_key_once, make_index_key);
    uint64_t claimed = atomic_load(&indices_claimed);
    uint32_t index;
    do {
        if (claimed == UINT64_MAX) panic("more threads than processors");
        index = (uint32_t)__builtin_ctzll(~claimed);
    } while (!atomic_compare_exchange_weak(&indices_claimed, &claimed, claimed | 1ull << index));
    pthread_setspecific(index_key, (void *)(uintptr_t)(index + 1));
    return index;
}

uint32_t host_cpu_index(void)
{
    if (own_index == INDEX_NONE) own_index = claim_index();
    return own_index;
}

uint32_t cpu_count(void)
{
    return CPU_COUNT_MAX;
}

uint64_t cpu_wait_for_interrupt(void)
{
    panic("nothing interrupts a host processor");
}

void cpu_kick(uint32_t index)
{
    atomic_fetch_or(&host_kicked, 1ull << index);
}

bool cpu_random(uint64_t *out)
{
    return getrandom(out, sizeof(*out), 0) == sizeof(*out);
}

void machine_power_off(void)
{
    exit(0);
}

void machine_reboot(void)
{
    exit(0);
}

void machine_test_exit(uint8_t code)
{
    exit(code);
}

uint64_t host_ticks(void)
{
    uint64_t stopped = atomic_load(&host_stopped_ticks);
    if (stopped) return stopped;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct tick_rate arch_tick_rate(void)
{
    return (struct tick_rate){
        .ticks_per_second = 1000000000, .multiplier = 1ull << 32, .shift = 32};
}

void arch_timer_arm(uint64_t ns)
{
    host_timer = (struct host_timer){.armed_ns = ns, .is_armed = true};
}

void arch_timer_disarm(void)
{
    host_timer = (struct host_timer){0};
}

uint64_t arch_real_time_seconds(void)
{
    return 0;
}
