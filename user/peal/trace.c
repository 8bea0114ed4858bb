/* The words come from abi/ops.def and its like, so that what is added there is understood here. */
#include "peal/trace.h"
#include "peal/output.h"
#include <abi/ring.h>

/* What the words of the table mean here. */
#define NO_CAPABILITY 0u
#define ANY_KIND      ABI_KINDS_ANY
#define K(NAME)       ABI_KIND_BIT(NAME)
#define NO_RIGHTS     0ull
#define R(NAME)       ABI_RIGHT_##NAME
#define NO_FIELDS     0u
#define F(NAME)       FIELD_##NAME

#define YIELDS_KEEPS           false
#define YIELDS_CONSUMES        false
#define YIELDS_YIELDS          true
#define YIELDS_CONSUMES_YIELDS true
#define YIELDS_CLOSES          false
#define YIELDS_ENDS            false

enum : uint32_t {
    FIELD_OFFSET = 1,
    FIELD_ARG0 = 2,
    FIELD_ARG1 = 4,
    FIELD_SECOND = 8,
};

static const struct peal_operation operations[] = {
#define OP(op_number, NAME, op_name, KINDS, RIGHTS, BUFFER, FIELDS, FLAGS, HANDLES, SERVED, \
           value_text, ERRORS, summary_text)                                                \
    {                                                                                       \
        .name = {#op_name, sizeof(#op_name) - 1},                                           \
        .value = {value_text, sizeof(value_text) - 1},                                      \
        .summary = {summary_text, sizeof(summary_text) - 1},                                \
        .rights = (uint64_t)(RIGHTS),                                                       \
        .kinds = (KINDS),                                                                   \
        .flags = (FLAGS),                                                                   \
        .number = (op_number),                                                              \
        .has_offset = ((FIELDS) & FIELD_OFFSET) != 0,                                       \
        .argument_count = (((FIELDS) & FIELD_ARG1) != 0)   ? 2                              \
                          : (((FIELDS) & FIELD_ARG0) != 0) ? 1                              \
                                                           : 0,                             \
        .yields_handle = YIELDS_##HANDLES,                                                  \
    },
#include <abi/ops.def>
#undef OP
};

const struct peal_operation *peal_operation_at(uint32_t index)
{
    return index < sizeof(operations) / sizeof(operations[0]) ? &operations[index] : nullptr;
}

const struct peal_operation *peal_operation_find(uint8_t number)
{
    const struct peal_operation *operation;
    for (uint32_t i = 0; (operation = peal_operation_at(i)) != nullptr; i++)
        if (operation->number == number) return operation;
    return nullptr;
}

/* ---- what is asked for ---- */

static void format_kinds(struct writer *writer, uint32_t kinds)
{
    if (kinds == ABI_KINDS_ANY || kinds == 0) {
        writer_write(writer, TEXT(" handle"));
        return;
    }
    char between = ' ';
    for (uint32_t kind = 1; kind < ABI_KIND_COUNT; kind++) {
        if ((kinds & (1u << kind)) == 0) continue;
        writer_byte(writer, between);
        writer_write(writer, peal_kind_name(kind));
        between = '/';
    }
}

static void format_span(struct writer *writer, const struct abi_submission *submission)
{
    if ((submission->op_flags & ABI_OP_FLAG_POOL) != 0)
        writer_format(writer, ", pool %u", submission->buffer_index);
    else if (submission->length_bytes != 0)
        writer_format(writer, ", %u bytes", submission->length_bytes);
}

/* Small numbers as such; addresses, rights and times are easier to recognise in hexadecimal. */
static void format_number(struct writer *writer, uint64_t number)
{
    static const uint64_t SMALL = 1'000'000;
    if (number == ABI_DEADLINE_NEVER)
        writer_write(writer, TEXT("never"));
    else if (number <= SMALL)
        writer_format(writer, "%lu", number);
    else
        writer_format(writer, "0x%lx", number);
}

