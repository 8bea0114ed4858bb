#include "parse.h"
#include "support/test.h"

static struct script script;

static void parse(text source)
{
    CHECK(script_parse(&script, source));
    CHECK_EQUAL(PARSE_OK, script.error);
}

static void check_word(uint32_t index, text expected)
{
    CHECK(index < script.word_count);
    CHECK(peal_text_equal(expected, script.words[index]));
}

/* Runs the steps: a command named `f` fails, each one is noted by its first letter. */
static text run(text source)
{
    static char trace[256];
    static uint32_t left[PARSE_DEPTH_MAX];
    size_t length = 0;
    uint32_t code = 0, at = 0, fuel = 200;
    parse(source);
    while (at < script.step_count && fuel-- > 0) {
        const struct step *step = &script.steps[at++];
        switch (step->kind) {
        case STEP_PIPELINE: {
            text name = script.words[script.commands[step->first].first_word];
            trace[length++] = name.bytes[name.length - 1];
            code = (name.bytes[0] == 'f') != step->is_inverted;
            break;
        }
        case STEP_JUMP:
            at = step->target;
            break;
        case STEP_JUMP_IF_OK:
            if (code == 0) at = step->target;
            break;
        case STEP_JUMP_IF_FAILED:
            if (code != 0) at = step->target;
            break;
        case STEP_SUCCEED:
            code = 0;
            break;
        case STEP_FOR_BEGIN:
            left[step->loop] = step->count;
            break;
        case STEP_FOR_NEXT:
            if (left[step->loop]-- == 0) at = step->target;
            break;
        }
    }
    trace[length++] = code == 0 ? '+' : '-';
    return (text){trace, length};
}

static void check_run(text expected, text source)
{
    CHECK(peal_text_equal(expected, run(source)));
}

TEST(words_are_kept_as_typed)
{
    parse(TEXT("echo  'a b'\t$x # comment | '"));
    CHECK_EQUAL(1, script.step_count);
    CHECK_EQUAL(3, script.commands[0].word_count);
    check_word(0, TEXT("echo"));
    check_word(1, TEXT("'a b'"));
    check_word(2, TEXT("$x"));
    parse(TEXT("a#b"));
    check_word(0, TEXT("a#b"));
    parse(TEXT(""));
    CHECK_EQUAL(0, script.step_count);
    parse(TEXT(" \n# only a comment\n"));
    CHECK_EQUAL(0, script.step_count);
    parse(TEXT("a \\\n b"));
    CHECK_EQUAL(2, script.commands[0].word_count);
}

TEST(a_pipeline_is_one_step)
{
    parse(TEXT("a 1 | b|c |\n d"));
    CHECK_EQUAL(1, script.step_count);
    CHECK_EQUAL(4, script.steps[0].count);
    CHECK_EQUAL(2, script.commands[0].word_count);
    check_word(script.commands[3].first_word, TEXT("d"));
}

TEST(redirections_belong_to_their_command)
{
    parse(TEXT("a <in >out 2>> err | b >> 'x y' 2>&1 >&2 2> e"));
    CHECK_EQUAL(1, script.step_count);
    CHECK_EQUAL(3, script.commands[0].redirection_count);
    CHECK_EQUAL(4, script.commands[1].redirection_count);
    static const enum redirection_kind kinds[] = {
        REDIRECT_INPUT,  REDIRECT_OUTPUT,           REDIRECT_ERRORS_APPEND,
        REDIRECT_APPEND, REDIRECT_ERRORS_TO_OUTPUT, REDIRECT_OUTPUT_TO_ERRORS,
        REDIRECT_ERRORS};
    static const text files[] = {TEXT("in"), TEXT("out"), TEXT("err"), TEXT("'x y'"),
                                 TEXT(""),   TEXT(""),    TEXT("e")};
    for (uint32_t i = 0; i < 7; i++) {
        CHECK_EQUAL(kinds[i], script.redirections[i].kind);
        CHECK(peal_text_equal(files[i], script.redirections[i].file));
    }
    parse(TEXT("echo a2>x 2 >y"));
    check_word(1, TEXT("a2"));
    check_word(2, TEXT("2"));
    CHECK_EQUAL(REDIRECT_OUTPUT, script.redirections[0].kind);
    parse(TEXT("> x"));
    CHECK_EQUAL(0, script.commands[0].word_count);
}

