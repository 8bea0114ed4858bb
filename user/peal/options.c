#include "peal/options.h"
#include "peal/output.h"

/* Moves to the next argument if it is one of options. */
static bool begin_argument(struct peal_options *options)
{
    if (options->next == 0) options->next = 1;
    text argument = peal_argument(options->arguments, options->next);
    if (argument.length < 2 || argument.bytes[0] != '-') return false;
    if (peal_text_equal(argument, TEXT("--"))) {
        options->next++;
        return false;
    }
    options->at = 1;
    return true;
}

static void end_argument(struct peal_options *options)
{
    options->next++;
    options->at = 0;
}

/* 0: not known; else the letter, and whether it takes a value. */
static char find_letter(const struct peal_options *options, char letter, bool *out_takes_value)
{
    for (const char *known = options->letters; *known != '\0'; known++) {
        if (*known != letter || letter == ':') continue;
        *out_takes_value = known[1] == ':';
        return letter;
    }
    return 0;
}

static char refuse(struct peal_options *options, const char *problem, char letter)
{
    peal_error("%s -%c; see `%.*s --help`", problem, letter,
               TEXT_ARGUMENTS(peal_argument(options->arguments, 0)));
    options->is_wrong = true;
    return 0;
}

char peal_option_next(struct peal_options *options, text *out_value)
{
    *out_value = TEXT("");
    if (options->at == 0 && !begin_argument(options)) return 0;
    text argument = peal_argument(options->arguments, options->next);
    bool takes_value = false;
    char letter = find_letter(options, argument.bytes[options->at++], &takes_value);
    if (letter == 0) return refuse(options, "there is no option", argument.bytes[options->at - 1]);
    bool is_last = options->at == argument.length;
    if (!takes_value) {
        if (is_last) end_argument(options);
        return letter;
    }
    *out_value = peal_text_slice(argument, options->at, SIZE_MAX);
    end_argument(options);
    if (!is_last) return letter;
    if (options->next >= options->arguments.count)
        return refuse(options, "a value is needed behind", letter);
    *out_value = peal_argument(options->arguments, options->next++);
    return letter;
}
