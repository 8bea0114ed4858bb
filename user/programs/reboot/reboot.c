#include "peal/output.h"
#include "peal/system.h"
#include "peal/usage.h"

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, "reboot\nEnds everything and starts the machine again.\n"))
        return 0;
    status failed = peal_system_power(peal_granted_system(TEXT("system")), ABI_POWER_REBOOT);
    peal_error_status(TEXT("system"), failed);
    return EXIT_CODE_FAILED;
}
