/* What the shell does itself, because a program could not: it changes the shell. */
#include "authority.h"
#include "jobs.h"
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
            shell->root, peal_text_slice(path, 1, SIZE_MAX), RIGHTS_FOLDER | RIGHTS_CHANGING);
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
    if (count == 2 &&
        (peal_text_equal(words[1], TEXT("-e")) || peal_text_equal(words[1], TEXT("+e")))) {
        shell->stops_on_failure = words[1].bytes[0] == '-';
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
    uint64_t code = shell->last_code;
    if (count > 1 && !peal_text_to_number(words[1], &code)) {
        peal_error("exit: the code is a number");
        return 2;
    }
    shell->wants_exit = true;
    return (uint32_t)code;
}

/* With a command behind the list, `with` is part of starting a program: see run.c. */
static uint32_t run_with(struct shell *, const text *, uint32_t)
{
    peal_error("with: write `with HANDLES command ...`; see `help with`");
    return CODE_USAGE;
}

static uint32_t run_jobs(struct shell *, const text *, uint32_t)
{
    for (struct job *job = job_next(nullptr); job != nullptr; job = job_next(job))
        job_print(job);
    return 0;
}

/* The job that %N, N or nothing means; nullptr after an error was printed. */
static struct job *job_meant(const text *words, uint32_t count)
{
    uint64_t number = 0;
    if (count > 1) {
        text digits = words[1];
        if (peal_text_starts_with(digits, TEXT("%"))) digits = peal_text_slice(digits, 1, SIZE_MAX);
        if (!peal_text_to_number(digits, &number) || number == 0) {
            peal_error("%.*s: a job has a number; `jobs` lists them", TEXT_ARGUMENTS(words[1]));
            return nullptr;
        }
    }
    struct job *job = job_find(number);
    if (job == nullptr) peal_error("there is no such job; `jobs` lists them");
    return job;
}

static uint32_t run_fg(struct shell *shell, const text *words, uint32_t count)
{
    struct job *job = job_meant(words, count);
    if (job == nullptr) return 1;
    peal_print("%.*s\n", (int)job->source_bytes, job->source);
    peal_flush();
    return job_wait(job, &shell->is_interrupted);
}

/* Ctrl-C ends the waiting, and what is waited for goes on. */
static bool wait_for_event(struct shell *shell)
{
    struct event event = events_wait(false);
    if (event.kind == EVENT_ENDED) jobs_note_end(&event);
    if (event.kind == EVENT_INTERRUPT) shell->is_interrupted = true;
    return !shell->is_interrupted;
}

static bool is_any_running(void)
{
    for (struct job *job = job_next(nullptr); job != nullptr; job = job_next(job))
        if (job->running_count > 0) return true;
    return false;
}

static uint32_t run_wait(struct shell *shell, const text *words, uint32_t count)
{
    struct job *job = count > 1 ? job_meant(words, count) : nullptr;
    if (count > 1 && job == nullptr) return 1;
    while (job == nullptr ? is_any_running() : job->running_count > 0)
        if (!wait_for_event(shell)) return EVENTS_CODE_INTERRUPTED;
    if (job != nullptr) return job_wait(job, &shell->is_interrupted);
    jobs_report();
    return 0;
}

static uint32_t run_kill(struct shell *, const text *words, uint32_t count)
{
    struct job *job = job_meant(words, count);
    if (job == nullptr) return 1;
    job_kill(job, EVENTS_CODE_INTERRUPTED);
    return 0;
}

/* The words are the shell's own: what runs meanwhile uses them for others. */
static uint32_t run_source(struct shell *shell, const text *words, uint32_t count)
{
    size_t bytes = 0;
    if (count < 2) {
        peal_error("source: write `source FILE [argument]...`");
        return CODE_USAGE;
    }
    for (uint32_t i = 1; i < count; i++)
        bytes += words[i].length;
    OWNED(heap_block) block = {peal_allocate(count * sizeof(text) + bytes)};
    text *kept = block.bytes;
    if (kept == nullptr) {
        peal_error_status(words[1], FAIL(OUT_OF_MEMORY));
        return 1;
    }
    char *copy = (char *)(kept + count);
    for (uint32_t i = 1; i < count; i++) {
        memcpy(copy, words[i].bytes, words[i].length);
        kept[i] = (text){copy, words[i].length};
        copy += words[i].length;
    }
    return shell_run_file(shell, kept[1], kept + 2, count - 2) ? shell->last_code : 1;
}

