/* must fail: completions were taken, so that there is place for more, and the sleeping poller is not told */
#define NO_DOORBELL_REAPING
#include "poller.pml"
