/*
 * Whole pages: copied and cleared as fast as the processor can, for these two are much of what a
 * kernel does.
 *
 * Context: any. Cost: constant; a few hundred instructions.
 */
#pragma once

/* PAGE_BYTES each; aligned or not. */
void page_copy(void *restrict to, const void *restrict from);
void page_clear(void *page);
