/* For one cut, a node's *possible* states are its last promised one and all that began since. */
#include "support/tree_history.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void *grown(void *array, uint32_t count, uint32_t *capacity, size_t item_bytes)
{
    if (count < *capacity) return array;
    *capacity = 2 * *capacity + 64;
    array = realloc(array, *capacity * item_bytes);
    if (array == nullptr) abort();
    return array;
}

void tree_history_init(struct tree_history *history)
{
    *history = (struct tree_history){.node_count = 1};
}

void tree_history_drop(struct tree_history *history)
{
    for (uint32_t i = 0; i < history->owned_count; i++)
        free(history->owned[i]);
    free(history->owned);
    free(history->states);
    free(history->promises);
    *history = (struct tree_history){0};
}

uint32_t tree_history_new_node(struct tree_history *history)
{
    return history->node_count++;
}

uint8_t *tree_history_contents(struct tree_history *history, size_t length)
{
    history->owned = grown(history->owned, history->owned_count, &history->owned_capacity,
                           sizeof(history->owned[0]));
    uint8_t *contents = calloc(length + 1, 1);
    if (contents == nullptr) abort();
    history->owned[history->owned_count++] = contents;
    return contents;
}

void tree_history_note(struct tree_history *history, const struct tree_state *state)
{
    history->states = grown(history->states, history->state_count, &history->state_capacity,
                            sizeof(history->states[0]));
    history->states[history->state_count++] = *state;
}

void tree_history_promise(struct tree_history *history, uint32_t node, uint64_t position)
{
    history->promises = grown(history->promises, history->promise_count, &history->promise_capacity,
                              sizeof(history->promises[0]));
    history->promises[history->promise_count++] =
        (struct tree_promise){position, history->state_count, node};
}

/* ---- what may be there ---- */

/* The possible states of one node at a cut, by their numbers. */
struct possible {
    uint32_t *states;
    uint32_t count;
    bool may_be_missing;
};

struct judge {
    const struct tree_history *history;
    const struct fat_tree *tree;
    struct possible *nodes; /* one for each node */
    uint32_t *node_of;      /* for each node of the tree on the disk */
    char *error;
    size_t error_bytes;
};

[[gnu::format(printf, 2, 3)]] static bool wrong(struct judge *judge, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(judge->error, judge->error_bytes, format, arguments);
    va_end(arguments);
    return false;
}

/* States numbered below this were promised for the node. */
static uint32_t promised_count(const struct tree_history *history, uint32_t node, uint64_t position)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < history->promise_count; i++) {
        const struct tree_promise *promise = &history->promises[i];
        bool is_for_node = promise->node == TREE_EVERY_NODE || promise->node == node;
        if (is_for_node && promise->position <= position) count = promise->state_count;
    }
    return count;
}

static void possible_collect(struct judge *judge, uint64_t position)
{
    const struct tree_history *history = judge->history;
    uint32_t *promised = calloc(history->node_count, sizeof(promised[0]));
    if (promised == nullptr) abort();
    for (uint32_t node = 0; node < history->node_count; node++) {
        promised[node] = promised_count(history, node, position);
        judge->nodes[node].may_be_missing = true;
    }
    for (uint32_t i = 0; i < history->state_count; i++) {
        const struct tree_state *state = &history->states[i];
        if (state->begun > position) continue;
        struct possible *possible = &judge->nodes[state->node];
        if (i < promised[state->node]) {
            possible->count = 0;
            possible->may_be_missing = false;
        }
        possible->states = realloc(possible->states, (possible->count + 1) * sizeof(uint32_t));
        if (possible->states == nullptr) abort();
        possible->states[possible->count++] = i;
        if (!state->is_alive) possible->may_be_missing = true;
    }
    free(promised);
}

/* ---- what is there ---- */

/* The number that the time of creation says, or node_count. */
static uint32_t node_number(const struct tree_history *history, const struct fat_node *node)
{
    uint32_t date = (uint32_t)(node->created >> 24), time = (uint32_t)(node->created >> 8) & 0xffff;
    uint32_t tenths = (uint32_t)node->created & 0xff;
    uint32_t seconds = (time >> 11) * 3600 + (time >> 5 & 63) * 60 + (time & 31) * 2;
    uint32_t number = seconds * 100 + tenths;
    bool is_known = date == ((2020 - 1980) << 9 | 1 << 5 | 1) && number < history->node_count;
    return is_known ? number : history->node_count;
}

/* A byte that was cut off and not promised to be so may be zero: what is written into the rest of
 * its sector comes with zeros behind it. */
static bool byte_was_cut_off(const struct judge *judge, const struct possible *possible,
                             uint32_t offset)
{
    bool was_there = false;
    for (uint32_t i = 0; i < possible->count; i++) {
        const struct tree_state *state = &judge->history->states[possible->states[i]];
        if (was_there && offset >= state->size_bytes) return true;
        was_there = was_there || offset < state->size_bytes;
    }
    return false;
}

static bool byte_is_possible(const struct judge *judge, const struct possible *possible,
                             uint32_t offset, uint8_t byte)
{
    for (uint32_t i = 0; i < possible->count; i++) {
        const struct tree_state *state = &judge->history->states[possible->states[i]];
        if (offset < state->size_bytes && state->contents[offset] == byte) return true;
    }
    return byte == 0 && byte_was_cut_off(judge, possible, offset);
}

