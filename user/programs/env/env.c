#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "env\n"
    "Prints the environment that programs started from here receive, one NAME=value\n"
    "in a line. Variables are set in the shell: `help set`.\n";

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    for (uint32_t i = 0; i < peal_environment_count(); i++) {
        peal_print_text(peal_environment_at(i));
        peal_print_text(TEXT("\n"));
    }
    return 0;
}
