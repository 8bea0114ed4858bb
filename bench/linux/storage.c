/*
 * The Linux side of bench/run_storage: the same loops as user/programs/bench/file_bench.c, on vfat.
 * The only program of its machine: started by the kernel, loads the modules beside it, mounts the
 * volume, prints its figures and powers off.
 *
 * From the kernel's command line: DEVICE (/dev/vda), NAMES of what to measure, with commas, and
 * REPEAT. What is counted is the time without that in which the one processor is idle, as the
 * kernel accounts for it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PIECE_BYTES   (64u << 10)
#define PIECES        1024u
#define SMALL_BYTES   4096u
#define ENTRIES       256u
#define SYNC_ROUNDS   64u
#define OPEN_ROUNDS   1000u
#define CHANGE_ROUNDS 200u
#define LIST_ROUNDS   20u
#define DEVICE_WAITS  500u /* of 10 ms */

static uint8_t piece[PIECE_BYTES] __attribute__((aligned(4096)));

_Noreturn static void stop(const char *why)
{
    if (why != NULL) printf("storage: failed: %s: %s\n", why, strerror(errno));
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    _exit(1);
}

static void check(long outcome, const char *what)
{
    if (outcome < 0) stop(what);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What /proc/timer_list says the processor has slept, waiting for devices or for nothing. */
static uint64_t idle_ns(void)
{
    static char text[1 << 17];
    int file = open("/proc/timer_list", O_RDONLY);
    check(file, "/proc/timer_list");
    size_t length = 0;
    ssize_t got;
    while ((got = read(file, text + length, sizeof(text) - 1 - length)) > 0)
        length += (size_t)got;
    close(file);
    text[length] = 0;
    uint64_t sum = 0;
    uint32_t found = 0;
    for (const char *at = text; (at = strstr(at, "_sleeptime")) != NULL; at++) {
        const char *colon = strchr(at, ':');
        if (colon == NULL) break;
        sum += strtoull(colon + 1, NULL, 10);
        found++;
    }
    if (found < 2) stop("no idle times");
    return sum;
}

/* ---- counting ---- */

/* Written before anything is counted. */
static char own_files[ENTRIES][64];

static void name_files(void)
{
    for (uint32_t i = 0; i < ENTRIES; i++)
        snprintf(own_files[i], sizeof(own_files[i]), "/disk0/bench.folder/file%u", i);
}

static void file_make(uint32_t number)
{
    const char *name = own_files[number];
    int file = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);
    check(file, name);
    close(file);
}

static void file_remove(uint32_t number)
{
    const char *name = own_files[number];
    check(unlink(name), name);
}

struct counted {
    const char *name;
    void (*round)(uint32_t number);
    uint32_t warm_rounds, rounds, files_first, files_last, divisor;
};

static uint64_t count(const struct counted *counted)
{
    check(mkdir("/disk0/bench.folder", 0755), "mkdir");
    for (uint32_t i = 0; i < counted->files_first; i++)
        file_make(i);
    for (uint32_t i = 0; i < counted->warm_rounds; i++)
        counted->round(i);
    /* The clock is read inside of the idle times, whose reading costs more than some rounds. */
    uint64_t idle_before_ns = idle_ns();
    uint64_t start_ns = now_ns();
    for (uint32_t i = 0; i < counted->rounds; i++)
        counted->round(counted->warm_rounds + i);
    uint64_t ns = now_ns() - start_ns;
    ns -= idle_ns() - idle_before_ns;
    for (uint32_t i = 0; i < counted->files_last; i++)
        file_remove(i);
    check(rmdir("/disk0/bench.folder"), "rmdir");
    return ns / counted->rounds / counted->divisor;
}

static void round_open(uint32_t number)
{
    (void)number;
    struct stat what;
    int file = open(own_files[0], O_RDONLY);
    check(file, "open");
    check(fstat(file, &what), "fstat");
    close(file);
}

static void round_create_write_sync(uint32_t number)
{
    const char *name = own_files[number];
    int file = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);
    check(file, name);
    if (write(file, piece, SMALL_BYTES) != SMALL_BYTES) stop("write");
    check(fsync(file), "fsync");
    close(file);
}

static void round_create_delete(uint32_t number)
{
    (void)number;
    file_make(0);
    file_remove(0);
}

static void round_rename(uint32_t number)
{
    check(rename(own_files[number % 2], own_files[(number + 1) % 2]), "rename");
}

static void round_list(uint32_t number)
{
    (void)number;
    DIR *folder = opendir("/disk0/bench.folder");
    if (folder == NULL) stop("opendir");
    uint32_t files = 0;
    while (readdir(folder) != NULL)
        files++;
    closedir(folder);
    if (files != ENTRIES + 2) stop("some files are missing"); /* with "." and ".." */
}

