/* The first process: the program, its words and its handles. */
#include "main/first.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "debug/log.h"
#include "device/console.h"
#include "fs/vfs/vfs.h"
#include "ops/boot.h"
#include "ops/ops.h"

#define ENVIRONMENT_MAX 32u

/* The next blank-separated word, or empty text at the end. */
static text next_word(text *rest)
{
    for (;;) {
        size_t blank = min_of(text_find(*rest, ' ', 0), text_find(*rest, ';', 0));
        text word = text_slice(*rest, 0, blank);
        *rest = text_slice(*rest, blank + 1, rest->length);
        if (word.length > 0 || rest->length == 0) return word;
    }
}

static uint32_t environment_from(text command_line, text *environment)
{
    uint32_t count = 0;
    text word;
    while (count < ENVIRONMENT_MAX && (word = next_word(&command_line)).length > 0)
        if (text_find(word, '=', 0) < word.length) environment[count++] = word;
    return count;
}

void start_first(text command_line, uint64_t booted_ns)
{
    object_result root = vfs_open_vnode(vfs_root());
    if (!is_ok(root.status)) panic("no root directory: status %u", root.status.code);
    object_result opened = vfs_open(root.value, TEXT("boot/bin/init"));
    if (!is_ok(opened.status))
        panic("the boot archive has no bin/init: status %u", opened.status.code);

    text arguments[] = {TEXT("init")};
    text environment[ENVIRONMENT_MAX];
    const struct first_handle handles[] = {
        {TEXT("root"), root.value, ABI_RIGHTS_ALL},
        {TEXT("console"), console_object(), ABI_RIGHTS_ALL},
        {TEXT("stdin"), console_object(), ABI_RIGHTS_ALL},
        {TEXT("stdout"), console_object(), ABI_RIGHTS_ALL},
        {TEXT("stderr"), console_object(), ABI_RIGHTS_ALL},
        {TEXT("system"), system_object(), ABI_RIGHTS_ALL},
    };
    struct first_process first = {
        .name = TEXT("init"),
        .file = vfs_vnode(opened.value),
        .arguments = arguments,
        .arguments_count = array_count(arguments),
        .environment = environment,
        .environment_count = environment_from(command_line, environment),
        .handles = handles,
        .handles_count = array_count(handles),
    };
    log_line("boot", "first program after %llu us", (unsigned long long)(booted_ns / 1000));
    status started = start_first_process(&first, nullptr);
    if (!is_ok(started)) panic("init cannot start: status %u", started.code);
    object_put(opened.value);
    object_put(root.value);
}
