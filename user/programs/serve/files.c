#include "files.h"
#include "peal/bytes.h"
#include "peal/heap.h"

/* One open file or directory of a client: a node, and where reading goes on. */
struct open_file {
    struct node *node;
    uint64_t position;
};
static uint32_t open_count;

static struct open_file *file_open(struct node *node)
{
    struct open_file *file = peal_allocate(sizeof(*file));
    if (file == nullptr) return nullptr;
    *file = (struct open_file){.node = node};
    open_count++;
    return file;
}

static void file_closed(void *context, uint64_t badge)
{
    (void)context;
    peal_release((void *)badge);
    open_count--;
}

uint32_t files_open_count(void)
{
    return open_count;
}

/* The badge is ours: the kernel gives back what was minted, whatever the client does. */
static struct open_file *file_asked(const struct question *question)
{
    return (struct open_file *)question->asked.badge;
}

/* Where a read or write begins. */
static uint64_t offset_asked(const struct question *question)
{
    uint64_t offset = question->asked.offset_bytes;
    return offset == ABI_OFFSET_CURRENT ? file_asked(question)->position : offset;
}

static void move_position(const struct question *question, uint64_t to)
{
    if (question->asked.offset_bytes == ABI_OFFSET_CURRENT) file_asked(question)->position = to;
}

static answer answer_read(void *context, struct question *question)
{
    (void)context;
    const struct node *node = file_asked(question)->node;
    uint64_t offset = offset_asked(question);
    if (offset >= node->size_bytes) return answer_value(0);
    uint64_t length = node->size_bytes - offset;
    if (length > question->asked.length_bytes) length = question->asked.length_bytes;
    move_position(question, offset + length);
    return answer_bytes((view){node->bytes + offset, length});
}

/* The kernel copies straight from the client's memory into the file. */
static answer answer_write(void *context, struct question *question)
{
    (void)context;
    struct node *node = file_asked(question)->node;
    uint64_t offset = offset_asked(question), length = question->asked.length_bytes;
    if (length == 0) return answer_value(0);
    if (offset > TREE_FILE_BYTES_MAX) return answer_status(FAIL(OUT_OF_RANGE));
    status reserved = tree_reserve(node, offset + length);
    if (!is_ok(reserved)) return answer_status(reserved);
    size_result taken = peal_question_read(question, (span){node->bytes + offset, length}, 0);
    if (!is_ok(taken.status)) return answer_status(taken.status);
    tree_written(node, offset, offset + length);
    move_position(question, offset + length);
    return answer_value(length);
}

static answer answer_seek(void *context, struct question *question)
{
    (void)context;
    struct open_file *file = file_asked(question);
    int64_t size = (int64_t)file->node->size_bytes, base = 0, position;
    switch (question->asked.op_flags) {
    case ABI_SEEK_SET:
        break;
    case ABI_SEEK_CURRENT:
        base = (int64_t)file->position;
        break;
    case ABI_SEEK_END:
        base = size;
        break;
    default:
        return answer_status(FAIL(INVALID_ARGUMENT));
    }
    int64_t distance = (int64_t)question->asked.args[0];
    if (__builtin_add_overflow(base, distance, &position)) position = distance < 0 ? 0 : size;
    if (position < 0) position = 0;
    if (position > size) position = size;
    file->position = (uint64_t)position;
    return answer_value(file->position);
}

static answer answer_stat(void *context, struct question *question)
{
    (void)context;
    static struct abi_stat stat; /* until the reply has been made */
    const struct open_file *file = file_asked(question);
    stat = (struct abi_stat){.size_bytes = file->node->size_bytes};
    stat.file.position_bytes = file->position;
    stat.file.modified_ns = file->node->modified_ns;
    stat.file.attributes = file->node->attributes;
    uint32_t length = question->asked.length_bytes;
    return answer_bytes((view){&stat, length < sizeof(stat) ? length : sizeof(stat)});
}