static void format_fields(struct writer *writer, const struct abi_submission *submission,
                          const struct peal_operation *operation)
{
    if (submission->offset_bytes == ABI_OFFSET_CURRENT)
        writer_write(writer, TEXT(" at its position"));
    else if (operation == nullptr || operation->has_offset || submission->offset_bytes != 0)
        writer_format(writer, " at %lu", submission->offset_bytes);
    uint32_t count = operation != nullptr ? operation->argument_count : 2;
    if (submission->args[1] != 0) count = 2;
    for (uint32_t i = 0; i < count; i++) {
        writer_write(writer, i == 0 ? TEXT(" (") : TEXT(", "));
        format_number(writer, submission->args[i]);
    }
    if (count > 0) writer_byte(writer, ')');
    if (submission->op_flags != 0) writer_format(writer, ", flags 0x%x", submission->op_flags);
}

static void format_submission_flags(struct writer *writer, uint8_t flags)
{
    static const struct {
        uint8_t bit;
        text name;
    } names[] = {
        {ABI_SUBMISSION_LINK, {"linked", 6}},
        {ABI_SUBMISSION_HARD_LINK, {"hard-linked", 11}},
        {ABI_SUBMISSION_DRAIN, {"drain", 5}},
        {ABI_SUBMISSION_SKIP_SUCCESS, {"skip-success", 12}},
        {ABI_SUBMISSION_TIMEOUT, {"timeout", 7}},
    };
    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((flags & names[i].bit) == 0) continue;
        writer_write(writer, TEXT(", "));
        writer_write(writer, names[i].name);
        flags &= (uint8_t)~names[i].bit;
    }
    if (flags != 0) writer_format(writer, ", unknown flags 0x%x", flags);
}

void peal_format_submission(struct writer *writer, const struct abi_submission *submission)
{
    const struct peal_operation *operation = peal_operation_find(submission->op);
    if (operation != nullptr)
        writer_write(writer, operation->name);
    else
        writer_format(writer, "operation %u", submission->op);
    if (submission->capability != ABI_HANDLE_NONE) {
        format_kinds(writer, operation != nullptr ? operation->kinds : 0);
        writer_format(writer, " in slot %lu",
                      (unsigned long)(submission->capability & ABI_HANDLE_SLOT_MASK));
    }
    format_span(writer, submission);
    format_fields(writer, submission, operation);
    format_submission_flags(writer, submission->flags);
    if ((submission->flags & ABI_SUBMISSION_TIMEOUT) != 0)
        writer_format(writer, " %u ms", submission->timeout_ms);
    if (submission->priority != 0) writer_format(writer, ", priority %u", submission->priority);
}

/* ---- what came of it ---- */

void peal_format_success(struct writer *writer, uint8_t number, uint64_t value)
{
    const struct peal_operation *operation = peal_operation_find(number);
    if (operation == nullptr) {
        format_number(writer, value);
        return;
    }
    text meaning = peal_text_slice(operation->value, 0, peal_text_find(operation->value, ';', 0));
    if (peal_text_equal(meaning, TEXT("zero")) && value == 0) {
        writer_write(writer, TEXT("ok"));
    } else if (operation->yields_handle && value != 0) {
        writer_write(writer, meaning);
        writer_format(writer, " in slot %lu", (unsigned long)(value & ABI_HANDLE_SLOT_MASK));
    } else {
        format_number(writer, value);
        writer_format(writer, " %.*s", TEXT_ARGUMENTS(meaning));
    }
}

void peal_format_failure(struct writer *writer, uint32_t code, uint32_t detail)
{
    writer_write(writer, peal_status_name((status){(enum status_code)code}));
    if (code == ABI_STATUS_INSUFFICIENT_RIGHTS) {
        writer_write(writer, TEXT(": lacks "));
        peal_format_rights(writer, 1ull << (ABI_DETAIL_RIGHT(detail) & 63));
        writer_format(writer, " since step %u", ABI_DETAIL_STEP(detail));
    } else if (code == ABI_STATUS_CAPABILITY_REVOKED) {
        writer_format(writer, ": taken back by who held step %u", ABI_DETAIL_STEP(detail));
    } else if (code == ABI_STATUS_NOT_EXECUTABLE && detail != 0) {
        writer_format(writer, ": %.*s", TEXT_ARGUMENTS(peal_not_executable_reason(detail)));
    } else if (detail != 0) {
        writer_format(writer, ", detail 0x%x", detail);
    }
}
