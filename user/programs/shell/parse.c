/*
 * One pass over the source. What is open (if, while, for) is on a stack of frames; jumps whose
 * target is not known yet are chained through their `target` fields from the frame.
 */
#include "parse.h"

#define NO_STEP UINT32_MAX

enum token_kind : uint8_t {
    TOKEN_END,
    TOKEN_LINE_END,
    TOKEN_WORD,
    TOKEN_REDIRECTION,
    TOKEN_PIPE,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_BACKGROUND,
    TOKEN_SEMICOLON,
};

enum frame_kind : uint8_t { FRAME_IF, FRAME_WHILE, FRAME_UNTIL, FRAME_FOR };
enum frame_state : uint8_t { FRAME_CONDITION, FRAME_BODY, FRAME_ELSE };

struct frame {
    enum frame_kind kind;
    enum frame_state state;
    uint32_t start;     /* of a loop: where `continue` goes */
    uint32_t part;      /* first step of the part that is open, which may not be empty */
    uint32_t condition; /* the jump for a condition that failed, or NO_STEP */
    uint32_t exits;     /* chain of jumps to behind the end */
};

struct parser {
    struct script *script;
    text source;
    size_t at; /* behind the token */
    size_t token_start;
    enum token_kind token;
    enum redirection_kind redirection;
    text word;
    uint32_t depth;
    struct frame frames[PARSE_DEPTH_MAX];
};

/* ---- errors ---- */

static bool is_failed(const struct parser *parser)
{
    return parser->script->error != PARSE_OK;
}

static void fail(struct parser *parser, enum parse_error error)
{
    struct script *script = parser->script;
    if (is_failed(parser)) return;
    script->error = error;
    script->error_line = 1;
    for (size_t i = 0; i < parser->token_start && i < parser->source.length; i++)
        script->error_line += parser->source.bytes[i] == '\n';
}

/* ---- tokens ---- */

static char character_at(const struct parser *parser, size_t at)
{
    return at < parser->source.length ? parser->source.bytes[at] : '\0';
}

static bool is_escaped_line_end(const struct parser *parser)
{
    return character_at(parser, parser->at) == '\\' && character_at(parser, parser->at + 1) == '\n';
}

static void skip_blanks(struct parser *parser)
{
    for (;;) {
        char c = character_at(parser, parser->at);
        if (parser->at < parser->source.length && (c == ' ' || c == '\t' || c == '\r'))
            parser->at++;
        else if (is_escaped_line_end(parser))
            parser->at += 2;
        else
            break;
    }
    if (character_at(parser, parser->at) == '#')
        parser->at = peal_text_find(parser->source, '\n', parser->at);
}

static void take_operator(struct parser *parser, enum token_kind token, size_t length)
{
    parser->token = token;
    parser->at += length;
}

/* At > or 2>. */
static void take_output(struct parser *parser, bool is_errors)
{
    if (is_errors) parser->at++;
    parser->at++;
    parser->token = TOKEN_REDIRECTION;
    char next = character_at(parser, parser->at);
    if (next == '>') {
        parser->at++;
        parser->redirection = is_errors ? REDIRECT_ERRORS_APPEND : REDIRECT_APPEND;
    } else if (next == '&') {
        char wanted = is_errors ? '1' : '2';
        if (character_at(parser, parser->at + 1) != wanted) fail(parser, PARSE_BAD_DUPLICATE);
        parser->at += 2;
        parser->redirection = is_errors ? REDIRECT_ERRORS_TO_OUTPUT : REDIRECT_OUTPUT_TO_ERRORS;
    } else {
        parser->redirection = is_errors ? REDIRECT_ERRORS : REDIRECT_OUTPUT;
    }
}

static void take_word(struct parser *parser)
{
    size_t end;
    enum words_error error = words_find_end(parser->source, parser->at, &end);
    parser->token = TOKEN_WORD;
    parser->word = peal_text_slice(parser->source, parser->at, end - parser->at);
    parser->at = end;
    if (error == WORDS_OK) return;
    fail(parser, PARSE_WORD);
    parser->script->words_error = error;
}

