/* What the shell does itself, because a program could not: it changes the shell. */
#include "authority.h"
#include "peal/bytes.h"
#include "peal/heap.h"
#include "peal/output.h"
#include "peal/process.h"

struct builtin {
    text name;
    text summary;
    text detail;
    uint32_t (*run)(struct shell *shell, const text *words, uint32_t count);
};

static uint32_t run_cd(struct shell *shell, const text *words, uint32_t count)
{
    char bytes[PATH_BYTES_MAX];
    text path, target = count > 1 ? words[1] : TEXT("/");
    if (count > 2) {
        peal_error("cd: one directory at a time; quote a name with blanks: cd 'a b'");
        return 2;
    }
    if (!path_resolve(shell_path(shell), target, bytes, &path)) {
        peal_error("cd: the path is too long");
        return 1;
    }
    directory_handle opened = {0};
    if (path.length > 1) {
        directory_result result = peal_directory_open(
            shell->root, peal_text_slice(path, 1, SIZE_MAX), RIGHTS_FOLDER | ABI_RIGHT_WRITE);
        if (result.status.code == STATUS_NOT_FOUND) {
            peal_error("cd: there is no directory %.*s", TEXT_ARGUMENTS(path));
            return 1;
        }
        if (!is_ok(result.status)) {
            peal_error_status(target, result.status);
            return 1;
        }
        opened = TAKE(result.value);
    }
    directory_handle_drop(&shell->current);
    shell->current = opened;
    memcpy(shell->path, path.bytes, path.length);
    shell->path_length = path.length;
    status set = variables_set(&shell->variables, TEXT("PWD"), path);
    if (!is_ok(set)) peal_error_status(TEXT("PWD"), set);
    return is_ok(set) ? 0 : 1;
}

static uint32_t run_pwd(struct shell *shell, const text *, uint32_t)
{
    text path = shell_path(shell);
    peal_print("%.*s\n", TEXT_ARGUMENTS(path));
    return 0;
}

static uint32_t run_set(struct shell *shell, const text *words, uint32_t count)
{
    if (count == 1) {
        for (uint32_t i = 0; i < shell->variables.count; i++)
            peal_print("%.*s\n", TEXT_ARGUMENTS(shell->variables.items[i]));
        return 0;
    }
    text value = count > 2 ? words[2] : words[1];
    text name = count > 2 ? words[1] : peal_text_split(&value, '=');
    if (count > 3 || !words_is_name(name)) {
        peal_error("set: write `set NAME value` or `NAME=value`");
        return 2;
    }
    status set = variables_set(&shell->variables, name, value);
    if (!is_ok(set)) peal_error_status(name, set);
    return is_ok(set) ? 0 : 1;
}

static uint32_t run_unset(struct shell *shell, const text *words, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        variables_unset(&shell->variables, words[i]);
    return 0;
}

static uint32_t run_exit(struct shell *shell, const text *words, uint32_t count)
{
    uint64_t code = 0;
    if (count > 1 && !peal_text_to_number(words[1], &code)) {
        peal_error("exit: the code is a number");
        return 2;
    }
    shell->wants_exit = true;
    return (uint32_t)code;
}

static uint32_t run_with(struct shell *shell, const text *words, uint32_t count)
{
    if (count < 3) {
        peal_error("with: write `with HANDLES command ...`; see `help with`");
        return 2;
    }
    return shell_run_program(shell, words[1], words + 2, count - 2);
}

static uint32_t run_help(struct shell *shell, const text *words, uint32_t count);

