/*
 * What Tab adds. Pure: names are offered one by one.
 *
 *     completion_begin(&completion, TEXT("ca"));
 *     for each name: completion_offer(&completion, name, is_folder);
 *     completion.count names begin with "ca"; completion_addition() is what all of them go on with
 */
#pragma once
#include "peal/text.h"

#define COMPLETION_NAME_BYTES_MAX 255u
#define COMPLETION_SHOWN_MAX      128u

struct completion {
    text prefix;
    uint32_t count;
    size_t common_length;
    bool is_folder; /* of the only one */
    uint32_t shown_count;
    size_t shown_used;
    char common[COMPLETION_NAME_BYTES_MAX];
    text shown[COMPLETION_SHOWN_MAX]; /* those that fit, in the order offered */
    char shown_bytes[4096];
};

void completion_begin(struct completion *completion, text prefix);
void completion_offer(struct completion *completion, text name, bool is_folder);
/* Empty when nothing matches, or when there is nothing that all have in common behind the prefix.
 */
text completion_addition(const struct completion *completion);

/* Whether the shell takes the character as it is only behind a backslash. */
bool completion_is_special(char byte);
/* The word without the backslashes in front of its characters, in `bytes`, as long as the word. */
text completion_plain(text word, char *bytes);

/* The word before the cursor: where it starts, and whether it is the first of its command. */
struct word_at_cursor {
    size_t start;
    bool is_command;
};
struct word_at_cursor completion_word(text line_before_cursor);
