#include "files.h"
#include "load.h"
#include "peal/memory.h"
#include "peal/output.h"
#include "peal/path.h"
#include "peal/process.h"
#include "peal/usage.h"

static const char usage[] =
    "serve FOLDER COMMAND [ARGUMENT]...\n"
    "Loads all that is in the folder into memory and runs the command with that as its\n"
    "root and current directory, served by this program: `serve /boot/share ls -l`.\n"
    "What the command writes there stays in memory and ends with it.\n";

#define CODE_NOT_STARTED 126
#define ENVIRONMENT_MAX  64u
#define WORDS_MAX        256u /* of the command */

/* What becomes of the command. */
static struct abi_exit command_exit;
static bool is_command_over;
static struct server server;

static void note_completion(void *context, const struct abi_completion *completion)
{
    (void)context;
    (void)completion;
    is_command_over = true;
    server.is_over = true;
}

/* A name without '/' is looked for in the directories of PATH. */
static file_result find_program(text name)
{
    file_result found = {.status = FAIL(NOT_FOUND)};
    if (peal_text_find(name, '/', 0) < name.length)
        return peal_path_open_file(name, RIGHTS_EXECUTE);
    text folders = TEXT("");
    peal_environment_get(TEXT("PATH"), &folders);
    while (folders.length > 0 && found.status.code == STATUS_NOT_FOUND) {
        char bytes[PATH_BYTES_MAX];
        text path;
        text folder = peal_text_split(&folders, ':');
        if (path_resolve(folder, name, bytes, &path))
            found = peal_path_open_file(path, RIGHTS_EXECUTE);
    }
    return found;
}

/* Ours, but for where the command is: at the top of what it can see. */
static uint32_t make_environment(text items[static ENVIRONMENT_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < peal_environment_count() && count < ENVIRONMENT_MAX - 1; i++) {
        text item = peal_environment_at(i);
        if (!peal_text_starts_with(item, TEXT("PWD="))) items[count++] = item;
    }
    items[count++] = TEXT("PWD=/");
    return count;
}

static process_result start_command(struct peal_arguments arguments, directory_ref folder)
{
    file_result found = find_program(peal_argument(arguments, 2));
    TRY_AS(process_result, found.status);
    OWNED(file_handle) program = TAKE(found.value);
    text words[WORDS_MAX] = {0}, environment[ENVIRONMENT_MAX];
    uint32_t count = arguments.count - 2;
    if (count > WORDS_MAX) return (process_result){.status = FAIL(OUT_OF_RANGE)};
    for (uint32_t i = 0; i < count; i++)
        words[i] = peal_argument(arguments, i + 2);
    static const text streams[] = {TEXT("stdin"), TEXT("stdout"), TEXT("stderr")};
    struct peal_grant grants[5] = {PEAL_GRANT("root", folder, FILES_RIGHTS),
                                   PEAL_GRANT("cwd", folder, FILES_RIGHTS)};
    uint32_t granted = 2;
    for (uint32_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        stream_ref stream = peal_granted_stream(streams[i]);
        if (stream.raw == ABI_HANDLE_NONE) continue; /* what this program has not */
        grants[granted++] =
            (struct peal_grant){.name = streams[i], .raw = stream.raw, .rights = ABI_RIGHTS_ALL};
    }
    return peal_process_spawn(
        file_borrow(&program),
        &(struct peal_spawn){.name = path_last_name(words[0]),
                             .arguments = words,
                             .arguments_count = count,
                             .environment = environment,
                             .environment_count = make_environment(environment),
                             .grants = grants,
                             .grants_count = granted});
}

/* The end of the command comes as a completion between the questions. */
static status watch_command(process_ref process)
{
    struct location where;
    TRY(peal_locate_whole(&command_exit, sizeof(command_exit), ABI_ACCESS_WRITE, &where));
    struct abi_submission *slot = peal_ring_slot();
    if (slot == nullptr) return FAIL(QUEUE_FULL);
    peal_prepare_process_wait(slot,
                              (struct abi_submission){.capability = process.raw,
                                                      .buffer_index = where.buffer_index,
                                                      .buffer_offset_bytes = where.offset_bytes,
                                                      .length_bytes = where.length_bytes,
                                                      .args = {ABI_DEADLINE_NEVER}});
    peal_ring_push();
    return OK;
}

static status run(struct peal_arguments arguments, struct node *root)
{
    service_result made = peal_service_create();
    TRY(made.status);
    OWNED(service_handle) service = TAKE(made.value);
    files_init(&server, service_borrow(&service));
    server.completed = note_completion;
    directory_result minted = files_mint(service_borrow(&service), root);
    TRY(minted.status);
    OWNED(directory_handle) folder = TAKE(minted.value);
    process_result started = start_command(arguments, directory_borrow(&folder));
    TRY(started.status);
    OWNED(process_handle) command = TAKE(started.value);
    TRY(watch_command(process_borrow(&command)));
    return peal_serve(&server);
}

static status load(text path, struct node *root)
{
    directory_result opened = peal_path_open_directory(path, RIGHTS_FOLDER);
    TRY(opened.status);
    OWNED(directory_handle) source = TAKE(opened.value);
    return load_tree(root, directory_borrow(&source));
}

static int tell_end(text name)
{
    char bytes[256];
    struct writer words = WRITER(bytes);
    peal_format_exit(&words, &command_exit);
    if (words.length > 0)
        peal_error("%.*s died: %.*s", TEXT_ARGUMENTS(name), TEXT_ARGUMENTS(writer_text(&words)));
    return (int)command_exit.code;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    if (arguments.count < 3) return peal_usage_error("a folder and a command are needed");
    text folder = peal_argument(arguments, 1), command = peal_argument(arguments, 2);
    struct node *root = tree_add(nullptr, TEXT(""), ABI_KIND_DIRECTORY);
    status loaded = root != nullptr ? load(folder, root) : FAIL(OUT_OF_MEMORY);
    if (!is_ok(loaded)) {
        peal_error_status(folder, loaded);
        return EXIT_CODE_FAILED;
    }
    status served = run(arguments, root);
    tree_free(root);
    if (is_command_over) return tell_end(command);
    peal_error_status(command, served);
    return CODE_NOT_STARTED;
}