TEST(commands_follow_one_another)
{
    check_run(TEXT("abc+"), TEXT("a; b\nc;"));
    check_run(TEXT("ab-"), TEXT("a;fb"));
    parse(TEXT("a & b &"));
    CHECK_EQUAL(2, script.step_count);
    CHECK(script.steps[0].is_background && script.steps[1].is_background);
    CHECK(peal_text_equal(TEXT("a"), script.steps[0].source));
    parse(TEXT("a 'x' | b ; c"));
    CHECK(peal_text_equal(TEXT("a 'x' | b"), script.steps[0].source));
    CHECK(!script.steps[0].is_background);
}

TEST(and_and_or_stop_where_the_outcome_is_known)
{
    check_run(TEXT("ab+"), TEXT("a && b"));
    check_run(TEXT("a-"), TEXT("fa && b"));
    check_run(TEXT("a+"), TEXT("a || b"));
    check_run(TEXT("ab+"), TEXT("fa || b"));
    check_run(TEXT("ac+"), TEXT("fa && b || c"));
    check_run(TEXT("ac+"), TEXT("a || b && c"));
    check_run(TEXT("acd+"), TEXT("fa && b &&\n x ||\n c; d"));
    check_run(TEXT("a+"), TEXT("! fa"));
    check_run(TEXT("a-"), TEXT("! a && b"));
}

TEST(a_code_that_is_looked_at_is_marked)
{
    parse(TEXT("a && b"));
    CHECK(script.steps[0].is_tested && !script.steps[2].is_tested);
    parse(TEXT("if a; then b; fi"));
    CHECK(script.steps[0].is_tested && !script.steps[2].is_tested);
}

TEST(if_takes_one_branch)
{
    check_run(TEXT("ab+"), TEXT("if a; then b; fi"));
    check_run(TEXT("a+"), TEXT("if fa; then b; fi"));
    check_run(TEXT("ac+"), TEXT("if fa; then b; else c; fi"));
    check_run(TEXT("ab-"), TEXT("if a; then fb; else c; fi"));
    check_run(TEXT("acd+"), TEXT("if fa; then b; elif c; then d; else e; fi"));
    check_run(TEXT("ace+"), TEXT("if fa; then b\nelif fc\nthen d\nelse\ne\nfi"));
    check_run(TEXT("abx+"), TEXT("if a; then b; fi; x"));
    check_run(TEXT("abx+"), TEXT("if a; then b; fi && x"));
    check_run(TEXT("abx+"), TEXT("if a; then fb; fi || x; "));
    check_run(TEXT("abcd+"), TEXT("if a; then if b; then c; fi; d; fi"));
    check_run(TEXT("acx+"), TEXT("if fa || c; then x; fi"));
}

TEST(loops_go_round)
{
    check_run(TEXT("aaa+"), TEXT("for i in 1 2 3; do a; done"));
    check_run(TEXT("abab+"), TEXT("for i in 1 2\ndo\na\nb\ndone"));
    check_run(TEXT("+"), TEXT("for i in; do a; done"));
    check_run(TEXT("a+"), TEXT("while fa; do b; done"));
    check_run(TEXT("a+"), TEXT("until a; do b; done"));
    check_run(TEXT("ab+"), TEXT("while a; do b; break; done"));
    check_run(TEXT("ab+"), TEXT("while a; do if b; then break; fi; c; done"));
    check_run(TEXT("aa+"), TEXT("for i in 1 2; do a; continue; b; done"));
    check_run(TEXT("aabaab+"), TEXT("for i in 1 2; do for j in 1 2; do a; done; b; done"));
    check_run(TEXT("aax+"), TEXT("for i in 1 2; do a; done && x"));
    check_run(TEXT("aac+"), TEXT("for i in 1 2; do a; fa || break; done; c"));
}

