#include "peal/usage.h"

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, "false\nDoes nothing, without success: exit code 1.\n"))
        return 0;
    return EXIT_CODE_FAILED;
}
