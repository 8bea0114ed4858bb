/*
 * Typed bytes and who waits for them.
 *
 * Invariant: when a reader waits, no byte does. An arrival first fills the oldest waiters and only
 * what they leave is kept.
 *
 * Locking: `lock` decides who gets a byte and whether a wait was taken back in time. Waits that are
 * served leave their list under the lock, already filled, and are told after it.
 */
#include "device/console.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "sync/spin_lock.h"

static struct {
    spin_lock lock;
    struct list readers GUARDED_BY(lock);        /* struct console_wait, oldest first */
    struct console_wait *watch GUARDED_BY(lock); /* borrowed; nullptr: nobody watches */
    uint32_t input_first GUARDED_BY(lock);       /* of the oldest byte in the circle below */
    uint32_t input_count GUARDED_BY(lock);
    char input[CONSOLE_INPUT_BYTES] GUARDED_BY(lock);
    _Atomic uint64_t dropped; /* a statistic: ordered with nothing */
    struct object object;
} console;

static void console_destroy(struct object *object)
{
    panic("the console's last reference was put (%p)", (void *)object);
}

static const struct object_type console_type = {
    .kind = ABI_KIND_CONSOLE,
    .rights_all = ABI_RIGHT_READ | ABI_RIGHT_WRITE | ABI_RIGHT_DUP | ABI_RIGHT_TRANSFER |
                  ABI_RIGHT_CLOSE | ABI_RIGHT_STAT | ABI_RIGHT_CONTROL,
    .destroy = console_destroy,
};

void console_init(void)
{
    spin_lock_init(&console.lock, LOCK_RANK_CONSOLE);
    spin_acquire(&console.lock);
    list_init(&console.readers);
    console.watch = nullptr;
    console.input_first = 0;
    console.input_count = 0;
    spin_release(&console.lock);
    object_init(&console.object, &console_type);
}

struct object *console_object(void)
{
    return &console.object;
}

uint64_t console_dropped(void)
{
    return atomic_load_explicit(&console.dropped, memory_order_relaxed);
}

static size_t take_locked(char *to, size_t capacity) REQUIRES(console.lock)
{
    size_t taken = min_of(capacity, (size_t)console.input_count);
    for (size_t i = 0; i < taken; i++) {
        to[i] = console.input[console.input_first];
        console.input_first = (console.input_first + 1) % CONSOLE_INPUT_BYTES;
    }
    console.input_count -= (uint32_t)taken;
    return taken;
}

static void keep_locked(char byte) REQUIRES(console.lock)
{
    if (console.input_count == CONSOLE_INPUT_BYTES) {
        atomic_fetch_add_explicit(&console.dropped, 1, memory_order_relaxed);
        return;
    }
    console.input[(console.input_first + console.input_count) % CONSOLE_INPUT_BYTES] = byte;
    console.input_count++;
}

/* Moves waits that can be served, filled, to `served`. */
static void serve_readers_locked(struct list *served) REQUIRES(console.lock)
{
    while (console.input_count > 0) {
        struct list *oldest = list_take_front(&console.readers);
        if (oldest == nullptr) return;
        struct console_wait *wait = list_entry(oldest, struct console_wait, link);
        wait->length = (uint32_t)take_locked(wait->bytes, wait->capacity);
        list_push_back(served, &wait->link);
    }
}

/*
 * True when the watch took the key and is in `served`. What was typed before and nobody has read
 * belongs to what the key ends.
 */
static bool serve_watch_locked(char key, struct list *served) REQUIRES(console.lock)
{
    struct console_wait *watch = console.watch;
    if (key != CONSOLE_INTERRUPT_KEY || watch == nullptr) return false;
    console.watch = nullptr;
    console.input_count = 0;
    watch->bytes[0] = key;
    watch->length = 1;
    list_push_back(served, &watch->link);
    return true;
}

void console_input(const char *bytes, size_t length)
{
    struct list served;
    list_init(&served);
    spin_acquire(&console.lock);
    for (size_t i = 0; i < length; i++) {
        if (!serve_watch_locked(bytes[i], &served)) keep_locked(bytes[i]);
    }
    serve_readers_locked(&served);
    spin_release(&console.lock);

    struct list *member;
    while ((member = list_take_front(&served)) != nullptr) {
        struct console_wait *wait = list_entry(member, struct console_wait, link);
        wait->ready(wait);
    }
}

size_t console_take(char *to, size_t capacity)
{
    spin_acquire(&console.lock);
    size_t taken = take_locked(to, capacity);
    spin_release(&console.lock);
    return taken;
}

bool console_wait_input(struct console_wait *wait)
{
    ASSERT(wait->capacity > 0 && wait->capacity <= CONSOLE_WAIT_BYTES);
    spin_acquire(&console.lock);
    bool waits = console.input_count == 0;
    if (waits) list_push_back(&console.readers, &wait->link);
    spin_release(&console.lock);
    return waits;
}

bool console_watch_interrupt(struct console_wait *wait)
{
    list_init(&wait->link);
    spin_acquire(&console.lock);
    bool watches = console.watch == nullptr;
    if (watches) console.watch = wait;
    spin_release(&console.lock);
    return watches;
}

/* A wait that was served is in a list too, but not in this one: only those can be told apart. */
static bool remove_reader_locked(const struct console_wait *wait) REQUIRES(console.lock)
{
    struct console_wait *reader;
    list_for_each (reader, &console.readers, link) {
        if (reader != wait) continue;
        list_remove(&reader->link);
        return true;
    }
    return false;
}

bool console_unwait(struct console_wait *wait)
{
    spin_acquire(&console.lock);
    bool is_back = console.watch == wait;
    if (is_back)
        console.watch = nullptr;
    else
        is_back = remove_reader_locked(wait);
    spin_release(&console.lock);
    return is_back;
}
