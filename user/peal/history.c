#include "peal/history.h"
#include "peal/call.h"
#include "peal/file.h"
#include "peal/memory.h"
#include "peal/output.h"

size_result peal_raw_explain(peal_raw_handle handle, struct abi_derivation *records,
                             uint32_t capacity)
{
    struct location where;
    TRY_AS(size_result,
           peal_locate_whole(records, capacity * sizeof(*records), ABI_ACCESS_WRITE, &where));
    size_result told = peal_call(&(struct abi_submission){.op = ABI_OP_EXPLAIN,
                                                          .capability = handle,
                                                          .buffer_index = where.buffer_index,
                                                          .buffer_offset_bytes = where.offset_bytes,
                                                          .length_bytes = where.length_bytes});
    told.value /= sizeof(*records);
    return told;
}

size_result peal_system_reach(system_ref system, uint64_t object_id, uint64_t cookie,
                              struct abi_derivation *records, uint32_t capacity)
{
    struct location where;
    TRY_AS(size_result,
           peal_locate_whole(records, capacity * sizeof(*records), ABI_ACCESS_WRITE, &where));
    size_result told = peal_call(&(struct abi_submission){.op = ABI_OP_REACH,
                                                          .capability = system.raw,
                                                          .buffer_index = where.buffer_index,
                                                          .buffer_offset_bytes = where.offset_bytes,
                                                          .length_bytes = where.length_bytes,
                                                          .args = {object_id, cookie}});
    told.value /= sizeof(*records);
    return told;
}

static text origin_in_words(uint32_t origin)
{
    switch ((enum abi_origin)origin) {
    case ABI_ORIGIN_CREATED:
        return TEXT("given out with the object");
    case ABI_ORIGIN_DUP:
        return TEXT("duplicated");
    case ABI_ORIGIN_RESTRICT:
        return TEXT("restricted");
    case ABI_ORIGIN_SPAWN:
        return TEXT("granted to a new process");
    case ABI_ORIGIN_COPIED:
        return TEXT("sent as a copy");
    case ABI_ORIGIN_OPENED:
        return TEXT("opened through the next");
    case ABI_ORIGIN_MINTED:
        return TEXT("minted by a server");
    case ABI_ORIGIN_LENT:
        return TEXT("lent with a request");
    }
    return TEXT("made in a way unknown here");
}

void peal_format_origin(struct writer *writer, uint32_t origin)
{
    writer_write(writer, origin_in_words(origin));
}

void peal_format_process(struct writer *writer, system_ref system, uint64_t process)
{
    if (process == 0) {
        writer_write(writer, TEXT("the kernel"));
        return;
    }
    struct listing listing = {.raw = system.raw, .cookie = process};
    const struct abi_process_entry *entry =
        system_is_nil(system) ? nullptr : peal_list_processes(&listing);
    if (entry == nullptr || entry->process.id != process) {
        writer_format(writer, "process %lu", process);
        return;
    }
    text name = peal_text_from_field(entry->process.name, sizeof(entry->process.name));
    writer_format(writer, "%.*s (%lu)", TEXT_ARGUMENTS(name), process);
}
