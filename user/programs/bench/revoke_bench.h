/*
 * Rounds that make and take back handles. Context: the bench program's first thread.
 */
#pragma once
#include "peal/status.h"

/* Rounds set up what they need when they are run first. */
status round_dup(void);
status round_restrict(void);
status round_revoke_1(void);
/* So many descendants, of one parent; what is measured is the revocation alone: revoke_take_ns().
 */
#define REVOKE_MANY 10000u
status round_revoke_many(void);
/* The same with this many waits under way through them: what the ring of a first thread holds. */
#define REVOKE_WAITS 100u
status round_revoke_many_in_use(void);
/* The time that the revocations took since the last call. */
uint64_t revoke_take_ns(void);
