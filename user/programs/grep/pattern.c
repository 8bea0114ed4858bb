#include "pattern.h"

static const char too_long[] = "the pattern has more than 63 characters to match";

static void add_byte(struct pattern_item *item, uint8_t byte)
{
    item->bytes[byte / 64] |= 1ull << byte % 64;
}

static bool has_byte(const struct pattern_item *item, uint8_t byte)
{
    return item->bytes[byte / 64] >> byte % 64 & 1;
}

static void fold_case(struct pattern_item *item)
{
    for (int letter = 0; letter < 26; letter++) {
        uint8_t lower = (uint8_t)('a' + letter);
        uint8_t upper = (uint8_t)('A' + letter);
        if (!has_byte(item, lower) && !has_byte(item, upper)) continue;
        add_byte(item, lower);
        add_byte(item, upper);
    }
}

static void add_all_but(struct pattern_item *item, const struct pattern_item *excluded)
{
    for (uint32_t i = 0; i < 4; i++)
        item->bytes[i] = ~excluded->bytes[i];
    item->is_wide = true;
}

/* What is between [ and ], *at behind the [. */
static const char *parse_set(text source, size_t *at, bool ignore_case, struct pattern_item *item)
{
    struct pattern_item set = {0};
    bool is_inverse = *at < source.length && source.bytes[*at] == '^';
    if (is_inverse) ++*at;
    for (bool is_first = true;; is_first = false) {
        if (*at >= source.length) return "a [ has no ]";
        uint8_t from = (uint8_t)source.bytes[(*at)++];
        if (from == ']' && !is_first) break;
        uint8_t to = from;
        if (*at + 1 < source.length && source.bytes[*at] == '-' && source.bytes[*at + 1] != ']') {
            to = (uint8_t)source.bytes[*at + 1];
            *at += 2;
        }
        if (to < from) return "a range in [ ] is backwards";
        for (uint32_t byte = from; byte <= to; byte++)
            add_byte(&set, (uint8_t)byte);
    }
    if (ignore_case) fold_case(&set);
    if (is_inverse)
        add_all_but(item, &set);
    else
        *item = set;
    return nullptr;
}

/* One character to match, at *at. */
static const char *parse_item(text source, size_t *at, bool ignore_case, struct pattern_item *item)
{
    char byte = source.bytes[(*at)++];
    *item = (struct pattern_item){0};
    if (byte == '[') return parse_set(source, at, ignore_case, item);
    if (byte == '.') {
        add_all_but(item, &(struct pattern_item){0});
        return nullptr;
    }
    if (byte == '\\') {
        if (*at == source.length) return "a \\ stands at the end";
        byte = source.bytes[(*at)++];
    }
    add_byte(item, (uint8_t)byte);
    if (ignore_case) fold_case(item);
    return nullptr;
}

static void parse_repetition(text source, size_t *at, struct pattern_item *item)
{
    while (*at < source.length) {
        char byte = source.bytes[*at];
        if (byte != '*' && byte != '+' && byte != '?') return;
        if (byte != '?') item->may_repeat = true;
        if (byte != '+') item->may_be_absent = true;
        ++*at;
    }
}

const char *pattern_parse(text source, bool ignore_case, struct pattern *out_pattern)
{
    *out_pattern = (struct pattern){0};
    size_t at = 0;
    out_pattern->is_at_begin = source.length > 0 && source.bytes[0] == '^';
    if (out_pattern->is_at_begin) at = 1;
    while (at < source.length) {
        if (at == source.length - 1 && source.bytes[at] == '$') {
            out_pattern->is_at_end = true;
            break;
        }
        if (out_pattern->count == PATTERN_ITEMS_MAX) return too_long;
        struct pattern_item *item = &out_pattern->items[out_pattern->count++];
        const char *problem = parse_item(source, &at, ignore_case, item);
        if (problem != nullptr) return problem;
        parse_repetition(source, &at, item);
    }
    return nullptr;
}

const char *pattern_literal(text source, bool ignore_case, struct pattern *out_pattern)
{
    *out_pattern = (struct pattern){0};
    if (source.length > PATTERN_ITEMS_MAX) return too_long;
    for (size_t i = 0; i < source.length; i++) {
        struct pattern_item *item = &out_pattern->items[out_pattern->count++];
        add_byte(item, (uint8_t)source.bytes[i]);
        if (ignore_case) fold_case(item);
    }
    return nullptr;
}

/*
 * A state is the number of the item to be matched next; all states that are possible are the bits
 * of a word. From item i one may go on to i + 1 without a character if it may be absent.
 */
static uint64_t with_absent(const struct pattern *pattern, uint64_t states)
{
    for (uint32_t i = 0; i < pattern->count; i++) {
        if (states >> i & 1 && pattern->items[i].may_be_absent) states |= 1ull << (i + 1);
    }
    return states;
}

/* The bytes behind the first one of a UTF-8 character. */
static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

static uint64_t step(const struct pattern *pattern, uint64_t states, uint8_t byte)
{
    uint64_t next = 0;
    for (uint32_t i = 0; i < pattern->count; i++) {
        const struct pattern_item *item = &pattern->items[i];
        if (!(states >> i & 1)) continue;
        if (!has_byte(item, byte)) continue;
        if (item->is_wide && is_continuation(byte)) continue; /* see pattern_matches */
        next |= 1ull << (i + 1);
        if (item->may_repeat) next |= 1ull << i;
    }
    return next;
}

/* Items that take whole characters have taken them with the first byte: the others change nothing
 * for the states behind such an item. */
static uint64_t stay(const struct pattern *pattern, uint64_t states)
{
    uint64_t staying = 0;
    for (uint32_t i = 0; i < pattern->count; i++) {
        if (!pattern->items[i].is_wide) continue;
        staying |= states & 1ull << (i + 1);
        if (pattern->items[i].may_repeat) staying |= states & 1ull << i;
    }
    return staying;
}

bool pattern_matches(const struct pattern *pattern, text line)
{
    uint64_t begin = with_absent(pattern, 1);
    uint64_t accepting = 1ull << pattern->count;
    uint64_t states = begin;
    for (size_t i = 0; i < line.length; i++) {
        if (!pattern->is_at_end && states & accepting) return true;
        uint8_t byte = (uint8_t)line.bytes[i];
        uint64_t kept = is_continuation(byte) ? stay(pattern, states) : 0;
        states = with_absent(pattern, step(pattern, states, byte) | kept);
        if (!pattern->is_at_begin) states |= begin;
    }
    return (states & accepting) != 0;
}
