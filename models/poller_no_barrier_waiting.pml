/* must fail: the thread looks at the completions before its waiting is seen */
#define RINGS 1
#define COMPLETIONS
#define NO_BARRIER_WAITING
#include "poller.pml"