static const struct builtin builtins[] = {
    {TEXT("cd"), TEXT("go to a directory"),
     TEXT("cd [directory]\n"
          "Makes the directory the current one: `/` without an argument. `..` goes up.\n"
          "Programs receive a handle to it as \"cwd\".\n"),
     run_cd},
    {TEXT("exit"), TEXT("end the shell"),
     TEXT("exit [code]\nEnds the shell; init starts another one. Ctrl-D on an empty line does "
          "the same.\n"),
     run_exit},
    {TEXT("help"), TEXT("this list, or more about one command"),
     TEXT("help [command]\nExplains a command. Programs explain themselves: NAME --help.\n"),
     run_help},
    {TEXT("pwd"), TEXT("print the current directory"), TEXT("pwd\nPrints the current directory.\n"),
     run_pwd},
    {TEXT("set"), TEXT("list variables, or set one"),
     TEXT("set                list all variables\n"
          "set NAME value     set one; NAME=value does the same\n"
          "\n"
          "Every variable is part of the environment of the programs that the shell runs.\n"
          "$NAME and ${NAME} stand for the value, also inside \"...\"; '...' keeps the $.\n"
          "$? is the exit code of the last command, PATH where commands are looked for.\n"),
     run_set},
    {TEXT("unset"), TEXT("forget variables"), TEXT("unset NAME...\nForgets variables.\n"),
     run_unset},
    {TEXT("with"), TEXT("run a program with exactly these handles"),
     TEXT("with HANDLE[:RIGHT+RIGHT...],... command [argument]...\n"
          "with none command [argument]...\n"
          "\n"
          "A program can touch only what it is handed. Usually the shell hands out the console as\n"
          "stdin, stdout and stderr, and the directories root and cwd for looking and reading; a\n"
          "few commands, such as ps and poweroff, also get the machine itself, with the rights\n"
          "they need (`help NAME` tells). `with` replaces all that by your own list, out of:\n"
          "\n"
          "    stdin stdout stderr console root cwd system\n"
          "\n"
          "    with stdout,root:look_up+read+close hexdump /boot/bin/true 0 64\n"
          "    with stdout,stderr ls             # ls says what it misses\n"
          "    with stdout,stderr,system ps      # give a program more\n"),
     run_with},
};

text shell_builtin_name(uint32_t index)
{
    return index < sizeof(builtins) / sizeof(builtins[0]) ? builtins[index].name : TEXT("");
}

static const struct builtin *builtin_find(text name)
{
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++)
        if (peal_text_equal(builtins[i].name, name)) return &builtins[i];
    return nullptr;
}

bool shell_run_builtin(struct shell *shell, const text *words, uint32_t count, uint32_t *out_code)
{
    text value = words[0];
    bool has_sign = peal_text_find(value, '=', 0) < value.length;
    if (count == 1 && has_sign && words_is_name(peal_text_split(&value, '='))) {
        text both[2] = {TEXT("set"), words[0]};
        *out_code = run_set(shell, both, 2);
        return true;
    }
    const struct builtin *builtin = builtin_find(words[0]);
    if (builtin == nullptr) return false;
    *out_code = builtin->run(shell, words, count);
    return true;
}

static void help_all(void)
{
    peal_print(
        "A program can touch only what it was handed, and every request it makes is an entry\n"
        "in a ring. Type a command, its arguments, Enter.\n\n"
        "In the shell itself:\n");
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++)
        peal_print("  %-10.*s %.*s\n", TEXT_ARGUMENTS(builtins[i].name),
                   TEXT_ARGUMENTS(builtins[i].summary));
    peal_print("\nPrograms, in /boot/bin:\n");
    for (uint32_t i = 0; command_at(i) != nullptr; i++)
        peal_print("  %-10.*s %.*s\n", TEXT_ARGUMENTS(command_at(i)->name),
                   TEXT_ARGUMENTS(command_at(i)->summary));
    peal_print("\nFiles: / holds one directory for each volume: /boot, /disk0, /disk1, ...;\n"
               "       /esp is what the machine boots from.\n"
               "Words: 'as it is', \"with $variables\", # comment, one ; two.\n"
               "Keys:  Tab completes; Up and Down go through what was typed; Ctrl-A and -E to the\n"
               "       ends of the line; Ctrl-K, -U and -W cut, Ctrl-Y puts back; Ctrl-L clears;\n"
               "       Ctrl-C ends the running program.\n"
               "More:  `help COMMAND`, or `COMMAND --help`.\n");
}

static void help_authority(const struct command_info *info)
{
    char bytes[256];
    struct writer rights = WRITER(bytes);
    peal_print("\nThe shell grants it: stdin, stdout, stderr, root and cwd");
    if (info->may_execute) peal_print(" (also to run what is in them)");
    if (info->has_console) peal_print(", console");
    if (info->system_rights != 0) {
        peal_format_rights(&rights, info->system_rights);
        peal_print(", system (%.*s)", TEXT_ARGUMENTS(writer_text(&rights)));
    }
    peal_print(".\n");
}

static uint32_t run_help(struct shell *shell, const text *words, uint32_t count)
{
    if (count == 1) {
        help_all();
        return 0;
    }
    const struct builtin *builtin = builtin_find(words[1]);
    if (builtin != nullptr) {
        peal_print_text(builtin->detail);
        return 0;
    }
    text question[2] = {words[1], TEXT("--help")};
    peal_flush();
    uint32_t code = shell_run_program(shell, TEXT(""), question, 2);
    const struct command_info *info = command_find(words[1]);
    if (info != nullptr && code == 0) help_authority(info);
    return code;
}