static uint32_t run_shift(struct shell *shell, const text *, uint32_t)
{
    if (shell->argument_count == 0) return 1;
    shell->arguments++;
    shell->argument_count--;
    return 0;
}

static uint32_t run_help(struct shell *shell, const text *words, uint32_t count);

static const struct builtin builtins[] = {
    {TEXT("."), TEXT("as source"),
     TEXT(". FILE [argument]...\nThe same as `source`: see `help source`.\n"), run_source},
    {TEXT("["), TEXT("as test, with a ] at the end"),
     TEXT("[ QUESTION ]\nThe same as `test`: see `help test`.\n"), shell_test},
    {TEXT("cd"), TEXT("go to a directory"),
     TEXT("cd [directory]\n"
          "Makes the directory the current one: `/` without an argument. `..` goes up.\n"
          "Programs receive a handle to it as \"cwd\".\n"),
     run_cd},
    {TEXT("exit"), TEXT("end the shell or the script"),
     TEXT("exit [code]\nEnds the script, with the code of its last command if none is given; or "
          "the\n"
          "shell: init starts another one. Ctrl-D on an empty line does the same.\n"),
     run_exit},
    {TEXT("fg"), TEXT("wait for a job in the background"),
     TEXT(
         "fg [N]\nBrings job N, or the youngest, to the foreground: Ctrl-C ends it then. It still\n"
         "does not read the console.\n"),
     run_fg},
    {TEXT("help"), TEXT("this list, or more about one command"),
     TEXT("help [command]\nExplains a command. Programs explain themselves: NAME --help.\n"
          "`help language` tells about | > < & if for and scripts.\n"),
     run_help},
    {TEXT("jobs"), TEXT("list what runs in the background"),
     TEXT("jobs\nLists the jobs that `&` started and that were not told of as ended.\n"), run_jobs},
    {TEXT("kill"), TEXT("end a job: kill %N; or a process by its number"),
     TEXT("kill %N        ends all programs of job N\n"
          "kill NUMBER    ends a process: that is the program `kill`\n"),
     run_kill},
    {TEXT("pwd"), TEXT("print the current directory"), TEXT("pwd\nPrints the current directory.\n"),
     run_pwd},
    {TEXT("set"), TEXT("list variables, or set one"),
     TEXT("set                list all variables\n"
          "set NAME value     set one; NAME=value does the same\n"
          "set -e, set +e     end the script, or not, when a command fails\n"
          "\n"
          "Every variable is part of the environment of the programs that the shell runs.\n"
          "$NAME and ${NAME} stand for the value, also inside \"...\"; '...' keeps the $.\n"
          "$? is the exit code of the last command, $! the number of the last process sent to the\n"
          "background, $0 the script, $1 $2 ... its arguments, $# how many, $@ all of them.\n"
          "PATH is where commands are looked for.\n"),
     run_set},
    {TEXT("shift"), TEXT("forget $1: $2 becomes $1"),
     TEXT("shift\nForgets the first argument; fails when there is none.\n"), run_shift},
    {TEXT("source"), TEXT("run a script in this shell"),
     TEXT("source FILE [argument]...\n"
          "Runs the commands in the file here: directories and variables stay as they leave them.\n"
          "`shell FILE`, or FILE itself if its first line is #!shell, runs them in a shell of "
          "their own.\n"),
     run_source},
    {TEXT("test"), TEXT("ask about files, words and numbers"),
     TEXT("test -e PATH   is there anything?  -f a file?  -d a directory?  -s a file with "
          "contents?\n"
          "test -n WORD   is it not empty?    -z is it empty?\n"
          "test A = B     are the words equal?   A != B\n"
          "test A -lt B   is the number less?    -le -eq -ne -ge -gt\n"
          "test ! ...     the opposite\n"
          "Code 0 is yes, 1 is no, 2 means the question was not understood.\n"),
     shell_test},
    {TEXT("unset"), TEXT("forget variables"), TEXT("unset NAME...\nForgets variables.\n"),
     run_unset},
    {TEXT("wait"), TEXT("wait for jobs in the background"),
     TEXT("wait [N]\nWaits for job N, and gives its code; or for all of them.\n"), run_wait},
    {TEXT("with"), TEXT("run a program with exactly these handles"),
     TEXT("with HANDLE[:RIGHT+RIGHT...],... command [argument]...\n"
          "with none command [argument]...\n"
          "\n"
          "A program can touch only what it is handed. Usually the shell hands out stdin, stdout\n"
          "and stderr, and the directories root and cwd for looking and reading; a few commands,\n"
          "such as cp and rm, may also write there, and some, such as ps and poweroff, get the\n"
          "machine itself, with the rights they need (`help NAME` tells). What > and < name the\n"
          "shell opens itself: a program needs no right to write in order to have its output in a\n"
          "file. `with` replaces all that by your own list, out of:\n"
          "\n"
          "    stdin stdout stderr console root cwd system\n"
          "\n"
          "    with stdout,root:look_up+read+close hexdump /boot/bin/true 0 64\n"
          "    with stdout,stderr ls             # ls says what it misses\n"
          "    with stdout,stderr,system ps      # give a program more\n"),
     run_with},
};

