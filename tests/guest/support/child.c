#include "support/child.h"
#include "peal/program.h"
#include <abi/ring.h>

bool child_plays(text part)
{
    text given;
    return peal_environment_get(TEXT("part"), &given) && peal_text_equal(given, part);
}

process_result child_start(text path, text part, const struct peal_spawn *limits)
{
    char variable[64] = "part=";
    size_t length = 5;
    for (size_t i = 0; i < part.length && length < sizeof(variable); i++)
        variable[length++] = part.bytes[i];
    text environment[] = {{variable, length}};
    struct peal_spawn spawn = *limits;
    spawn.name = part;
    spawn.arguments = &path;
    spawn.arguments_count = 1;
    spawn.environment = environment;
    spawn.environment_count = 1;
    file_result opened = peal_file_open(peal_granted_directory(TEXT("root")), path, RIGHTS_EXECUTE);
    if (!is_ok(opened.status)) return (process_result){.status = opened.status};
    OWNED(file_handle) file = TAKE(opened.value);
    return peal_process_spawn(file_borrow(&file), &spawn);
}

struct abi_exit child_end(text path, text part, const struct peal_spawn *limits)
{
    struct abi_exit how = {0};
    process_result started = child_start(path, part, limits);
    how.code = 2000 + (uint32_t)started.status.code;
    if (!is_ok(started.status)) return how;
    OWNED(process_handle) process = TAKE(started.value);
    ignore_status(
        peal_process_wait(process_borrow(&process), ABI_DEADLINE_NEVER, &how)); /* `how` tells */
    return how;
}

uint32_t child_run(text path, text part, const struct peal_spawn *limits)
{
    struct abi_exit how = child_end(path, part, limits);
    if (how.reason == ABI_EXIT_REASON_CODE || how.reason == 0) return how.code;
    return 1000 + how.reason;
}
