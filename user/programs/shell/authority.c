#include "authority.h"
#include "peal/output.h"

#define RIGHTS_STREAM (RIGHTS_HANDLE | ABI_RIGHT_READ | ABI_RIGHT_WRITE)
#define RIGHTS_LOOKING \
    (RIGHTS_HANDLE | ABI_RIGHT_READ | ABI_RIGHT_SEEK | ABI_RIGHT_ENUMERATE | ABI_RIGHT_LOOK_UP)
#define RIGHTS_OBSERVE (ABI_RIGHT_STAT | ABI_RIGHT_ENUMERATE | ABI_RIGHT_LOOK_UP | ABI_RIGHT_CLOSE)
#define RIGHTS_ENDING  (ABI_RIGHT_STAT | ABI_RIGHT_LOOK_UP | ABI_RIGHT_KILL | ABI_RIGHT_CLOSE)

static const struct command_info commands[] = {
    {TEXT("bench"), TEXT("measure what operations cost"), RIGHTS_OBSERVE, true, false},
    {TEXT("cat"), TEXT("print files"), 0, false, false},
    {TEXT("clear"), TEXT("clear the screen"), 0, false, false},
    {TEXT("cp"), TEXT("copy a file to the console"), 0, false, false},
    {TEXT("crash"), TEXT("die of a fault of your choice"), 0, false, false},
    {TEXT("du"), TEXT("add up the sizes of files, folder by folder"), 0, false, false},
    {TEXT("echo"), TEXT("print words"), 0, false, false},
    {TEXT("env"), TEXT("print the environment"), 0, false, false},
    {TEXT("false"), TEXT("fail, with exit code 1"), 0, false, false},
    {TEXT("free"), TEXT("memory in use"), ABI_RIGHT_STAT, false, false},
    {TEXT("grep"), TEXT("print the lines that match a pattern"), 0, false, false},
    {TEXT("handles"), TEXT("what a process holds, with which rights"), RIGHTS_OBSERVE, false,
     false},
    {TEXT("head"), TEXT("print the first lines of files"), 0, false, false},
    {TEXT("hexdump"), TEXT("print a file byte by byte"), 0, false, false},
    {TEXT("hog"), TEXT("use up memory, handles, the ring or threads"), 0, false, false},
    {TEXT("kill"), TEXT("end a process by its number"), RIGHTS_ENDING, false, false},
    {TEXT("ls"), TEXT("list a directory"), 0, false, false},
    {TEXT("poweroff"), TEXT("switch the machine off"), ABI_RIGHT_CONTROL, false, false},
    {TEXT("ps"), TEXT("list processes"), ABI_RIGHT_ENUMERATE, false, false},
    {TEXT("reach"), TEXT("who can reach an object, through whom"), RIGHTS_OBSERVE, false, false},
    {TEXT("reboot"), TEXT("restart the machine"), ABI_RIGHT_CONTROL, false, false},
    {TEXT("serve"), TEXT("run a command with its files served from memory"), 0, true, false},
    {TEXT("sleep"), TEXT("wait for some seconds"), 0, false, false},
    {TEXT("sort"), TEXT("print lines in order"), 0, false, false},
    {TEXT("stat"), TEXT("describe a file or directory"), 0, false, false},
    {TEXT("tail"), TEXT("print the last lines of files"), 0, false, false},
    {TEXT("testrunner"), TEXT("run the tests in /boot/test"), ABI_RIGHTS_ALL, true, true},
    {TEXT("trace"), TEXT("show what a program asks of the kernel"), RIGHTS_OBSERVE | ABI_RIGHT_DUP,
     true, true},
    {TEXT("treecopy"), TEXT("copy a folder and all below it, many files at once"), 0, false, false},
    {TEXT("true"), TEXT("succeed, with exit code 0"), 0, false, false},
    {TEXT("uptime"), TEXT("time since boot, and how busy it was"), ABI_RIGHT_STAT, false, false},
    {TEXT("wc"), TEXT("count lines, words and bytes"), 0, false, false},
    {TEXT("why"), TEXT("how a handle came to be, and lost rights"), RIGHTS_OBSERVE, false, false},
};

const struct command_info *command_find(text name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (peal_text_equal(commands[i].name, name)) return &commands[i];
    return nullptr;
}

const struct command_info *command_at(uint32_t index)
{
    return index < sizeof(commands) / sizeof(commands[0]) ? &commands[index] : nullptr;
}