static bool contents_check(struct judge *judge, const struct fat_node *file, uint32_t number)
{
    const struct possible *possible = &judge->nodes[number];
    bool has_size = false;
    for (uint32_t i = 0; i < possible->count && !has_size; i++)
        has_size = judge->history->states[possible->states[i]].size_bytes == file->size_bytes;
    if (!has_size)
        return wrong(judge, "%s (node %u) has %u bytes, which it never had since it was promised",
                     file->name, number, file->size_bytes);

    uint32_t step = judge->tree->cluster_bytes;
    const struct tree_state *newest =
        &judge->history->states[possible->states[possible->count - 1]];
    for (uint32_t at = 0; at < file->size_bytes; at += step) {
        const uint8_t *bytes = fat_tree_byte(judge->tree, file, at);
        uint32_t length = file->size_bytes - at < step ? file->size_bytes - at : step;
        if (at + length <= newest->size_bytes && memcmp(bytes, newest->contents + at, length) == 0)
            continue;
        for (uint32_t i = 0; i < length; i++) {
            if (!byte_is_possible(judge, possible, at + i, bytes[i]))
                return wrong(judge,
                             "%s (node %u): byte %u of %u is %#x, which it never was since "
                             "it was promised",
                             file->name, number, at + i, file->size_bytes, bytes[i]);
        }
    }
    return true;
}

/* True when the node has had more than one place. */
static bool has_moved(const struct judge *judge, const struct possible *possible)
{
    for (uint32_t i = 1; i < possible->count; i++) {
        const struct tree_state *a = &judge->history->states[possible->states[i - 1]];
        const struct tree_state *b = &judge->history->states[possible->states[i]];
        if (a->parent != b->parent || strcmp(a->name, b->name) != 0) return true;
    }
    return false;
}

static bool has_place(const struct judge *judge, const struct fat_node *node, uint32_t number,
                      uint32_t parent)
{
    const struct possible *possible = &judge->nodes[number];
    bool may_be_short = judge->history->moves_may_lose && has_moved(judge, possible) &&
                        strcmp(node->name, node->short_name) == 0;
    for (uint32_t i = 0; i < possible->count; i++) {
        const struct tree_state *state = &judge->history->states[possible->states[i]];
        if (state->is_alive && state->parent == parent &&
            state->is_directory == node->is_directory &&
            (may_be_short || strcasecmp(state->name, node->name) == 0))
            return true;
    }
    return false;
}

static bool node_check(struct judge *judge, uint32_t index, uint8_t *seen)
{
    const struct fat_node *node = &judge->tree->nodes[index];
    uint32_t number = node_number(judge->history, node);
    if (number == judge->history->node_count)
        return wrong(judge, "%s is nothing that was ever made", node->name);
    judge->node_of[index] = number;
    if (seen[number]++ > 0) return wrong(judge, "%s (node %u) is there twice", node->name, number);
    if (!has_place(judge, node, number, judge->node_of[node->parent]))
        return wrong(judge, "%s (node %u) is where it was never since it was promised", node->name,
                     number);
    return node->is_directory || contents_check(judge, node, number);
}

/* Excuses those that moved and are not there, and, again and again, what was in them. */
static void losses_excuse(struct judge *judge, const uint8_t *seen)
{
    bool has_changed = judge->history->moves_may_lose;
    while (has_changed) {
        has_changed = false;
        for (uint32_t node = 1; node < judge->history->node_count; node++) {
            struct possible *possible = &judge->nodes[node];
            if (seen[node] || possible->may_be_missing) continue;
            bool is_excused = has_moved(judge, possible);
            for (uint32_t i = 0; i < possible->count; i++) {
                uint32_t parent = judge->history->states[possible->states[i]].parent;
                is_excused |= parent != 0 && !seen[parent] && judge->nodes[parent].may_be_missing;
            }
            possible->may_be_missing = is_excused;
            has_changed |= is_excused;
        }
    }
}

static bool tree_check(struct judge *judge)
{
    uint8_t *seen = calloc(judge->history->node_count, 1);
    if (seen == nullptr) abort();
    bool is_right = true;
    for (uint32_t i = 1; i < judge->tree->node_count && is_right; i++)
        is_right = node_check(judge, i, seen);
    losses_excuse(judge, seen);
    for (uint32_t node = 1; node < judge->history->node_count && is_right; node++) {
        const struct possible *possible = &judge->nodes[node];
        if (!seen[node] && possible->count > 0 && !possible->may_be_missing)
            is_right = wrong(judge, "%s (node %u) is missing",
                             judge->history->states[possible->states[0]].name, node);
    }
    free(seen);
    return is_right;
}

bool tree_history_allows(const struct tree_history *history, const struct fat_tree *tree,
                         uint64_t position, char *out_error, size_t error_bytes)
{
    struct judge judge = {.history = history,
                          .tree = tree,
                          .nodes = calloc(history->node_count, sizeof(struct possible)),
                          .node_of = calloc(tree->node_count, sizeof(uint32_t)),
                          .error = out_error,
                          .error_bytes = error_bytes};
    if (judge.nodes == nullptr || judge.node_of == nullptr) abort();
    possible_collect(&judge, position);
    bool is_allowed = tree_check(&judge);
    for (uint32_t i = 0; i < history->node_count; i++)
        free(judge.nodes[i].states);
    free(judge.nodes);
    free(judge.node_of);
    return is_allowed;
}
