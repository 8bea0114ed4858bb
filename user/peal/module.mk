USER_FLAGS += -Xclang -fstack-clash-protection -fstack-protector-strong \
              -mstack-protector-guard=global -ffunction-sections -fdata-sections

USER_LIBRARY_SOURCES += user/peal/history.c \
    user/peal/block_device.c user/peal/bytes.c user/peal/calendar.c user/peal/channel.c user/peal/clock.c user/peal/file.c user/peal/format.c \
    user/peal/glob.c user/peal/handle.c user/peal/heap.c user/peal/heap_arena.c user/peal/input.c user/peal/memory.c \
    user/peal/mutex.c user/peal/names.c user/peal/options.c user/peal/output.c user/peal/path.c user/peal/pool.c user/peal/process.c user/peal/progress.c \
    user/peal/region_table.c user/peal/ring.c user/peal/spawn_block.c user/peal/start.c \
    user/peal/status.c user/peal/stream.c user/peal/system.c user/peal/text.c user/peal/thread.c user/peal/timer.c \
    user/peal/trace.c user/peal/tree_edit.c user/peal/tree_walk.c user/peal/usage.c user/peal/volumes.c

# What is pure runs as an ordinary process, too; bytes.c does not, since the sanitizers bring theirs.
USER_HOST_SOURCES += \
    user/peal/calendar.c user/peal/format.c user/peal/heap_arena.c user/peal/names.c \
    user/peal/path.c user/peal/region_table.c user/peal/spawn_block.c user/peal/status.c \
    user/peal/text.c user/peal/trace.c user/programs/shell/completion.c user/peal/glob.c \
    user/programs/shell/line_editor.c user/programs/shell/parse.c \
    user/programs/shell/words.c

USER_HOST_TESTS += \
    user/peal/calendar_test.c user/peal/format_test.c user/peal/heap_arena_test.c \
    user/peal/path_test.c user/peal/region_table_test.c user/peal/spawn_block_test.c \
    user/peal/text_test.c user/peal/trace_test.c user/programs/shell/completion_test.c \
    user/peal/glob_test.c user/programs/shell/line_editor_test.c \
    user/programs/shell/parse_test.c user/programs/shell/words_test.c

# Tasks, and what they stand on.
USER_LIBRARY_SOURCES += user/peal/history.c \
    user/peal/await.c user/peal/begin.c user/peal/deadline_queue.c user/peal/group.c \
    user/peal/park.c user/peal/scope.c user/peal/scope_tree.c user/peal/sync.c user/peal/task.c \
    user/peal/task_channel.c user/peal/task_stack.c
USER_HOST_SOURCES += user/peal/deadline_queue.c user/peal/scope_tree.c
USER_HOST_TESTS += user/peal/deadline_queue_test.c user/peal/scope_tree_test.c

USER_LIBRARY_SOURCES += user/peal/service.c

USER_HOST_SOURCES += user/programs/grep/pattern.c
USER_HOST_SOURCES += user/programs/edit/buffer.c user/programs/edit/keys.c user/programs/edit/pane.c
USER_HOST_TESTS += user/programs/edit/buffer_test.c user/programs/edit/keys_test.c
USER_HOST_TESTS += user/programs/grep/pattern_test.c
