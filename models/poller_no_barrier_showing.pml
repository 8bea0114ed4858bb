/* must fail: the poller looks for a waiting thread before its completions are seen */
#define RINGS 1
#define COMPLETIONS
#define NO_BARRIER_SHOWING
#include "poller.pml"
