#include "peal/usage.h"

int peal_main(struct peal_arguments arguments)
{
    peal_wants_help(arguments, "true\nDoes nothing, successfully: exit code 0.\n");
    return 0;
}
