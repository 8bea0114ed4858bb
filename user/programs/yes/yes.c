#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "yes [word]...\n"
    "Prints the words, or y, again and again until nobody reads any more.\n";

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    while (!peal_output_failed()) {
        if (arguments.count == 1) peal_print("y");
        for (uint32_t i = 1; i < arguments.count; i++)
            peal_print("%s%.*s", i > 1 ? " " : "", TEXT_ARGUMENTS(peal_argument(arguments, i)));
        peal_print("\n");
    }
    return EXIT_CODE_FAILED;
}
