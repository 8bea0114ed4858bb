#include "authority.h"
#include "peal/output.h"

#define RIGHTS_STREAM (RIGHTS_HANDLE | ABI_RIGHT_READ | ABI_RIGHT_WRITE)
#define RIGHTS_LOOKING \
    (RIGHTS_HANDLE | ABI_RIGHT_READ | ABI_RIGHT_SEEK | ABI_RIGHT_ENUMERATE | ABI_RIGHT_LOOK_UP)
#define RIGHTS_OBSERVE (ABI_RIGHT_STAT | ABI_RIGHT_ENUMERATE | ABI_RIGHT_LOOK_UP | ABI_RIGHT_CLOSE)
#define RIGHTS_ENDING  (ABI_RIGHT_STAT | ABI_RIGHT_LOOK_UP | ABI_RIGHT_KILL | ABI_RIGHT_CLOSE)

static const struct command_info commands[] = {
    {.name = TEXT("bench"),
     .summary = TEXT("measure what operations cost"),
     .system_rights = RIGHTS_OBSERVE,
     .may_execute = true},
    {.name = TEXT("cat"), .summary = TEXT("print files")},
    {.name = TEXT("clear"), .summary = TEXT("clear the screen")},
    {.name = TEXT("cp"), .summary = TEXT("copy files"), .may_write = true},
    {.name = TEXT("crash"), .summary = TEXT("die of a fault of your choice")},
    {.name = TEXT("df"), .summary = TEXT("space on each volume")},
    {.name = TEXT("diskbench"),
     .summary = TEXT("measure how fast files and disks are"),
     .may_write = true},
    {.name = TEXT("du"), .summary = TEXT("add up the sizes of files, folder by folder")},
    {.name = TEXT("echo"), .summary = TEXT("print words")},
    {.name = TEXT("edit"), .summary = TEXT("edit a text file"), .may_write = true},
    {.name = TEXT("env"), .summary = TEXT("print the environment")},
    {.name = TEXT("false"), .summary = TEXT("fail, with exit code 1")},
    {.name = TEXT("find"), .summary = TEXT("find files by name")},
    {.name = TEXT("free"), .summary = TEXT("memory in use"), .system_rights = ABI_RIGHT_STAT},
    {.name = TEXT("fsstress"),
     .summary = TEXT("work on many files at random, and check them"),
     .may_write = true},
    {.name = TEXT("grep"), .summary = TEXT("print the lines that match a pattern")},
    {.name = TEXT("handles"),
     .summary = TEXT("what a process holds, with which rights"),
     .system_rights = RIGHTS_OBSERVE},
    {.name = TEXT("head"), .summary = TEXT("print the first lines of files")},
    {.name = TEXT("hexdump"), .summary = TEXT("print a file byte by byte")},
    {.name = TEXT("hog"), .summary = TEXT("use up memory, handles, the ring or threads")},
    {.name = TEXT("kill"),
     .summary = TEXT("end a process by its number"),
     .system_rights = RIGHTS_ENDING},
    {.name = TEXT("ls"), .summary = TEXT("list a directory")},
    {.name = TEXT("mkdir"), .summary = TEXT("make directories"), .may_write = true},
    {.name = TEXT("mount"), .summary = TEXT("list volumes")},
    {.name = TEXT("mv"), .summary = TEXT("move or rename files"), .may_write = true},
    {.name = TEXT("poweroff"),
     .summary = TEXT("switch the machine off"),
     .system_rights = ABI_RIGHT_CONTROL},
    {.name = TEXT("ps"), .summary = TEXT("list processes"), .system_rights = ABI_RIGHT_ENUMERATE},
    {.name = TEXT("reach"),
     .summary = TEXT("who can reach an object, through whom"),
     .system_rights = RIGHTS_OBSERVE},
    {.name = TEXT("reboot"),
     .summary = TEXT("restart the machine"),
     .system_rights = ABI_RIGHT_CONTROL},
    {.name = TEXT("rm"), .summary = TEXT("remove files"), .may_write = true},
    {.name = TEXT("rmdir"), .summary = TEXT("remove empty directories"), .may_write = true},
    {.name = TEXT("serve"),
     .summary = TEXT("run a command with its files served from memory"),
     .may_execute = true,
     .may_write = true},
    {.name = TEXT("shell"),
     .summary = TEXT("run a script, or one line"),
     .system_rights = ABI_RIGHTS_ALL,
     .may_execute = true,
     .may_write = true,
     .has_console = true},
    {.name = TEXT("sleep"), .summary = TEXT("wait for some seconds")},
    {.name = TEXT("sort"), .summary = TEXT("print lines in order")},
    {.name = TEXT("stat"), .summary = TEXT("describe a file or directory")},
    {.name = TEXT("sync"),
     .summary = TEXT("bring everything written to the disk"),
     .may_write = true},
    {.name = TEXT("tail"), .summary = TEXT("print the last lines of files")},
    {.name = TEXT("tee"), .summary = TEXT("copy a pipe into a file, too"), .may_write = true},
    {.name = TEXT("testrunner"),
     .summary = TEXT("run the tests in /boot/test"),
     .system_rights = ABI_RIGHTS_ALL,
     .may_execute = true,
     .has_console = true},
    {.name = TEXT("touch"),
     .summary = TEXT("make files, or set when they were changed"),
     .may_write = true},
    {.name = TEXT("trace"),
     .summary = TEXT("show what a program asks of the kernel"),
     .system_rights = RIGHTS_OBSERVE | ABI_RIGHT_DUP,
     .may_execute = true,
     .has_console = true},
    {.name = TEXT("treecopy"),
     .summary = TEXT("copy a folder and all below it, many files at once"),
     .may_write = true},
    {.name = TEXT("true"), .summary = TEXT("succeed, with exit code 0")},
    {.name = TEXT("uptime"),
     .summary = TEXT("time since boot, and how busy it was"),
     .system_rights = ABI_RIGHT_STAT},
    {.name = TEXT("wc"), .summary = TEXT("count lines, words and bytes")},
    {.name = TEXT("why"),
     .summary = TEXT("how a handle came to be, and lost rights"),
     .system_rights = RIGHTS_OBSERVE},
    {.name = TEXT("write"), .summary = TEXT("write words into a file"), .may_write = true},
    {.name = TEXT("yes"), .summary = TEXT("print a line again and again")},
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

void grants_add(struct grants *grants, struct peal_grant grant)
{
    if (grant.raw == ABI_HANDLE_NONE || grants->count == AUTHORITY_GRANTS_MAX) return;
    grants->items[grants->count++] = grant;
}

static void add(struct grants *grants, text name, peal_raw_handle raw, uint64_t rights)
{
    grants_add(grants, (struct peal_grant){.name = name, .raw = raw, .rights = rights});
}

/* A console is read and written by whoever has it; files and channels go in one direction. */
static uint64_t stream_rights(stream_ref stream, uint64_t rights)
{
    return stream.kind == ABI_KIND_CONSOLE ? RIGHTS_STREAM : RIGHTS_HANDLE | rights;
}

static void add_input(struct grants *grants, stream_ref stream)
{
    add(grants, TEXT("stdin"), stream.raw, stream_rights(stream, ABI_RIGHT_READ | ABI_RIGHT_SEEK));
}

static void add_output(struct grants *grants, text name, stream_ref stream)
{
    add(grants, name, stream.raw, stream_rights(stream, ABI_RIGHT_WRITE));
}

void grants_usual(struct grants *grants, const struct shell *shell, text program,
                  const struct streams *streams)
{
    const struct command_info *info = command_find(program);
    uint64_t folder_rights = RIGHTS_LOOKING;
    if (info != nullptr && info->may_execute) folder_rights |= ABI_RIGHT_EXECUTE;
    if (info != nullptr && info->may_write) folder_rights |= RIGHTS_CHANGING;
    /* The tests are run with all there is. */
    if (info != nullptr && info->system_rights == ABI_RIGHTS_ALL) folder_rights = ABI_RIGHTS_ALL;
    grants->count = 0;
    add_input(grants, streams->input);
    add_output(grants, TEXT("stdout"), streams->output);
    add_output(grants, TEXT("stderr"), streams->errors);
    add(grants, TEXT("root"), shell->root.raw, folder_rights);
    add(grants, TEXT("cwd"), shell_current(shell).raw, folder_rights);
    if (info == nullptr) return;
    if (info->has_console)
        add(grants, TEXT("console"), shell->console.raw, RIGHTS_STREAM | ABI_RIGHT_CONTROL);
    if (info->system_rights != 0)
        add(grants, TEXT("system"), shell->system.raw, info->system_rights);
}

/* What a name in a list stands for; false when the shell has nothing of that name. */
static bool add_named(struct grants *grants, const struct shell *shell, text name,
                      const struct streams *streams)
{
    uint32_t before = grants->count;
    if (peal_text_equal(name, TEXT("stdin")))
        add_input(grants, streams->input);
    else if (peal_text_equal(name, TEXT("stdout")))
        add_output(grants, name, streams->output);
    else if (peal_text_equal(name, TEXT("stderr")))
        add_output(grants, name, streams->errors);
    else if (peal_text_equal(name, TEXT("console")))
        add(grants, name, shell->console.raw, RIGHTS_STREAM | ABI_RIGHT_CONTROL);
    else if (peal_text_equal(name, TEXT("root")))
        add(grants, name, shell->root.raw, RIGHTS_LOOKING);
    else if (peal_text_equal(name, TEXT("cwd")))
        add(grants, name, shell_current(shell).raw, RIGHTS_LOOKING);
    else if (peal_text_equal(name, TEXT("system")))
        add(grants, name, shell->system.raw, ABI_RIGHTS_ALL);
    return grants->count > before;
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

bool grants_listed(struct grants *grants, const struct shell *shell, text list,
                   const struct streams *streams)
{
    grants->count = 0;
    if (peal_text_equal(list, TEXT("none"))) return true;
    while (list.length > 0) {
        text rights = peal_text_split(&list, ',');
        bool has_rights = peal_text_find(rights, ':', 0) < rights.length;
        text name = peal_text_split(&rights, ':');
        if (!add_named(grants, shell, name, streams)) {
            peal_error("with: nothing to grant is called '%.*s'; there are stdin stdout stderr "
                       "root cwd console system, and none",
                       TEXT_ARGUMENTS(name));
            return false;
        }
        if (has_rights && !rights_listed(rights, &grants->items[grants->count - 1].rights))
            return false;
    }
    return true;
}
