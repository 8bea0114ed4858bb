#include "peal/progress.h"
#include "peal/clock.h"
#include "peal/output.h"
#include "peal/program.h"

#define BAR_COLUMNS 30u
#define ERASE_LINE  "\r\x1b[K"

static bool is_console(void)
{
    return !console_is_nil(peal_granted_console(TEXT("stdout")));
}

/* done / total, as a part of `whole`; a total of 0 is done. */
static uint64_t share(uint64_t done, uint64_t total, uint64_t whole)
{
    if (done >= total) return whole;
    /* No product of what is this large can be asked for. */
    return total > UINT64_MAX / whole ? done / (total / whole) : done * whole / total;
}

void progress_show(struct progress *progress, uint64_t done, text words)
{
    uint64_t now_ns = peal_clock_now_ns();
    bool is_early =
        progress->is_drawn && now_ns - progress->shown_ns < PROGRESS_INTERVAL_MS * 1'000'000ull;
    if (is_early || !is_console()) return;
    progress->shown_ns = now_ns;
    progress->is_drawn = true;
    char bytes[BAR_COLUMNS];
    struct writer bar = WRITER(bytes);
    writer_fill(&bar, '#', share(done, progress->total, BAR_COLUMNS));
    writer_fill(&bar, '-', BAR_COLUMNS - bar.length);
    peal_print(ERASE_LINE "[%.*s] %3lu %%  %.*s", TEXT_ARGUMENTS(writer_text(&bar)),
               share(done, progress->total, 100), TEXT_ARGUMENTS(words));
    peal_flush();
}

void progress_end(struct progress *progress)
{
    if (progress->is_drawn) peal_print(ERASE_LINE);
    progress->is_drawn = false;
}
