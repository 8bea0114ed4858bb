#include "ops/program.h"
#include "debug/log.h"
#include "fs/vfs/vfs.h"

static status read_file(void *context, uint64_t offset, void *to, uint64_t length)
{
    size_result got = vfs_read_kernel(context, offset, to, length);
    TRY(got.status);
    return got.value == length ? OK : FAIL(IO_ERROR);
}

struct image_source program_source(struct vnode *file)
{
    return (struct image_source){
        .identity = file->identity,
        .version = atomic_load_explicit(&file->version, memory_order_acquire),
        .size_bytes = atomic_load_explicit(&file->size_bytes, memory_order_relaxed),
        .context = file,
        .read = read_file,
    };
}

image_result program_load(struct vnode *file, text name, enum abi_not_executable *out_reason)
{
    struct image_source source = program_source(file);
    image_result loaded = image_load(&source, out_reason);
    if (loaded.status.code == STATUS_NOT_EXECUTABLE)
        log_line("task", "%.*s is no program for this machine: %.*s", TEXT_ARGUMENTS(name),
                 TEXT_ARGUMENTS(elf_reason(*out_reason)));
    return loaded;
}
