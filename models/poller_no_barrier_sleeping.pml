/* must fail: the poller looks at the tail before its needs_wakeup is seen */
#define NO_BARRIER_SLEEPING
#include "poller.pml"
