#include "words.h"

struct scan {
    struct words *words;
    text line;
    size_t at;
    variable_lookup *lookup;
    void *context;
    bool is_in_word;
    size_t word_start;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_part(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9');
}

bool words_is_name(text name)
{
    if (name.length == 0 || !is_name_start(name.bytes[0])) return false;
    for (size_t i = 1; i < name.length; i++)
        if (!is_name_part(name.bytes[i])) return false;
    return true;
}

static bool is_at_end(const struct scan *scan)
{
    return scan->at >= scan->line.length;
}

static enum words_error word_begin(struct scan *scan)
{
    if (scan->is_in_word) return WORDS_OK;
    if (scan->words->count == WORDS_MAX) return WORDS_TOO_MANY;
    scan->is_in_word = true;
    scan->word_start = scan->words->used_bytes;
    return WORDS_OK;
}

static enum words_error word_add(struct scan *scan, text piece)
{
    enum words_error begun = word_begin(scan);
    if (begun != WORDS_OK) return begun;
    struct words *words = scan->words;
    if (piece.length > WORDS_BYTES_MAX - words->used_bytes) return WORDS_TOO_MANY;
    for (size_t i = 0; i < piece.length; i++)
        words->bytes[words->used_bytes++] = piece.bytes[i];
    return WORDS_OK;
}

static void word_end(struct scan *scan)
{
    if (!scan->is_in_word) return;
    struct words *words = scan->words;
    words->items[words->count++] =
        (text){words->bytes + scan->word_start, words->used_bytes - scan->word_start};
    scan->is_in_word = false;
}

static text name_in_braces(struct scan *scan)
{
    size_t end = peal_text_find(scan->line, '}', scan->at);
    text name = peal_text_slice(scan->line, scan->at, end - scan->at);
    scan->at = end + 1;
    return name;
}

static text name_plain(struct scan *scan)
{
    size_t start = scan->at;
    if (!is_at_end(scan) && scan->line.bytes[start] == '?')
        scan->at++;
    else
        while (!is_at_end(scan) && is_name_part(scan->line.bytes[scan->at]))
            scan->at++;
    return peal_text_slice(scan->line, start, scan->at - start);
}

/* Behind a $. */
static enum words_error add_variable(struct scan *scan)
{
    text name, value = TEXT("");
    if (!is_at_end(scan) && scan->line.bytes[scan->at] == '{') {
        scan->at++;
        if (peal_text_find(scan->line, '}', scan->at) == scan->line.length) return WORDS_BRACE_OPEN;
        name = name_in_braces(scan);
    } else {
        name = name_plain(scan);
    }
    if (!words_is_name(name) && !peal_text_equal(name, TEXT("?"))) return WORDS_BAD_VARIABLE;
    if (!scan->lookup(scan->context, name, &value)) value = TEXT("");
    return value.length == 0 && !scan->is_in_word ? WORDS_OK : word_add(scan, value);
}

/* Behind the opening '. */
static enum words_error add_single_quoted(struct scan *scan)
{
    size_t end = peal_text_find(scan->line, '\'', scan->at);
    if (end == scan->line.length) return WORDS_QUOTE_OPEN;
    text inside = peal_text_slice(scan->line, scan->at, end - scan->at);
    scan->at = end + 1;
    return word_add(scan, inside);
}

/* Behind the opening ". */
static enum words_error add_double_quoted(struct scan *scan)
{
    enum words_error error = word_begin(scan);
    while (error == WORDS_OK && !is_at_end(scan)) {
        char c = scan->line.bytes[scan->at++];
        if (c == '"') return WORDS_OK;
        if (c == '$') {
            error = add_variable(scan);
            continue;
        }
        if (c == '\\' && !is_at_end(scan)) c = scan->line.bytes[scan->at++];
        error = word_add(scan, (text){&c, 1});
    }
    return error == WORDS_OK ? WORDS_QUOTE_OPEN : error;
}

static enum words_error add_next(struct scan *scan, char c)
{
    switch (c) {
    case '|':
        return WORDS_PIPE;
    case '<':
    case '>':
        return WORDS_REDIRECTION;
    case '&':
        return WORDS_BACKGROUND;
    case '$':
        return add_variable(scan);
    case '\'':
        return add_single_quoted(scan);
    case '"':
        return add_double_quoted(scan);
    case '\\':
        if (is_at_end(scan)) return WORDS_OK;
        c = scan->line.bytes[scan->at++];
        return word_add(scan, (text){&c, 1});
    default:
        return word_add(scan, (text){&c, 1});
    }
}

enum words_error words_take_command(struct words *words, text *line, variable_lookup *lookup,
                                    void *context)
{
    struct scan scan = {.words = words, .line = *line, .lookup = lookup, .context = context};
    enum words_error error = WORDS_OK;
    words->count = 0;
    words->used_bytes = 0;
    while (error == WORDS_OK && !is_at_end(&scan)) {
        char c = scan.line.bytes[scan.at++];
        if (c == ';') break;
        if (is_blank(c))
            word_end(&scan);
        else if (c == '#' && !scan.is_in_word)
            scan.at = scan.line.length;
        else
            error = add_next(&scan, c);
    }
    word_end(&scan);
    *line = peal_text_slice(*line, scan.at, SIZE_MAX);
    if (error != WORDS_OK) words->count = 0;
    return error;
}

const char *words_error_message(enum words_error error)
{
    switch (error) {
    case WORDS_OK:
        return "fine";
    case WORDS_QUOTE_OPEN:
        return "a quote is not closed: end it with the same ' or \" that began it";
    case WORDS_BRACE_OPEN:
        return "${ is not closed: write ${NAME}";
    case WORDS_TOO_MANY:
        return "too many words: a command takes 4096 arguments and 64 KiB";
    case WORDS_PIPE:
        return "pipes do not exist yet: there is nothing to connect programs with. "
               "To mean the character, write '|'";
    case WORDS_REDIRECTION:
        return "redirection does not exist yet: file systems are read-only so far. "
               "To mean the character, quote it: '>'";
    case WORDS_BACKGROUND:
        return "background jobs do not exist yet. To mean the character, write '&'";
    case WORDS_BAD_VARIABLE:
        return "$ needs a name: $NAME, ${NAME} or $?. To mean the character, write '$'";
    }
    return "unknown error";
}
