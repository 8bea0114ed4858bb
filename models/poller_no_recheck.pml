/* must fail: the poller does not look again after it has set needs_wakeup, and sleeps on what was published meanwhile */
#define NO_RECHECK
#include "poller.pml"
