/* What numbers of the ABI are called in texts for people and programs. */
#include "base/checked.h"
#include "fs/procfs/procfs_internal.h"
#include "sched/thread.h"

static text word_or_unknown(const text *words, uint64_t count, uint64_t index)
{
    return index < count && words[index].length > 0 ? words[index] : TEXT("unknown");
}

text proc_kind_word(uint32_t kind)
{
    static const text words[ABI_KIND_COUNT] = {
#define KIND(NAME, name, number, summary) [number] = TEXT(#name),
#include <abi/kinds.def>
#undef KIND
    };
    return word_or_unknown(words, array_count(words), kind);
}

text proc_origin_word(uint32_t origin)
{
    static const text words[] = {
        [ABI_ORIGIN_CREATED] = TEXT("created"),   [ABI_ORIGIN_DUP] = TEXT("dup"),
        [ABI_ORIGIN_RESTRICT] = TEXT("restrict"), [ABI_ORIGIN_SPAWN] = TEXT("spawn"),
        [ABI_ORIGIN_COPIED] = TEXT("copied"),     [ABI_ORIGIN_OPENED] = TEXT("opened"),
        [ABI_ORIGIN_MINTED] = TEXT("minted"),     [ABI_ORIGIN_LENT] = TEXT("lent"),
    };
    return word_or_unknown(words, array_count(words), origin);
}

text proc_process_state_word(uint32_t state)
{
    static const text words[] = {
        [ABI_PROCESS_RUNNING] = TEXT("running"),
        [ABI_PROCESS_ENDING] = TEXT("ending"),
        [ABI_PROCESS_ENDED] = TEXT("ended"),
    };
    return word_or_unknown(words, array_count(words), state);
}

text proc_thread_state_word(uint8_t state)
{
    static const text words[] = {
        [THREAD_NEW] = TEXT("new"),         [THREAD_READY] = TEXT("ready"),
        [THREAD_RUNNING] = TEXT("running"), [THREAD_SLEEPING] = TEXT("sleeping"),
        [THREAD_DEAD] = TEXT("ended"),
    };
    return word_or_unknown(words, array_count(words), state);
}

text proc_status_word(status status)
{
    switch (status.code) {
#define STATUS(NAME, number, meaning) \
    case STATUS_##NAME:               \
        return TEXT(#NAME);
#include <abi/status.def>
#undef STATUS
    }
    return TEXT("UNKNOWN");
}

void proc_put_rights(struct json_writer *json, text key, uint64_t rights)
{
    static const text words[ABI_RIGHT_COUNT] = {
#define RIGHT(NAME, name, bit, meaning) [bit] = TEXT(#name),
#include <abi/rights.def>
#undef RIGHT
    };
    json_put_array(json, key);
    for (uint32_t bit = 0; bit < ABI_RIGHT_COUNT; bit++)
        if ((rights >> bit & 1) != 0) json_string(json, words[bit]);
    json_close_array(json);
}

void proc_put_access(struct json_writer *json, text key, uint8_t access)
{
    const char letters[] = {
        (access & ABI_ACCESS_READ) != 0 ? 'r' : '-',
        (access & ABI_ACCESS_WRITE) != 0 ? 'w' : '-',
        (access & ABI_ACCESS_EXECUTE) != 0 ? 'x' : '-',
    };
    json_put_string(json, key, (text){letters, sizeof(letters)});
}