static void next_token(struct parser *parser)
{
    skip_blanks(parser);
    parser->token_start = parser->at;
    parser->token = TOKEN_END;
    if (parser->at >= parser->source.length) return;
    char second = character_at(parser, parser->at + 1);
    switch (character_at(parser, parser->at)) {
    case '\n':
        return take_operator(parser, TOKEN_LINE_END, 1);
    case ';':
        return take_operator(parser, TOKEN_SEMICOLON, 1);
    case '|':
        return take_operator(parser, second == '|' ? TOKEN_OR : TOKEN_PIPE, second == '|' ? 2 : 1);
    case '&':
        return take_operator(parser, second == '&' ? TOKEN_AND : TOKEN_BACKGROUND,
                             second == '&' ? 2 : 1);
    case '<':
        parser->redirection = REDIRECT_INPUT;
        return take_operator(parser, TOKEN_REDIRECTION, 1);
    case '>':
        return take_output(parser, false);
    case '2':
        if (second == '>') return take_output(parser, true);
        break;
    default:
        break;
    }
    take_word(parser);
}

static bool is_word(const struct parser *parser, text word)
{
    return parser->token == TOKEN_WORD && peal_text_equal(parser->word, word);
}

static void skip_line_ends(struct parser *parser)
{
    while (parser->token == TOKEN_LINE_END)
        next_token(parser);
}

/* ---- steps ---- */

static uint32_t emit(struct parser *parser, struct step step)
{
    struct script *script = parser->script;
    if (script->step_count == PARSE_STEPS_MAX) {
        fail(parser, PARSE_TOO_LONG);
        return 0;
    }
    script->steps[script->step_count] = step;
    return script->step_count++;
}

/* A jump whose target becomes known later. */
static void emit_chained(struct parser *parser, uint32_t *chain)
{
    uint32_t previous = *chain;
    *chain = emit(parser, (struct step){.kind = STEP_JUMP, .target = previous});
}

/* All in the chain go to the step that comes next. */
static void land(struct parser *parser, uint32_t chain)
{
    struct script *script = parser->script;
    while (chain != NO_STEP && !is_failed(parser)) {
        uint32_t next = script->steps[chain].target;
        script->steps[chain].target = script->step_count;
        chain = next;
    }
}

static void add_word(struct parser *parser, text word)
{
    struct script *script = parser->script;
    if (script->word_count == PARSE_WORDS_MAX)
        fail(parser, PARSE_TOO_LONG);
    else
        script->words[script->word_count++] = word;
}

/* ---- commands ---- */

static void add_redirection(struct parser *parser)
{
    struct script *script = parser->script;
    struct redirection redirection = {.kind = parser->redirection};
    if (script->redirection_count == PARSE_REDIRECTIONS_MAX) return fail(parser, PARSE_TOO_LONG);
    if (redirection.kind < REDIRECT_ERRORS_TO_OUTPUT) {
        next_token(parser);
        if (parser->token != TOKEN_WORD) return fail(parser, PARSE_NO_FILE);
        redirection.file = parser->word;
    }
    script->redirections[script->redirection_count++] = redirection;
}

/* The longest run of words and redirections. */
static void parse_command(struct parser *parser)
{
    struct script *script = parser->script;
    struct parsed_command command = {.first_word = script->word_count,
                                     .first_redirection = script->redirection_count};
    while (!is_failed(parser)) {
        if (parser->token == TOKEN_WORD)
            add_word(parser, parser->word);
        else if (parser->token == TOKEN_REDIRECTION)
            add_redirection(parser);
        else
            break;
        next_token(parser);
    }
    command.word_count = script->word_count - command.first_word;
    command.redirection_count = script->redirection_count - command.first_redirection;
    if (command.word_count + command.redirection_count == 0) return fail(parser, PARSE_NO_COMMAND);
    if (script->command_count == PARSE_COMMANDS_MAX) return fail(parser, PARSE_TOO_LONG);
    script->commands[script->command_count++] = command;
}

static const text reserved[] = {TEXT("if"),   TEXT("then"),  TEXT("elif"),  TEXT("else"),
                                TEXT("fi"),   TEXT("while"), TEXT("until"), TEXT("do"),
                                TEXT("done"), TEXT("for")};

static bool is_reserved(const struct parser *parser)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        if (is_word(parser, reserved[i])) return true;
    return false;
}

/* As typed, up to the token that is not part of it any more. */
static text source_since(const struct parser *parser, size_t start)
{
    size_t end = parser->token_start;
    while (end > start && peal_text_find(TEXT(" \t\r"), parser->source.bytes[end - 1], 0) < 3)
        end--;
    return peal_text_slice(parser->source, start, end - start);
}

