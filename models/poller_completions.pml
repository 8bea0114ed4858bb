/* Poller mode with one ring: completions from two processors, and every way to wait for them. */
#define RINGS 1
#define COMPLETIONS
#include "poller.pml"