static void add(struct grants *grants, text name, peal_raw_handle raw, uint64_t rights)
{
    if (raw == ABI_HANDLE_NONE || grants->count == AUTHORITY_GRANTS_MAX) return;
    grants->items[grants->count++] =
        (struct peal_grant){.name = name, .raw = raw, .rights = rights};
}

void grants_usual(struct grants *grants, const struct shell *shell, text program)
{
    const struct command_info *info = command_find(program);
    bool may_execute = info != nullptr && info->may_execute;
    uint64_t folder_rights = RIGHTS_LOOKING | (may_execute ? ABI_RIGHT_EXECUTE : 0);
    /* The tests are run with all there is. */
    if (info != nullptr && info->system_rights == ABI_RIGHTS_ALL) folder_rights = ABI_RIGHTS_ALL;
    grants->count = 0;
    add(grants, TEXT("stdin"), shell->console.raw, RIGHTS_STREAM);
    add(grants, TEXT("stdout"), shell->console.raw, RIGHTS_STREAM);
    add(grants, TEXT("stderr"), shell->console.raw, RIGHTS_STREAM);
    add(grants, TEXT("root"), shell->root.raw, folder_rights);
    add(grants, TEXT("cwd"), shell_current(shell).raw, folder_rights);
    if (info == nullptr) return;
    if (info->has_console)
        add(grants, TEXT("console"), shell->console.raw, RIGHTS_STREAM | ABI_RIGHT_CONTROL);
    if (info->system_rights != 0)
        add(grants, TEXT("system"), shell->system.raw, info->system_rights);
}

/* What a name in a list stands for; false when the shell has nothing of that name. */
static bool grant_named(const struct shell *shell, text name, struct peal_grant *out)
{
    *out = (struct peal_grant){.name = name};
    if (peal_text_equal(name, TEXT("stdin")) || peal_text_equal(name, TEXT("stdout")) ||
        peal_text_equal(name, TEXT("stderr"))) {
        out->raw = shell->console.raw;
        out->rights = RIGHTS_STREAM;
    } else if (peal_text_equal(name, TEXT("console"))) {
        out->raw = shell->console.raw;
        out->rights = RIGHTS_STREAM | ABI_RIGHT_CONTROL;
    } else if (peal_text_equal(name, TEXT("root"))) {
        out->raw = shell->root.raw;
        out->rights = RIGHTS_LOOKING;
    } else if (peal_text_equal(name, TEXT("cwd"))) {
        out->raw = shell_current(shell).raw;
        out->rights = RIGHTS_LOOKING;
    } else if (peal_text_equal(name, TEXT("system"))) {
        out->raw = shell->system.raw;
        out->rights = ABI_RIGHTS_ALL;
    }
    return out->raw != ABI_HANDLE_NONE;
}

static bool rights_listed(text list, uint64_t *out_rights)
{
    *out_rights = 0;
    if (peal_text_equal(list, TEXT("all"))) {
        *out_rights = ABI_RIGHTS_ALL;
        return true;
    }
    while (list.length > 0) {
        text name = peal_text_split(&list, '+');
        uint64_t right = peal_right_by_name(name);
        if (right == 0) {
            char bytes[256];
            struct writer known = WRITER(bytes);
            for (uint32_t bit = 0; bit < ABI_RIGHT_COUNT; bit++) {
                if (bit > 0) writer_byte(&known, ' ');
                peal_format_rights(&known, 1ull << bit);
            }
            peal_error("there is no right '%.*s'; there are: %.*s", TEXT_ARGUMENTS(name),
                       TEXT_ARGUMENTS(writer_text(&known)));
            return false;
        }
        *out_rights |= right;
    }
    return true;
}

bool grants_listed(struct grants *grants, const struct shell *shell, text list)
{
    grants->count = 0;
    if (peal_text_equal(list, TEXT("none"))) return true;
    while (list.length > 0) {
        text rights = peal_text_split(&list, ',');
        bool has_rights = peal_text_find(rights, ':', 0) < rights.length;
        text name = peal_text_split(&rights, ':');
        struct peal_grant grant;
        if (!grant_named(shell, name, &grant)) {
            peal_error("with: nothing to grant is called '%.*s'; there are stdin stdout stderr "
                       "root cwd console system, and none",
                       TEXT_ARGUMENTS(name));
            return false;
        }
        if (has_rights && !rights_listed(rights, &grant.rights)) return false;
        add(grants, grant.name, grant.raw, grant.rights);
    }
    return true;
}
