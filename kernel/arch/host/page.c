#include "arch/arch/page.h"
#include "base/address.h"
#include "base/bytes.h"

void page_copy(void *restrict to, const void *restrict from)
{
    bytes_copy(to, from, PAGE_BYTES);
}

void page_clear(void *page)
{
    bytes_zero(page, PAGE_BYTES);
}
