/*
 * Options of a command: single letters behind '-', alone or together, in front of other arguments.
 *
 *     struct peal_options options = {.arguments = arguments, .letters = "rn:"};
 *     text value;
 *     for (char letter; (letter = peal_option_next(&options, &value)) != 0;) ...
 *     if (options.is_wrong) return EXIT_CODE_USAGE;
 *     first other argument: options.next
 *
 * A letter with ':' behind it in `letters` takes a value: the rest of its argument, or the next
 * one.
 * "--" ends the options; "-" alone is no option. What is not in `letters` is told to the person,
 * and ends the loop with is_wrong.
 *
 * Context: any thread.
 */
#pragma once
#include "peal/program.h"

struct peal_options {
    struct peal_arguments arguments;
    const char *letters;
    uint32_t next; /* the argument to look at; 0 at first. In the end the first that is no option */
    size_t at;     /* inside of it: the letter to look at; 0: none yet */
    bool is_wrong;
};

/* The next option's letter, with its value if it takes one; 0 when there are no more. */
char peal_option_next(struct peal_options *options, text *out_value);