TEST(for_without_in_goes_over_the_arguments)
{
    parse(TEXT("for i; do a; done"));
    CHECK_EQUAL(STEP_FOR_BEGIN, script.steps[0].kind);
    CHECK_EQUAL(1, script.steps[0].count);
    check_word(0, TEXT("$@"));
    CHECK(peal_text_equal(TEXT("i"), script.steps[1].source));
    parse(TEXT("for i\ndo a; done"));
}

static void check_error(enum parse_error expected, text source)
{
    CHECK(!script_parse(&script, source));
    CHECK_EQUAL(expected, script.error);
    CHECK_EQUAL(0, script.step_count);
    CHECK(__builtin_strlen(script_error_message(&script)) > 10);
}

TEST(each_error_is_told)
{
    check_error(PARSE_WORD, TEXT("a 'b"));
    CHECK_EQUAL(WORDS_QUOTE_OPEN, script.words_error);
    check_error(PARSE_WORD, TEXT("a $("));
    check_error(PARSE_NO_COMMAND, TEXT("| a"));
    check_error(PARSE_NO_COMMAND, TEXT("a |"));
    check_error(PARSE_NO_COMMAND, TEXT("a | | b"));
    check_error(PARSE_NO_COMMAND, TEXT("a &&"));
    check_error(PARSE_NO_COMMAND, TEXT("; a"));
    check_error(PARSE_NO_COMMAND, TEXT("a ;; b"));
    check_error(PARSE_NO_COMMAND, TEXT("&"));
    check_error(PARSE_NO_FILE, TEXT("a >"));
    check_error(PARSE_NO_FILE, TEXT("a < | b"));
    check_error(PARSE_NO_FILE, TEXT("a > > b"));
    check_error(PARSE_BAD_DUPLICATE, TEXT("a 2>&3"));
    check_error(PARSE_BAD_DUPLICATE, TEXT("a >&1"));
    check_error(PARSE_BACKGROUND_LIST, TEXT("a && b &"));
    check_error(PARSE_COMPOUND_IN_LIST, TEXT("a | while b; do c; done"));
    check_error(PARSE_COMPOUND_IN_LIST, TEXT("a && if b; then c; fi"));
    check_error(PARSE_COMPOUND_NOT_PLAIN, TEXT("for i in a; do b; done | c"));
    check_error(PARSE_COMPOUND_NOT_PLAIN, TEXT("if a; then b; fi > c"));
    check_error(PARSE_NO_SEPARATOR, TEXT("if a; then b; fi c"));
    check_error(PARSE_OPEN_IF, TEXT("if a; then b"));
    check_error(PARSE_OPEN_LOOP, TEXT("while a; do b"));
    check_error(PARSE_STRAY_WORD, TEXT("fi"));
    check_error(PARSE_STRAY_WORD, TEXT("then a"));
    check_error(PARSE_STRAY_WORD, TEXT("if a; do b; fi"));
    check_error(PARSE_STRAY_WORD, TEXT("while a; do b; fi"));
    check_error(PARSE_STRAY_WORD, TEXT("if a; then b; else c; else d; fi"));
    check_error(PARSE_STRAY_WORD, TEXT("if a; fi"));
    check_error(PARSE_EMPTY, TEXT("if a; then fi"));
    check_error(PARSE_EMPTY, TEXT("if then a; fi"));
    check_error(PARSE_EMPTY, TEXT("while a; do done"));
    check_error(PARSE_BAD_FOR, TEXT("for"));
    check_error(PARSE_BAD_FOR, TEXT("for 1 in a; do b; done"));
    check_error(PARSE_BAD_FOR, TEXT("for i in a b"));
    check_error(PARSE_BAD_FOR, TEXT("for i of a; do b; done"));
    check_error(PARSE_NOT_IN_LOOP, TEXT("break"));
    check_error(PARSE_NOT_IN_LOOP, TEXT("if a; then continue; fi"));
}

