#include "debug/symbols.h"
#include "support/test.h"

TEST(an_address_belongs_to_the_last_symbol_at_or_below_it)
{
    static const struct kernel_symbol symbols[] = {{16, 0}, {32, 5}, {32, 9}, {100, 12}};
    CHECK_EQUAL(4, symbols_search(symbols, 4, 0));
    CHECK_EQUAL(4, symbols_search(symbols, 4, 15));
    CHECK_EQUAL(0, symbols_search(symbols, 4, 16));
    CHECK_EQUAL(0, symbols_search(symbols, 4, 31));
    CHECK_EQUAL(2, symbols_search(symbols, 4, 32));
    CHECK_EQUAL(3, symbols_search(symbols, 4, 100));
    CHECK_EQUAL(3, symbols_search(symbols, 4, UINT32_MAX));
    CHECK_EQUAL(0, symbols_search(symbols, 0, 5));
}
