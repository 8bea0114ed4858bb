/* Which way whole pages are moved. */
#include "arch/arch/page.h"
#include "arch/x86_64/x86_64.h"
#include "base/bytes.h"

/* page_wide.S */
void page_copy_wide(void *restrict to, const void *restrict from);
void page_clear_wide(void *page);

void page_copy(void *restrict to, const void *restrict from)
{
    if (likely(processor.has_wide_moves))
        page_copy_wide(to, from);
    else
        bytes_copy(to, from, PAGE_BYTES);
}

void page_clear(void *page)
{
    if (likely(processor.has_wide_moves))
        page_clear_wide(page);
    else
        bytes_zero(page, PAGE_BYTES);
}