static struct frame *innermost_loop(struct parser *parser)
{
    for (uint32_t i = parser->depth; i > 0; i--)
        if (parser->frames[i - 1].kind != FRAME_IF) return &parser->frames[i - 1];
    return nullptr;
}

/* `break` and `continue`. */
static void parse_leave(struct parser *parser, bool is_break)
{
    struct frame *loop = innermost_loop(parser);
    next_token(parser);
    if (loop == nullptr) return fail(parser, PARSE_NOT_IN_LOOP);
    if (is_break)
        emit_chained(parser, &loop->exits);
    else
        emit(parser, (struct step){.kind = STEP_JUMP, .target = loop->start});
}

/* One step. */
static void parse_pipeline(struct parser *parser)
{
    struct script *script = parser->script;
    struct step step = {.kind = STEP_PIPELINE, .first = script->command_count};
    size_t start = parser->token_start;
    if (is_word(parser, TEXT("!"))) {
        step.is_inverted = step.is_tested = true;
        next_token(parser);
    } else if (is_word(parser, TEXT("break")) || is_word(parser, TEXT("continue"))) {
        return parse_leave(parser, is_word(parser, TEXT("break")));
    }
    for (;;) {
        if (is_reserved(parser)) return fail(parser, PARSE_COMPOUND_IN_LIST);
        parse_command(parser);
        if (is_failed(parser) || parser->token != TOKEN_PIPE) break;
        if (script->command_count - step.first == PARSE_PIPELINE_COMMANDS_MAX)
            return fail(parser, PARSE_PIPELINE_TOO_LONG);
        next_token(parser);
        skip_line_ends(parser);
    }
    step.count = script->command_count - step.first;
    step.source = source_since(parser, start);
    step.is_background = parser->token == TOKEN_BACKGROUND;
    emit(parser, step);
}

/* Behind a pipeline or a compound command: && and || with what follows. A pipeline is one step, so
 * that each jump passes exactly the next but one. */
static void parse_and_or(struct parser *parser)
{
    struct script *script = parser->script;
    bool is_list = false;
    while (!is_failed(parser) && (parser->token == TOKEN_AND || parser->token == TOKEN_OR)) {
        enum step_kind kind = parser->token == TOKEN_AND ? STEP_JUMP_IF_FAILED : STEP_JUMP_IF_OK;
        script->steps[script->step_count - 1].is_tested = true;
        is_list = true;
        emit(parser, (struct step){.kind = kind, .target = script->step_count + 2});
        next_token(parser);
        skip_line_ends(parser);
        parse_pipeline(parser);
    }
    if (is_list && parser->token == TOKEN_BACKGROUND) fail(parser, PARSE_BACKGROUND_LIST);
}

/* ---- if, while, for ---- */

static struct frame *top(struct parser *parser)
{
    return parser->depth == 0 ? nullptr : &parser->frames[parser->depth - 1];
}

static bool top_is(struct parser *parser, enum frame_kind kind, enum frame_state state)
{
    struct frame *frame = top(parser);
    return frame != nullptr && frame->kind == kind && frame->state == state;
}

static void push(struct parser *parser, enum frame_kind kind)
{
    if (parser->depth == PARSE_DEPTH_MAX) return fail(parser, PARSE_TOO_DEEP);
    uint32_t here = parser->script->step_count;
    parser->frames[parser->depth++] = (struct frame){
        .kind = kind, .start = here, .part = here, .condition = NO_STEP, .exits = NO_STEP};
}

/* A part ends: there must have been something in it. */
static void end_part(struct parser *parser, struct frame *frame)
{
    if (frame->part == parser->script->step_count) fail(parser, PARSE_EMPTY);
}

static void begin_part(struct parser *parser, struct frame *frame, enum frame_state state)
{
    frame->state = state;
    frame->part = parser->script->step_count;
}

/* The condition is complete: the jump for when it does not hold. */
static void end_condition(struct parser *parser, struct frame *frame)
{
    end_part(parser, frame);
    for (uint32_t i = frame->part; i < parser->script->step_count; i++)
        parser->script->steps[i].is_tested = true;
    frame->condition =
        emit(parser, (struct step){.kind = frame->kind == FRAME_UNTIL ? STEP_JUMP_IF_OK
                                                                      : STEP_JUMP_IF_FAILED,
                                   .target = NO_STEP});
    begin_part(parser, frame, FRAME_BODY);
}

