/* must fail: the program looks at the completions before its clearing of cq_ready is seen */
#define RINGS 1
#define COMPLETIONS
#define NO_BARRIER_CLEARING
#include "poller.pml"
