#include "peal/output.h"
#include "peal/process.h"
#include "peal/system.h"
#include "peal/usage.h"

static const char usage[] = "kill process-number...\nEnds processes; `ps` lists their numbers.\n";

#define CODE_KILLED 137u
#define INIT_ID     1u

static status end_process(uint64_t id)
{
    process_result opened = peal_process_open(peal_granted_system(TEXT("system")), id,
                                              ABI_RIGHT_KILL | ABI_RIGHT_CLOSE);
    TRY(opened.status);
    OWNED(process_handle) process = TAKE(opened.value);
    return peal_process_kill(process_borrow(&process), CODE_KILLED);
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    if (arguments.count == 1) return peal_usage_error("a process number is needed");
    int code = 0;
    for (uint32_t i = 1; i < arguments.count; i++) {
        uint64_t id;
        if (!peal_text_to_number(peal_argument(arguments, i), &id))
            return peal_usage_error("processes are named by their numbers");
        if (id == INIT_ID)
            return peal_usage_error(
                "process 1 keeps the shell running; `poweroff` ends everything");
        status ended = end_process(id);
        if (is_ok(ended)) continue;
        peal_error_status(peal_argument(arguments, i), ended);
        code = EXIT_CODE_FAILED;
    }
    return code;
}
