#include "support/grammar.h"
#include "peal/bytes.h"
#include "peal/clock.h"
#include "peal/output.h"
#include "peal/program.h"
#include "peal/spawn_block.h"
#include "support/objects.h"

uint64_t chance_next(struct chance *chance)
{
    chance->state ^= chance->state >> 12;
    chance->state ^= chance->state << 25;
    chance->state ^= chance->state >> 27;
    return chance->state * 0x2545f4914f6cdd1dull;
}

uint32_t chance_below(struct chance *chance, uint32_t limit)
{
    return (uint32_t)((chance_next(chance) >> 32) * limit >> 32);
}

/* ---- the table ---- */

const struct op_row *grammar_row(uint8_t number)
{
    for (uint32_t i = 0; i < op_rows_count; i++)
        if (op_rows[i].number == number) return &op_rows[i];
    return nullptr;
}

static const uint64_t errors_of_all =
    ROW_ERROR_BIT(ABI_STATUS_INVALID_ARGUMENT) | ROW_ERROR_BIT(ABI_STATUS_INVALID_CAPABILITY) |
    ROW_ERROR_BIT(ABI_STATUS_WRONG_CAPABILITY_TYPE) |
    ROW_ERROR_BIT(ABI_STATUS_INSUFFICIENT_RIGHTS) | ROW_ERROR_BIT(ABI_STATUS_CAPABILITY_REVOKED) |
    ROW_ERROR_BIT(ABI_STATUS_BUFFER_NOT_REGISTERED) |
    ROW_ERROR_BIT(ABI_STATUS_INVALID_BUFFER_INDEX) | ROW_ERROR_BIT(ABI_STATUS_OUT_OF_RANGE) |
    ROW_ERROR_BIT(ABI_STATUS_PERMISSION_DENIED) | ROW_ERROR_BIT(ABI_STATUS_OUT_OF_MEMORY) |
    ROW_ERROR_BIT(ABI_STATUS_INTERRUPTED);

bool grammar_allows(const struct abi_submission *submission, uint32_t status, bool is_served)
{
    const struct op_row *row = grammar_row(submission->op);
    uint64_t allowed = errors_of_all;
    allowed |= row != nullptr ? row->errors : ROW_ERROR_BIT(ABI_STATUS_NOT_IMPLEMENTED);
    if ((submission->flags & ABI_SUBMISSION_TIMEOUT) != 0)
        allowed |= ROW_ERROR_BIT(ABI_STATUS_TIMED_OUT);
    if ((submission->flags & (ABI_SUBMISSION_LINK | ABI_SUBMISSION_HARD_LINK)) != 0)
        allowed |= ROW_ERROR_BIT(ABI_STATUS_TIMED_OUT); /* a timeout may follow it */
    if ((submission->op_flags & ABI_OP_FLAG_POOL) != 0)
        allowed |= ROW_ERROR_BIT(ABI_STATUS_WOULD_BLOCK);
    /* A server answers what it likes, and may be gone. */
    if (is_served && row != nullptr && row->served == ROW_FORWARDED) return true;
    return (allowed & ROW_ERROR_BIT(status)) != 0;
}

/* ---- the stock ---- */

/* Where the templates are, in a page each. */
enum : uint32_t {
    TEMPLATE_PATHS = 0,
    TEMPLATE_THREAD = 4096,
    TEMPLATE_SPAWN = 8192,
    TEMPLATE_STACK = 12288,
    TEMPLATE_BYTES = 16384,
};
#define PATH_STRIDE 32u

static const text paths[] = {
    {"boot", 4},           {"boot/bin", 8},
    {"boot/bin/true", 13}, {"boot/welcome.txt", 16},
    {"disk0", 5},          {"disk0/numbers/lines.txt", 23},
    {"nothing", 7},        {"boot/../boot", 12},
};
#define PATHS_COUNT (uint32_t)(sizeof(paths) / sizeof(paths[0]))

__attribute__((naked)) static void thread_that_ends(void)
{
    __asm__("movl $2, %eax\n"
            "xorl %edi, %edi\n"
            "xorl %esi, %esi\n"
            "syscall\n"
            "ud2");
}

static uint32_t spawn_bytes;