static const char language[] =
    "a | b             what a prints is what b reads; Ctrl-C ends both\n"
    "a > FILE          the output goes into the file; >> FILE behind what is in it\n"
    "a < FILE          the input comes from the file\n"
    "a 2> FILE         errors go into the file; 2>> FILE, 2>&1 to the output, >&2 the output to\n"
    "                  the errors\n"
    "a &               runs in the background, without input: jobs, fg, wait, kill %N\n"
    "a ; b             one after the other    a && b    b if a succeeds    a || b    if a fails\n"
    "! a               fails if a succeeds\n"
    "*  ?  [a-z]  [!x] any characters, one, one of these, one of the others: in names of files;\n"
    "                  */x too. Nothing found: the word stays. Quoted characters never match.\n"
    "if a; then b; elif c; then d; else e; fi\n"
    "for NAME in WORDS; do a; done        while a; do b; done      until a; do b; done\n"
    "                  break and continue leave a loop, or its round\n"
    "# comment         up to the end of the line\n"
    "\n"
    "shell FILE [ARGUMENTS] runs a script. What begins with the line #!shell runs by its name.\n"
    "The file behind > or < is opened by the shell, and the program gets it for writing or for\n"
    "reading alone: no program needs a right to write in order to have its output in a file.\n";

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

static bool is_assignment(const text *words, uint32_t count)
{
    text value = words[0];
    bool has_sign = peal_text_find(value, '=', 0) < value.length;
    return count == 1 && has_sign && words_is_name(peal_text_split(&value, '='));
}

/* `kill` of a process is a program, and so is what `with` runs. */
static bool is_for_program(const text *words, uint32_t count)
{
    if (peal_text_equal(words[0], TEXT("kill")))
        return count < 2 || !peal_text_starts_with(words[1], TEXT("%"));
    return peal_text_equal(words[0], TEXT("with")) && count > 2;
}

bool shell_is_builtin(const text *words, uint32_t count)
{
    if (count == 0 || is_for_program(words, count)) return false;
    return is_assignment(words, count) || builtin_find(words[0]) != nullptr;
}

uint32_t shell_run_builtin(struct shell *shell, const text *words, uint32_t count)
{
    if (is_assignment(words, count)) {
        text both[2] = {TEXT("set"), words[0]};
        return run_set(shell, both, 2);
    }
    const struct builtin *builtin = builtin_find(words[0]);
    return builtin == nullptr ? CODE_NOT_FOUND : builtin->run(shell, words, count);
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
               "       /esp is what the machine boots from. /dev has the disks themselves, /proc\n"
               "       what the kernel knows.\n"
               "Words: 'as it is', \"with $variables\", *.txt, # comment; a | b, a > FILE, a &, "
               "one ; two,\n"
               "       if, for, scripts: `help language`.\n"
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
    if (info->may_write) peal_print(" (also to change what is in them)");
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
    if (builtin != nullptr) peal_print_text(builtin->detail);
    if (builtin != nullptr) return 0;
    if (peal_text_equal(words[1], TEXT("language"))) {
        peal_print("%s", language);
        return 0;
    }
    text question[2] = {words[1], TEXT("--help")};
    uint32_t code = shell_run_program(shell, question, 2);
    const struct command_info *info = command_find(words[1]);
    if (info != nullptr && code == 0) help_authority(info);
    return code;
}