static answer answer_enumerate(void *context, struct question *question)
{
    (void)context;
    static alignas(8) uint8_t records[16384]; /* the same */
    uint32_t length = question->asked.length_bytes;
    span room = {records, length < sizeof(records) ? length : sizeof(records)};
    size_result listed = tree_list(file_asked(question)->node, question->asked.args[0], room);
    if (!is_ok(listed.status)) return answer_status(listed.status);
    return answer_bytes((view){records, listed.value});
}

static bool is_kind_wanted(enum abi_kind kind, uint32_t flags)
{
    if (flags & ABI_OPEN_MUST_BE_FILE && kind != ABI_KIND_FILE) return false;
    return !(flags & ABI_OPEN_MUST_BE_FOLDER) || kind == ABI_KIND_DIRECTORY;
}

/* What is not there is made for who may write it and make it; a folder has to be there. */
static bool may_make(const struct abi_request *asked)
{
    const uint64_t needed = ABI_RIGHT_WRITE | ABI_RIGHT_CREATE;
    bool must_exist = asked->op_flags & (ABI_OPEN_MUST_EXIST | ABI_OPEN_MUST_BE_FOLDER);
    return !must_exist && (asked->args[0] & ABI_RIGHT_WRITE) && (asked->rights & needed) == needed;
}

static status find_asked(const struct question *question, text path, struct node **out_node)
{
    struct node *from = file_asked(question)->node;
    status found = tree_find(from, path, out_node);
    if (found.code != STATUS_NOT_FOUND || !may_make(&question->asked)) return found;
    return tree_create(from, path, ABI_KIND_FILE, out_node);
}

static status create_asked(const struct question *question, text path, struct node **out_node)
{
    bool is_folder = question->asked.op_flags & ABI_CREATE_FOLDER;
    return tree_create(file_asked(question)->node, path,
                       is_folder ? ABI_KIND_DIRECTORY : ABI_KIND_FILE, out_node);
}

/* What the path in the client's span leads to, opened for the client. */
static answer answer_with(struct question *question,
                          status (*find)(const struct question *, text, struct node **),
                          uint32_t kind_flags)
{
    char path[ABI_PATH_BYTES_MAX];
    uint32_t length = question->asked.length_bytes;
    if (length > sizeof(path)) return answer_status(FAIL(INVALID_ARGUMENT));
    size_result taken = peal_question_read(question, (span){path, length}, 0);
    if (!is_ok(taken.status)) return answer_status(taken.status);
    struct node *node;
    status found = find(question, (text){path, length}, &node);
    if (!is_ok(found)) return answer_status(found);
    if (!is_kind_wanted(node->kind, kind_flags)) return answer_status(FAIL(NOT_FOUND));
    struct open_file *file = file_open(node);
    if (file == nullptr) return answer_status(FAIL(OUT_OF_MEMORY));
    return answer_mint(node->kind, ABI_RIGHTS_ALL, (uint64_t)file);
}

static answer answer_open(void *context, struct question *question)
{
    (void)context;
    return answer_with(question, find_asked, question->asked.op_flags);
}

static answer answer_create(void *context, struct question *question)
{
    (void)context;
    return answer_with(question, create_asked, 0);
}

void files_init(struct server *server, service_ref service)
{
    *server = (struct server){
        .service = service,
        .handlers =
            {
                [ABI_OP_OPEN] = answer_open,
                [ABI_OP_CREATE] = answer_create,
                [ABI_OP_READ] = answer_read,
                [ABI_OP_WRITE] = answer_write,
                [ABI_OP_SEEK] = answer_seek,
                [ABI_OP_STAT] = answer_stat,
                [ABI_OP_ENUMERATE] = answer_enumerate,
            },
        .closed = file_closed,
    };
}

directory_result files_mint(service_ref service, struct node *folder)
{
    struct open_file *file = file_open(folder);
    if (file == nullptr) return (directory_result){.status = FAIL(OUT_OF_MEMORY)};
    directory_result minted = peal_service_mint_directory(service, FILES_RIGHTS, (uint64_t)file);
    if (!is_ok(minted.status)) file_closed(nullptr, (uint64_t)file);
    return minted;
}