static void fill_templates(struct raw_scratch *templates)
{
    for (uint32_t i = 0; i < PATHS_COUNT; i++)
        memcpy(templates->bytes + TEMPLATE_PATHS + (size_t)i * PATH_STRIDE, paths[i].bytes,
               paths[i].length);
    *(struct abi_thread_start *)(templates->bytes + TEMPLATE_THREAD) = (struct abi_thread_start){
        .entry_address = (uint64_t)(uintptr_t)thread_that_ends,
        .stack_address = (uint64_t)(uintptr_t)templates->bytes + TEMPLATE_BYTES,
        .ring_entries = ABI_RING_ENTRIES_MIN,
    };
    static const text arguments[] = {{"true", 4}};
    struct peal_spawn spawn = {.name = arguments[0],
                               .arguments = arguments,
                               .arguments_count = 1,
                               .memory_max_bytes = 1u << 20,
                               .handles_max = 4,
                               .threads_max = 1};
    spawn_bytes = (uint32_t)spawn_block_bytes(&spawn);
    if (!spawn_block_fill(&spawn, templates->bytes + TEMPLATE_SPAWN)) peal_exit(95);
}

static void add_fixed(struct stock *stock, uint64_t handle, uint32_t kinds)
{
    if (handle == 0 || stock->fixed_count == STOCK_FIXED) return;
    stock->fixed[stock->fixed_count++] = (struct stock_handle){handle, kinds};
}

void stock_fill(struct stock *stock)
{
    stock->scratch = raw_scratch_make(64u << 10);
    stock->templates = raw_scratch_make(TEMPLATE_BYTES);
    fill_templates(&stock->templates);
    for (uint32_t kind = 1; kind < ABI_KIND_COUNT; kind++) {
        uint64_t handle = object_of_kind((enum abi_kind)kind);
        if (handle == 0) continue;
        /* Neither the machine's end, nor this process's; and people read the console. */
        uint64_t rights = ABI_RIGHTS_ALL;
        if (kind == ABI_KIND_SYSTEM) rights &= ~(uint64_t)(ABI_RIGHT_CONTROL | ABI_RIGHT_KILL);
        if (kind == ABI_KIND_PROCESS) rights &= ~(uint64_t)ABI_RIGHT_KILL;
        if (kind == ABI_KIND_CONSOLE) rights &= ~(uint64_t)ABI_RIGHT_WRITE;
        /* Other tests read what is on the disks. */
        if (kind == ABI_KIND_DIRECTORY)
            rights &= ~(uint64_t)(ABI_RIGHT_WRITE | ABI_RIGHT_CREATE | ABI_RIGHT_DELETE);
        add_fixed(stock, raw_dup(handle, rights), 1u << kind);
    }
}

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static bool is_yielding(const struct op_row *row)
{
    return row->handles == ROW_YIELDS || row->handles == ROW_CONSUMES_YIELDS;
}

bool stock_is_fixed(const struct stock *stock, uint64_t handle)
{
    for (uint32_t i = 0; i < stock->fixed_count; i++)
        if (stock->fixed[i].handle == handle) return true;
    return false;
}

uint32_t stock_kinds_of(const struct stock *stock, uint64_t handle)
{
    for (uint32_t i = 0; i < stock->fixed_count; i++)
        if (stock->fixed[i].handle == handle) return stock->fixed[i].kinds;
    for (uint32_t i = 0; i < STOCK_HANDLES; i++)
        if (load(&stock->handles[i].handle) == handle)
            return __atomic_load_n(&stock->handles[i].kinds, __ATOMIC_RELAXED);
    return ABI_KINDS_ANY;
}

static bool begins_with(const char *string, text start)
{
    for (size_t i = 0; i < start.length; i++)
        if (string[i] != start.bytes[i]) return false; /* at its end at the latest */
    return true;
}

/* timer_create makes a timer. */
static uint32_t kind_of_name(const struct op_row *row)
{
    for (uint32_t kind = 1; kind < ABI_KIND_COUNT; kind++)
        if (begins_with(row->name, peal_kind_name(kind))) return 1u << kind;
    return ABI_KINDS_ANY;
}

static uint32_t kinds_yielded(const struct op_row *row, uint32_t kinds_given)
{
    if (row->kinds == ABI_KINDS_ANY) return kinds_given;
    bool is_below = row->number == ABI_OP_OPEN || row->number == ABI_OP_CREATE;
    return is_below ? ABI_KIND_BIT(FILE) | ABI_KIND_BIT(DIRECTORY) : kind_of_name(row);
}

