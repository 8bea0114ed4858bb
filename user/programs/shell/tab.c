/* What Tab does: offers commands for the first word, names of files for the others. */
#include "authority.h"
#include "completion.h"
#include "peal/output.h"

static void offer_folder(struct completion *completion, directory_ref folder)
{
    struct listing listing = {.raw = folder.raw};
    const struct abi_directory_entry *entry;
    while ((entry = peal_list_directory(&listing)) != nullptr)
        completion_offer(completion, directory_entry_name(entry),
                         entry->kind == ABI_KIND_DIRECTORY);
}

static void offer_path(struct completion *completion, const struct shell *shell, text folder)
{
    if (folder.length == 0) {
        offer_folder(completion, shell_current(shell));
        return;
    }
    directory_result opened = {0};
    opened.status = status_of_raw(
        shell_raw_open(shell, folder, RIGHTS_FOLDER, ABI_OPEN_MUST_BE_FOLDER, &opened.value.raw));
    if (!is_ok(opened.status)) return;
    OWNED(directory_handle) handle = TAKE(opened.value);
    offer_folder(completion, directory_borrow(&handle));
}

static void offer_commands(struct completion *completion, const struct shell *shell)
{
    for (uint32_t i = 0; shell_builtin_name(i).length > 0; i++)
        completion_offer(completion, shell_builtin_name(i), false);
    text folders = TEXT("");
    variables_get(&shell->variables, TEXT("PATH"), &folders);
    while (folders.length > 0)
        offer_path(completion, shell, peal_text_split(&folders, ':'));
}

static void show_candidates(const struct completion *completion, struct writer *out)
{
    writer_byte(out, '\n');
    for (uint32_t i = 0; i < completion->shown_count; i++) {
        text name = completion->shown[i];
        writer_format(out, "%.*s  ", TEXT_ARGUMENTS(name));
    }
    if (completion->count > completion->shown_count)
        writer_format(out, "... and %u more", completion->count - completion->shown_count);
    writer_byte(out, '\n');
}

static void insert_name(struct line_editor *editor, text name)
{
    for (size_t i = 0; i < name.length; i++) {
        if (completion_is_special(name.bytes[i])) editor_insert(editor, TEXT("\\"));
        editor_insert(editor, peal_text_slice(name, i, 1));
    }
}

void shell_complete(struct shell *shell, struct writer *out)
{
    static struct completion completion;
    static char plain_bytes[LINE_BYTES_MAX];
    text before = peal_text_slice(editor_line(&shell->editor), 0, shell->editor.cursor);
    struct word_at_cursor at = completion_word(before);
    text word = completion_plain(peal_text_slice(before, at.start, SIZE_MAX), plain_bytes);
    text name = path_last_name(word);
    if (word.length > 0 && word.bytes[word.length - 1] == '/') name = TEXT("");
    text folder = peal_text_slice(word, 0, word.length - name.length);

    completion_begin(&completion, name);
    if (at.is_command && folder.length == 0)
        offer_commands(&completion, shell);
    else
        offer_path(&completion, shell, folder);

    text addition = completion_addition(&completion);
    if (completion.count == 1) {
        insert_name(&shell->editor, addition);
        editor_insert(&shell->editor, completion.is_folder ? TEXT("/") : TEXT(" "));
    } else if (addition.length > 0) {
        insert_name(&shell->editor, addition);
    } else if (completion.count > 1) {
        show_candidates(&completion, out);
    } else {
        writer_byte(out, '\a');
    }
}
