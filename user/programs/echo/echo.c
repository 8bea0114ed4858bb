#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] = "echo [-n] [word]...\n"
                            "Prints the words with a blank between them, and ends the line.\n"
                            "  -n   does not end the line\n";

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    bool keeps_line = peal_text_equal(peal_argument(arguments, 1), TEXT("-n"));
    uint32_t first = keeps_line ? 2 : 1;
    for (uint32_t i = first; i < arguments.count; i++) {
        if (i > first) peal_print_text(TEXT(" "));
        peal_print_text(peal_argument(arguments, i));
    }
    if (!keeps_line) peal_print_text(TEXT("\n"));
    peal_flush();
    return peal_output_failed() ? EXIT_CODE_FAILED : 0;
}
