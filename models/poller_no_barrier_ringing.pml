/* must fail: the program looks at needs_wakeup before its tail is seen */
#define NO_BARRIER_RINGING
#include "poller.pml"