/* elif and else: the branch before them leaves, and its condition comes here. */
static void next_branch(struct parser *parser, enum frame_state state)
{
    struct frame *frame = top(parser);
    if (!top_is(parser, FRAME_IF, FRAME_BODY)) return fail(parser, PARSE_STRAY_WORD);
    end_part(parser, frame);
    emit_chained(parser, &frame->exits);
    land(parser, frame->condition);
    frame->condition = NO_STEP;
    begin_part(parser, frame, state);
}

static void end_if(struct parser *parser)
{
    struct frame *frame = top(parser);
    if (!top_is(parser, FRAME_IF, FRAME_BODY) && !top_is(parser, FRAME_IF, FRAME_ELSE))
        return fail(parser, PARSE_STRAY_WORD);
    end_part(parser, frame);
    if (frame->state == FRAME_BODY) { /* no branch was taken: that is no failure */
        emit_chained(parser, &frame->exits);
        land(parser, frame->condition);
        emit(parser, (struct step){.kind = STEP_SUCCEED});
    }
    land(parser, frame->exits);
    parser->depth--;
}

static void end_loop(struct parser *parser)
{
    struct frame *frame = top(parser);
    if (frame == nullptr || frame->kind == FRAME_IF || frame->state != FRAME_BODY)
        return fail(parser, PARSE_STRAY_WORD);
    end_part(parser, frame);
    emit(parser, (struct step){.kind = STEP_JUMP, .target = frame->start});
    land(parser, frame->condition);
    if (frame->kind != FRAME_FOR) emit(parser, (struct step){.kind = STEP_SUCCEED});
    land(parser, frame->exits);
    parser->depth--;
}

static void begin_body(struct parser *parser)
{
    struct frame *frame = top(parser);
    if (frame == nullptr || frame->kind == FRAME_IF || frame->state != FRAME_CONDITION)
        return fail(parser, PARSE_STRAY_WORD);
    if (frame->kind == FRAME_FOR)
        begin_part(parser, frame, FRAME_BODY);
    else
        end_condition(parser, frame);
}

/* Behind `for`: up to and with `do`. */
static void parse_for(struct parser *parser)
{
    struct script *script = parser->script;
    if (parser->token != TOKEN_WORD || !words_is_name(parser->word))
        return fail(parser, PARSE_BAD_FOR);
    text name = parser->word;
    struct step begin = {.kind = STEP_FOR_BEGIN, .first = script->word_count};
    next_token(parser);
    if (is_word(parser, TEXT("in"))) {
        for (next_token(parser); parser->token == TOKEN_WORD && !is_failed(parser);
             next_token(parser))
            add_word(parser, parser->word);
    } else {
        add_word(parser, TEXT("$@"));
    }
    begin.count = script->word_count - begin.first;
    begin.loop = (uint8_t)parser->depth;
    emit(parser, begin);
    push(parser, FRAME_FOR);
    if (is_failed(parser)) return;
    struct frame *frame = top(parser);
    frame->condition = emit(
        parser, (struct step){
                    .kind = STEP_FOR_NEXT, .loop = begin.loop, .target = NO_STEP, .source = name});
    if (parser->token == TOKEN_SEMICOLON) next_token(parser);
    skip_line_ends(parser);
    if (!is_word(parser, TEXT("do"))) return fail(parser, PARSE_BAD_FOR);
    next_token(parser);
    begin_body(parser);
}

/* Behind fi and done. */
static void parse_behind_end(struct parser *parser)
{
    if (is_failed(parser)) return;
    switch (parser->token) {
    case TOKEN_PIPE:
    case TOKEN_BACKGROUND:
    case TOKEN_REDIRECTION:
        return fail(parser, PARSE_COMPOUND_NOT_PLAIN);
    case TOKEN_WORD:
        return fail(parser, PARSE_NO_SEPARATOR);
    case TOKEN_AND:
    case TOKEN_OR: {
        /* The step before may be in a branch that was not taken: this one is always passed. */
        uint32_t next = parser->script->step_count + 1;
        emit(parser, (struct step){.kind = STEP_JUMP, .target = next});
        return parse_and_or(parser);
    }
    case TOKEN_END:
    case TOKEN_LINE_END:
    case TOKEN_SEMICOLON:
        return;
    }
}

