#include "peal/output.h"
#include "peal/usage.h"

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, "clear\nClears the screen and goes to its top left.\n"))
        return 0;
    peal_print("\x1b[H\x1b[2J");
    return 0;
}