uint64_t stock_take(struct stock *stock, struct chance *chance,
                    const struct abi_submission *submission, uint32_t kinds_given, uint64_t value)
{
    const struct op_row *row = grammar_row(submission->op);
    if (row == nullptr || value == 0) return 0;
    if (is_yielding(row)) {
        struct stock_handle *place = &stock->handles[chance_below(chance, STOCK_HANDLES)];
        uint32_t kinds = kinds_yielded(row, kinds_given);
        __atomic_store_n(&place->kinds, kinds, __ATOMIC_RELAXED);
        return __atomic_exchange_n(&place->handle, value, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&stock->numbers[chance_below(chance, STOCK_NUMBERS)], value, __ATOMIC_RELAXED);
    return 0;
}

void stock_forget(struct stock *stock, uint64_t handle)
{
    for (uint32_t i = 0; i < STOCK_HANDLES; i++) {
        uint64_t expected = handle;
        if (__atomic_compare_exchange_n(&stock->handles[i].handle, &expected, 0, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return;
    }
}

/* ---- parts of a submission ---- */

static bool takes_away(const struct op_row *row)
{
    return row->handles != ROW_KEEPS && row->handles != ROW_YIELDS;
}

static uint64_t any_handle(const struct stock *stock, struct chance *chance, bool with_fixed)
{
    if (with_fixed && chance_one_in(chance, 3))
        return stock->fixed[chance_below(chance, stock->fixed_count)].handle;
    return load(&stock->handles[chance_below(chance, STOCK_HANDLES)].handle);
}

static uint64_t make_capability(const struct stock *stock, struct chance *chance,
                                const struct op_row *row)
{
    if (row->kinds == 0) return chance_one_in(chance, 64) ? any_handle(stock, chance, true) : 0;
    bool with_fixed = !takes_away(row);
    if (chance_one_in(chance, 64)) return chance_next(chance);
    if (chance_one_in(chance, 32)) return any_handle(stock, chance, with_fixed);
    for (uint32_t attempt = 0; attempt < 24; attempt++) {
        uint64_t handle = any_handle(stock, chance, with_fixed);
        uint32_t kinds = stock_kinds_of(stock, handle);
        bool is_unknown = kinds == ABI_KINDS_ANY && row->kinds != ABI_KINDS_ANY && attempt < 20;
        if (handle != 0 && (kinds & row->kinds) != 0 && !is_unknown) return handle;
    }
    for (uint32_t i = 0; with_fixed && i < stock->fixed_count; i++)
        if ((stock->fixed[i].kinds & row->kinds) != 0) return stock->fixed[i].handle;
    return any_handle(stock, chance, with_fixed);
}

/* A buffer that is not one of the library's, whose bytes are the program's own state. */
static uint32_t make_index(const struct stock *stock, struct chance *chance)
{
    uint32_t first_own = stock->templates.index + 1;
    if (!chance_one_in(chance, 4)) return stock->scratch.index;
    if (chance_one_in(chance, 8)) return first_own + (uint32_t)(chance_next(chance) >> 34);
    return first_own + chance_below(chance, 8);
}

static uint32_t make_edge(struct chance *chance, uint32_t size)
{
    static const uint32_t deltas[] = {0, 1, 4, 63, 64, 4095, 4096, 4097};
    uint32_t delta = deltas[chance_below(chance, sizeof(deltas) / sizeof(deltas[0]))];
    return chance_one_in(chance, 2) ? delta : size - delta;
}

static void make_span(const struct stock *stock, struct chance *chance, const struct op_row *row,
                      struct abi_submission *out)
{
    uint32_t size = (uint32_t)stock->scratch.size_bytes;
    if ((out->op_flags & ABI_OP_FLAG_POOL) != 0) {
        out->buffer_index = chance_below(chance, 4);
        if (chance_one_in(chance, 16)) out->length_bytes = 64;
        return;
    }
    out->buffer_index = make_index(stock, chance);
    if (row->buffer == ROW_WORD) {
        out->buffer_offset_bytes = chance_below(chance, 8) * 4;
        out->length_bytes = chance_one_in(chance, 32) ? 8 : 4;
    } else if (chance_one_in(chance, 8)) {
        out->buffer_offset_bytes = make_edge(chance, size);
        out->length_bytes = make_edge(chance, size);
    } else {
        out->buffer_offset_bytes = chance_below(chance, size / 2) & ~7u;
        out->length_bytes = chance_below(chance, chance_one_in(chance, 8) ? size / 2 : 512);
    }
}

/* Spans whose bytes matter. */
static void make_template_span(const struct stock *stock, struct chance *chance,
                               struct abi_submission *out)
{
    uint32_t path = chance_below(chance, PATHS_COUNT);
    uint32_t index = stock->templates.index;
    switch (out->op) {
    case ABI_OP_OPEN:
    case ABI_OP_CREATE:
    case ABI_OP_DELETE:
    case ABI_OP_RENAME:
        if (chance_one_in(chance, 8)) return;
        out->buffer_offset_bytes = TEMPLATE_PATHS + path * PATH_STRIDE;
        out->length_bytes = (uint32_t)paths[path].length;
        break;
    case ABI_OP_PROCESS_SPAWN:
        out->buffer_offset_bytes = TEMPLATE_SPAWN;
        out->length_bytes = spawn_bytes;
        break;
    case ABI_OP_THREAD_CREATE: /* random ones might run */
        out->buffer_offset_bytes = TEMPLATE_THREAD;
        out->length_bytes = sizeof(struct abi_thread_start) - chance_one_in(chance, 16);
        break;
    default:
        return;
    }
    out->buffer_index = index;
}

/* Mostly all; what cannot be closed would fill the table. */
static uint64_t make_rights(struct chance *chance)
{
    uint64_t rights = ABI_RIGHTS_ALL;
    if (chance_one_in(chance, 4)) rights &= ~(1ull << chance_below(chance, ABI_RIGHT_COUNT));
    if (chance_one_in(chance, 16)) rights &= chance_next(chance);
    if (!chance_one_in(chance, 64)) rights |= ABI_RIGHT_CLOSE;
    return rights;
}

/* A number that means something to some operation. */
static uint64_t make_number(const struct stock *stock, struct chance *chance)
{
    switch (chance_below(chance, 20)) {
    case 0:
        return chance_next(chance) >> chance_below(chance, 64);
    case 1:
        return ABI_RIGHTS_ALL;
    case 2: /* rights, all but a few */
        return ABI_RIGHTS_ALL & ~(1ull << chance_below(chance, ABI_RIGHT_COUNT));
    case 3:
    case 4: /* a deadline that is near */
        return peal_clock_now_ns() + chance_below(chance, 500'000);
    case 5:
    case 6: /* sizes */
        return (uint64_t)ABI_PAGE_BYTES << chance_below(chance, 3);
    case 7:
        return load(&stock->numbers[chance_below(chance, STOCK_NUMBERS)]);
    case 8:
        return load(&stock->handles[chance_below(chance, STOCK_HANDLES)].handle);
    case 9: /* user data, or an operation's number */
        return chance_below(chance, 64);
    case 10:
        return 0ull - chance_below(chance, 2);
    case 11:
        return chance_below(chance, 16);
    case 12:
    case 13:
    case 14:
        return 1 + chance_below(chance, 3);
    default:
        return 0;
    }
}

/*
 * Mappings come and go where nothing else is: what is unmapped here cannot be, a moment later,
 * where the library has put a stack.
 */
#define WINDOW_ADDRESS 0x0000'1234'0000'0000ull
#define WINDOW_PAGES   32u

static uint64_t window_address(struct chance *chance)
{
    return WINDOW_ADDRESS + (uint64_t)chance_below(chance, WINDOW_PAGES) * ABI_PAGE_BYTES;
}

static uint64_t window_length(struct chance *chance)
{
    if (chance_one_in(chance, 16)) return chance_below(chance, 2 * ABI_PAGE_BYTES);
    return (uint64_t)ABI_PAGE_BYTES << (chance_below(chance, 8) / 6);
}

static void make_map(struct chance *chance, struct abi_submission *out)
{
    if (chance_one_in(chance, 16)) return;
    out->args[0] = chance_one_in(chance, 16) ? 0 : window_address(chance);
    out->args[1] = window_length(chance);
    if (!chance_one_in(chance, 4)) out->offset_bytes = 0;
    out->op_flags = ABI_ACCESS_READ | chance_below(chance, 4);
}

static void make_own_mapping(struct chance *chance, struct abi_submission *out)
{
    out->args[0] = window_address(chance);
    out->args[1] = window_length(chance);
    if (chance_one_in(chance, 16)) out->args[0] = chance_below(chance, ABI_PAGE_BYTES);
}

/* What would hurt the program does not come about; what hardly ever makes sense by chance does. */
static void adjust(const struct stock *stock, struct chance *chance, struct abi_submission *out)
{
    switch (out->op) {
    case ABI_OP_BUFFER_UNMAP:
    case ABI_OP_BUFFER_PROTECT:
        make_own_mapping(chance, out);
        break;
    case ABI_OP_BUFFER_MAP:
        make_map(chance, out);
        break;
    case ABI_OP_BUFFER_UNREGISTER:
        out->args[0] = make_index(stock, chance);
        if (out->args[0] == stock->scratch.index) out->args[0] = stock->templates.index + 1;
        break;
    case ABI_OP_BUFFER_CREATE: /* large pages are committed at once */
        if (!chance_one_in(chance, 16)) out->op_flags = 0;
        if (!chance_one_in(chance, 4)) out->args[0] = ABI_PAGE_BYTES << chance_below(chance, 4);
        break;
    case ABI_OP_BUFFER_REGISTER:
        if (!chance_one_in(chance, 4)) out->op_flags &= ABI_ACCESS_READ | ABI_ACCESS_WRITE;
        break;
    case ABI_OP_OPEN:
    case ABI_OP_CREATE:
    case ABI_OP_DUP:
    case ABI_OP_RESTRICT:
        out->args[0] = make_rights(chance);
        break;
    case ABI_OP_RENAME: /* two paths, from anywhere in the span */
        if (!chance_one_in(chance, 8)) out->args[1] = chance_below(chance, out->length_bytes + 1);
        break;
    case ABI_OP_PROCESS_OPEN:
        out->args[1] = make_rights(chance);
        break;
    default:
        break;
    }
}

/* What costs a thousand times as much as others, or undoes what many others did, is made rarely. */
static bool is_rare(uint8_t op)
{
    return op == ABI_OP_PROCESS_SPAWN || op == ABI_OP_THREAD_CREATE || op == ABI_OP_REVOKE;
}

static const struct op_row *make_row(struct chance *chance)
{
    const struct op_row *row;
    do
        row = &op_rows[chance_below(chance, op_rows_count)];
    while (is_rare(row->number) && !chance_one_in(chance, 32));
    return row;
}

static uint8_t make_flags(struct chance *chance)
{
    uint8_t flags = (uint8_t)(1u << chance_below(chance, 8));
    if (!chance_one_in(chance, 64)) flags &= ABI_SUBMISSION_FLAGS_KNOWN;
    /* One that drains behind one that waits for ever is the end of this ring's work. */
    if (!chance_one_in(chance, 8)) flags &= (uint8_t)~ABI_SUBMISSION_DRAIN;
    return flags;
}

static void make_fields(const struct stock *stock, struct chance *chance, const struct op_row *row,
                        struct abi_submission *out)
{
    bool is_wrong = chance_one_in(chance, 64);
    if ((row->fields & ROW_FIELD_OFFSET) != 0 || is_wrong)
        out->offset_bytes = chance_one_in(chance, 2) ? 0 : make_number(stock, chance);
    if ((row->fields & ROW_FIELD_ARG0) != 0 || is_wrong) out->args[0] = make_number(stock, chance);
    if ((row->fields & ROW_FIELD_ARG1) != 0 || is_wrong) out->args[1] = make_number(stock, chance);
    if ((row->fields & ROW_FIELD_SECOND) != 0)
        out->second_buffer_index = make_index(stock, chance);
    else if ((out->flags & ABI_SUBMISSION_TIMEOUT) != 0)
        out->timeout_ms = chance_below(chance, 3);
}

struct abi_submission grammar_make(struct stock *stock, struct chance *chance)
{
    const struct op_row *row = make_row(chance);
    struct abi_submission made = {.op = row->number};
    if (chance_one_in(chance, 128)) made.op = (uint8_t)chance_next(chance);
    if (chance_one_in(chance, 6)) made.flags = make_flags(chance);
    if (chance_one_in(chance, 8)) made.priority = (uint16_t)chance_below(chance, 9);
    if (row->flags != 0 && chance_one_in(chance, 2))
        made.op_flags = row->flags & (uint32_t)(chance_next(chance) >> 32);
    if (chance_one_in(chance, 64)) made.op_flags ^= 1u << chance_below(chance, 32);
    made.capability = make_capability(stock, chance, row);
    make_fields(stock, chance, row, &made);
    if (row->buffer != ROW_NONE || chance_one_in(chance, 64)) make_span(stock, chance, row, &made);
    make_template_span(stock, chance, &made);
    /* What was meant for another operation may not become one of these. */
    row = grammar_row(made.op);
    if (row != nullptr && takes_away(row) && stock_is_fixed(stock, made.capability))
        made.capability = 0;
    adjust(stock, chance, &made);
    return made;
}