/* Behind a list: what else could be part of it has been taken, so this is a separator. */
static void skip_separator(struct parser *parser)
{
    if (parser->token != TOKEN_END && !is_failed(parser)) next_token(parser);
}

/* The token is one of the reserved words. */
static void parse_reserved(struct parser *parser)
{
    text word = parser->word;
    next_token(parser);
    if (peal_text_equal(word, TEXT("if"))) return push(parser, FRAME_IF);
    if (peal_text_equal(word, TEXT("while"))) return push(parser, FRAME_WHILE);
    if (peal_text_equal(word, TEXT("until"))) return push(parser, FRAME_UNTIL);
    if (peal_text_equal(word, TEXT("for"))) return parse_for(parser);
    if (peal_text_equal(word, TEXT("do"))) return begin_body(parser);
    if (peal_text_equal(word, TEXT("elif"))) return next_branch(parser, FRAME_CONDITION);
    if (peal_text_equal(word, TEXT("else"))) return next_branch(parser, FRAME_ELSE);
    if (peal_text_equal(word, TEXT("then"))) {
        if (!top_is(parser, FRAME_IF, FRAME_CONDITION)) return fail(parser, PARSE_STRAY_WORD);
        return end_condition(parser, top(parser));
    }
    if (peal_text_equal(word, TEXT("fi")))
        end_if(parser);
    else
        end_loop(parser);
    parse_behind_end(parser);
    skip_separator(parser);
}

static void parse_item(struct parser *parser)
{
    if (is_reserved(parser)) return parse_reserved(parser);
    parse_pipeline(parser);
    parse_and_or(parser);
    skip_separator(parser);
}

bool script_parse(struct script *script, text source)
{
    struct parser parser = {.script = script, .source = source};
    script->step_count = script->command_count = 0;
    script->word_count = script->redirection_count = 0;
    script->error = PARSE_OK;
    script->words_error = WORDS_OK;
    script->error_line = 0;
    next_token(&parser);
    while (!is_failed(&parser) && parser.token != TOKEN_END) {
        if (parser.token == TOKEN_LINE_END)
            next_token(&parser);
        else
            parse_item(&parser);
    }
    struct frame *open = top(&parser);
    if (open != nullptr) fail(&parser, open->kind == FRAME_IF ? PARSE_OPEN_IF : PARSE_OPEN_LOOP);
    if (is_failed(&parser)) script->step_count = 0;
    return !is_failed(&parser);
}

const char *script_error_message(const struct script *script)
{
    switch (script->error) {
    case PARSE_OK:
        return "fine";
    case PARSE_WORD:
        return words_error_message(script->words_error);
    case PARSE_NO_COMMAND:
        return "a command is missing beside | & ; && or ||. To mean the character, write '|'";
    case PARSE_NO_FILE:
        return "a file is missing behind < or >: write > FILE. To mean the character, write '>'";
    case PARSE_BAD_DUPLICATE:
        return ">& is understood as 2>&1 and as >&2 only";
    case PARSE_BACKGROUND_LIST:
        return "& takes one pipeline; for a list write shell -c 'a && b' &";
    case PARSE_PIPELINE_TOO_LONG:
        return "a pipeline has 16 commands at most";
    case PARSE_COMPOUND_IN_LIST:
        return "if, while and for begin a command of their own: put them behind ; or a line end";
    case PARSE_COMPOUND_NOT_PLAIN:
        return "what fi or done ends cannot be piped or redirected: write shell -c 'for ...' | b";
    case PARSE_NO_SEPARATOR:
        return "fi and done end a command: write ; or a line end behind them";
    case PARSE_OPEN_IF:
        return "if is not closed: end it with fi";
    case PARSE_OPEN_LOOP:
        return "while, until or for is not closed: end it with done";
    case PARSE_STRAY_WORD:
        return "then, elif, else, fi, do or done does not belong here: write if a; then b; fi, "
               "while a; do b; done. To mean the word, write 'do'";
    case PARSE_EMPTY:
        return "a command is missing between if, then, else, do and their end; true does nothing";
    case PARSE_BAD_FOR:
        return "write for NAME in WORDS; do COMMANDS; done";
    case PARSE_NOT_IN_LOOP:
        return "break and continue belong between do and done";
    case PARSE_TOO_DEEP:
        return "if, while and for are inside one another more than 16 deep";
    case PARSE_TOO_LONG:
        return "the script is too long: 2048 commands and 8192 words are the limit";
    }
    return "unknown error";
}