static const struct counted counted[] = {
    {"open_stat_close", round_open, 100, OPEN_ROUNDS, 1, 1, 1},
    {"create_write_sync", round_create_write_sync, 8, SYNC_ROUNDS, 0, 8 + SYNC_ROUNDS, 1},
    {"create_delete", round_create_delete, 20, CHANGE_ROUNDS, 0, 0, 1},
    {"rename", round_rename, 20, CHANGE_ROUNDS, 1, 1, 1},
    {"enumerate", round_list, 2, LIST_ROUNDS, ENTRIES, ENTRIES, ENTRIES},
};

/* ---- much of a file, in time ---- */

static uint64_t write_64m(void)
{
    for (uint32_t i = 0; i < PIECE_BYTES; i++)
        piece[i] = (uint8_t)(1 + i % 127);
    uint64_t start_ns = now_ns();
    int file = open("/disk0/bench64m.tmp", O_RDWR | O_CREAT | O_EXCL, 0644);
    check(file, "bench64m.tmp");
    for (uint32_t i = 0; i < PIECES; i++)
        if (write(file, piece, PIECE_BYTES) != PIECE_BYTES) stop("write");
    check(fsync(file), "fsync");
    uint64_t ns = now_ns() - start_ns;
    close(file);
    check(unlink("/disk0/bench64m.tmp"), "unlink");
    return ns;
}

static uint64_t read_all(const char *name, int flags)
{
    uint64_t start_ns = now_ns();
    int file = open(name, O_RDONLY | flags);
    check(file, name);
    for (uint32_t i = 0; i < PIECES; i++)
        if (pread(file, piece, PIECE_BYTES, (off_t)i * PIECE_BYTES) != PIECE_BYTES) stop("read");
    uint64_t ns = now_ns() - start_ns;
    close(file);
    return ns;
}

static uint64_t read_64m(void)
{
    static uint32_t files_read;
    char name[64];
    snprintf(name, sizeof(name), "/disk0/cold%u", files_read++);
    return read_all(name, 0);
}

static uint64_t read_64m_direct(void)
{
    return read_all("/disk0/direct", O_DIRECT);
}

static const struct timed {
    const char *name;
    uint64_t (*measure)(void);
} timed[] = {
    {"write_64m", write_64m},
    {"read_64m", read_64m},
    {"read_64m_direct", read_64m_direct},
};

/* ---- the machine ---- */

static void load_modules(void)
{
    for (uint32_t i = 0;; i++) {
        char name[64];
        snprintf(name, sizeof(name), "/module%u", i);
        int file = open(name, O_RDONLY | O_CLOEXEC);
        if (file < 0) return;
        check(syscall(SYS_finit_module, file, "", 0), name);
        close(file);
    }
}

static void mount_all(const char *device)
{
    check(mkdir("/proc", 0755), "mkdir /proc");
    check(mkdir("/disk0", 0755), "mkdir /disk0");
    check(mount("proc", "/proc", "proc", 0, NULL), "mount /proc");
    if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) != 0 && errno != EBUSY) stop("mount /dev");
    struct timespec pause = {.tv_nsec = 10000000};
    for (uint32_t i = 0; access(device, F_OK) != 0 && i < DEVICE_WAITS; i++)
        nanosleep(&pause, NULL);
    check(mount(device, "/disk0", "vfat", MS_NOATIME, NULL), "mount /disk0");
}

static int is_named(const char *name, const char *names)
{
    size_t length = strlen(name);
    for (const char *at = names; at != NULL; at = strchr(at, ',')) {
        if (*at == ',') at++;
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == 0)) return 1;
    }
    return 0;
}

static void report(const char *name, uint64_t ns)
{
    printf("bench: %s %llu ns\n", name, (unsigned long long)ns);
    fflush(stdout);
}

int main(void)
{
    const char *device = getenv("DEVICE"), *names = getenv("NAMES"), *repeat = getenv("REPEAT");
    if (device == NULL || names == NULL || repeat == NULL) stop("what to do is not said");
    load_modules();
    mount_all(device);
    name_files();
    long times = strtol(repeat, NULL, 10);
    for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
        for (long k = 0; k < times && is_named(counted[i].name, names); k++)
            report(counted[i].name, count(&counted[i]));
    for (size_t i = 0; i < sizeof(timed) / sizeof(timed[0]); i++)
        for (long k = 0; k < times && is_named(timed[i].name, names); k++)
            report(timed[i].name, timed[i].measure());
    check(umount("/disk0"), "umount");
    stop(NULL);
}
