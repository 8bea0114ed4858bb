#include "peal/clock.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] = "sleep SECONDS\nWaits so many seconds; 0.25 is a quarter of one.\n";

/* "1.5" as 1500. */
static bool milliseconds_of(text seconds, uint64_t *out_ms)
{
    uint64_t whole = 0, part = 0;
    text behind = seconds;
    text before = peal_text_split(&behind, '.');
    if (before.length == 0 && behind.length == 0) return false;
    if (before.length > 0 && !peal_text_to_number(before, &whole)) return false;
    text three = peal_text_slice(behind, 0, 3);
    if (three.length > 0 && !peal_text_to_number(three, &part)) return false;
    for (size_t digits = three.length; digits > 0 && digits < 3; digits++)
        part *= 10;
    return !__builtin_mul_overflow(whole, 1000u, out_ms) &&
           !__builtin_add_overflow(*out_ms, part, out_ms);
}

int peal_main(struct peal_arguments arguments)
{
    uint64_t milliseconds;
    if (peal_wants_help(arguments, usage)) return 0;
    if (arguments.count != 2 || !milliseconds_of(peal_argument(arguments, 1), &milliseconds))
        return peal_usage_error("a number of seconds is needed");
    status slept = peal_sleep_until(peal_deadline_in_ms(milliseconds));
    if (is_ok(slept)) return 0;
    peal_error_status(TEXT("sleep"), slept);
    return EXIT_CODE_FAILED;
}