TEST(an_error_names_its_line)
{
    check_error(PARSE_NO_COMMAND, TEXT("a\nb\n| c\nd"));
    CHECK_EQUAL(3, script.error_line);
    check_error(PARSE_OPEN_IF, TEXT("if a\nthen b\n"));
    CHECK_EQUAL(3, script.error_line);
}

/* `count` times `piece` behind `head`. */
static text repeated(text head, text piece, uint32_t count)
{
    static char bytes[1 << 17];
    size_t length = 0;
    for (size_t i = 0; i < head.length; i++)
        bytes[length++] = head.bytes[i];
    for (uint32_t n = 0; n < count; n++)
        for (size_t i = 0; i < piece.length; i++)
            bytes[length++] = piece.bytes[i];
    return (text){bytes, length};
}

TEST(each_bound_holds_and_one_more_is_an_error)
{
    parse(repeated(TEXT("a"), TEXT("|a"), PARSE_PIPELINE_COMMANDS_MAX - 1));
    check_error(PARSE_PIPELINE_TOO_LONG,
                repeated(TEXT("a"), TEXT("|a"), PARSE_PIPELINE_COMMANDS_MAX));
    parse(repeated(TEXT(""), TEXT("a;"), PARSE_STEPS_MAX));
    check_error(PARSE_TOO_LONG, repeated(TEXT(""), TEXT("a;"), PARSE_STEPS_MAX + 1));
    parse(repeated(TEXT(""), TEXT("a "), PARSE_WORDS_MAX));
    check_error(PARSE_TOO_LONG, repeated(TEXT(""), TEXT("a "), PARSE_WORDS_MAX + 1));
    parse(repeated(TEXT(""), TEXT(">a "), PARSE_REDIRECTIONS_MAX));
    check_error(PARSE_TOO_LONG, repeated(TEXT(""), TEXT(">a "), PARSE_REDIRECTIONS_MAX + 1));
    check_error(PARSE_OPEN_IF, repeated(TEXT(""), TEXT("if "), PARSE_DEPTH_MAX));
    check_error(PARSE_TOO_DEEP, repeated(TEXT(""), TEXT("if "), PARSE_DEPTH_MAX + 1));
    check_error(PARSE_TOO_DEEP, repeated(TEXT(""), TEXT("for a in b; do "), PARSE_DEPTH_MAX + 1));
    check_error(PARSE_TOO_LONG, repeated(TEXT("while a; do b;"), TEXT("break;"), PARSE_STEPS_MAX));
}

/* Whatever is typed: an end, and jumps that stay inside. */
TEST(any_mixture_of_pieces_is_taken_or_refused)
{
    static const char *const pieces[] = {
        "if ",   "then ", "else ",  "elif ", "fi ", "while ", "do ", "done ", "for ",
        "in ",   "a ",    "; ",     "\n",    "&& ", "|| ",    "| ",  "& ",    "> ",
        "2>&1 ", "! ",    "break ", "'",     "$",   "\\",     "#",   "\"",    "${"};
    uint32_t seed = 7;
    for (uint32_t round = 0; round < 20000; round++) {
        char bytes[256];
        size_t length = 0;
        for (uint32_t i = 0; i < 24; i++) {
            seed = seed * 1103515245u + 12345u;
            const char *piece = pieces[(seed >> 16) % (sizeof(pieces) / sizeof(pieces[0]))];
            for (; *piece != 0; piece++)
                bytes[length++] = *piece;
        }
        if (!script_parse(&script, (text){bytes, length})) continue;
        for (uint32_t i = 0; i < script.step_count; i++)
            CHECK(script.steps[i].target <= script.step_count);
    }
}
