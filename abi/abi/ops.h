/*
 * Operation numbers, flags and the structs that operations read and write.
 * What each operation does, needs and yields is in ops.def; docs/abi/ is made from it.
 */
#pragma once
#include <abi/ring.h>
#include <abi/types.h>

enum abi_op : uint8_t {
#define OP(number, NAME, ...) ABI_OP_##NAME = (number),
#include <abi/ops.def>
#undef OP
};

/* QUERY: what is filled in about one operation. */
struct abi_op_info {
    uint32_t number;
    uint32_t kinds;    /* bit per kind the capability may be; 0: takes none */
    uint64_t rights;   /* ABI_RIGHT_... it must carry */
    uint32_t op_flags; /* bits defined */
    uint32_t version;  /* of this operation; 1 for all so far */
    uint8_t name[32];  /* UTF-8, padded with zeros */
};
static_assert(sizeof(struct abi_op_info) == 56, "ABI");

/* OPEN: at most this many bytes of path, '/' between names, 255 bytes for each. */
#define ABI_PATH_BYTES_MAX      4096u
#define ABI_NAME_BYTES_MAX      765u /* 255 UTF-16 units, three UTF-8 bytes each */
#define ABI_OPEN_MUST_BE_FILE   1u   /* NOT_FOUND when the path names a directory */
#define ABI_OPEN_MUST_BE_FOLDER 2u   /* NOT_FOUND when it names a file */
#define ABI_OPEN_MUST_EXIST     4u   /* NOT_FOUND instead of making a file */
#define ABI_OPEN_FLAGS_KNOWN    7u

/* CREATE */
#define ABI_CREATE_FOLDER      1u /* a directory; else a file */
#define ABI_CREATE_FLAGS_KNOWN 1u

/* DELETE */
#define ABI_DELETE_MUST_BE_FILE   1u /* NOT_FOUND when it is a directory */
#define ABI_DELETE_MUST_BE_FOLDER 2u
#define ABI_DELETE_FLAGS_KNOWN    3u

/*
 * RENAME: the span holds the old path and right behind it the new one; ARG1 is the bytes of the old
 * one. ARG0 is a handle to the directory that the new path starts from, looked up when the
 * operation begins, or 0 for the same one. It needs RIGHT_CREATE, and RIGHT_DELETE to replace what
 * is there. And it may not give more access to what is moved than the old place gave: each of the
 * rights below that it has must be on the handle of the old place, too.
 */
#define ABI_RENAME_RIGHTS_KEPT                                                    \
    (ABI_RIGHT_READ | ABI_RIGHT_WRITE | ABI_RIGHT_EXECUTE | ABI_RIGHT_ENUMERATE | \
     ABI_RIGHT_CREATE | ABI_RIGHT_DELETE | ABI_RIGHT_LOOK_UP)
#define ABI_RENAME_KEEP        1u /* ALREADY_EXISTS instead of replacing */
#define ABI_RENAME_FLAGS_KNOWN 1u

/* CANCEL, CANCEL_HANDLE */
#define ABI_CANCEL_ALL         1u /* every match; otherwise the one accepted first */
#define ABI_CANCEL_FLAGS_KNOWN 1u

/* READ */
#define ABI_READ_DO_NOT_WAIT 1u /* console: WOULD_BLOCK when nothing has been typed */
/*
 * Files and block devices: straight between the device and the span, past the page cache. Offset,
 * length and place in the buffer are multiples of the device's sector size; coherent with cached
 * access. Files: nothing behind the end is read or written; what is short ends there.
 */
#define ABI_IO_DIRECT        2u
#define ABI_READ_FLAGS_KNOWN 3u

/* WRITE */
#define ABI_WRITE_APPEND                                                    \
    4u /* files: at the end, wherever that is then; OFFSET must be _CURRENT \
        */
#define ABI_WRITE_FLAGS_KNOWN (ABI_IO_DIRECT | ABI_WRITE_APPEND)

/* Files end here; writes beyond answer OUT_OF_RANGE. A file system may say less. */
#define ABI_FILE_BYTES_MAX (1ull << 48)

/* SEEK: where ARG0 counts from */
#define ABI_SEEK_SET         0u
#define ABI_SEEK_CURRENT     1u
#define ABI_SEEK_END         2u
#define ABI_SEEK_FLAGS_KNOWN 3u

/* BUFFER_CREATE */
#define ABI_BUFFER_LARGE_PAGES 1u /* 2 MiB pages, committed at once; size a multiple of 2 MiB */
#define ABI_BUFFER_FLAGS_KNOWN 1u
#define ABI_BUFFER_BYTES_MAX   (1ull << 36) /* 64 GiB of address range; memory comes by touch */

/* BUFFER_MAP, _PROTECT, _REGISTER: write and execute together are refused. */
#define ABI_ACCESS_READ        1u
#define ABI_ACCESS_WRITE       2u /* implies read */
#define ABI_ACCESS_EXECUTE     4u /* map and protect only; needs RIGHT_EXECUTE */
#define ABI_ACCESS_FLAGS_KNOWN 7u

/* Where programs may map: above the first 2 MiB, below the upper half. */
#define ABI_USER_ADDRESS_MIN 0x200000ull
#define ABI_USER_ADDRESS_END 0x7fff'ffff'f000ull

/* CLOCK_READ */
#define ABI_CLOCK_MONOTONIC 0u /* since boot */
#define ABI_CLOCK_REAL      1u /* since 1970-01-01 00:00 UTC */

/* SYSTEM_POWER */
#define ABI_POWER_OFF    0u
#define ABI_POWER_REBOOT 1u

/* STAT: common part, then what the kind adds. A shorter span receives a prefix, of 32 bytes at
 * least. */
struct abi_stat_file {
    uint64_t position_bytes;
    uint64_t modified_ns; /* real time; 0 when unknown */
    uint64_t created_ns;
    uint64_t volume;             /* number of the volume */
    uint32_t attributes;         /* ABI_ATTRIBUTE_... */
    uint32_t volume_flags;       /* ABI_VOLUME_... */
    uint64_t volume_total_bytes; /* of its data area; 0: not a volume with room */
    uint64_t volume_free_bytes;
    uint32_t cluster_bytes; /* files take room in multiples of this */
    uint32_t reserved;
    uint8_t device[24]; /* name of the block device, padded with zeros */
    uint64_t
        number; /* with `volume`: the same for all handles to one file, as long as any is open */
};
struct abi_stat_block {
    uint64_t sector_count;
    uint32_t sector_bytes;
    uint32_t flags; /* ABI_VOLUME_READ_ONLY */
    uint64_t reads; /* requests so far */
    uint64_t writes;
    uint64_t flushes;
    uint64_t read_bytes;
    uint64_t written_bytes;
    uint64_t errors;
};
struct abi_stat_buffer {
    uint64_t committed_bytes; /* pages that exist */
};
struct abi_stat_process {
    uint64_t id;
    uint64_t parent_id;
    uint64_t memory_bytes;     /* charged */
    uint64_t memory_max_bytes; /* quota */
    uint64_t processor_ns;     /* time used */
    uint64_t started_ns;       /* monotonic */
    uint32_t thread_count;
    uint32_t handle_count;
    uint32_t handle_max;
    uint32_t state;   /* ABI_PROCESS_... */
    uint8_t name[64]; /* UTF-8, padded with zeros */
};
struct abi_stat_system {
    uint64_t memory_total_bytes; /* usable by the kernel and programs */
    uint64_t memory_free_bytes;
    uint64_t memory_cache_bytes; /* page cache, given up when memory is short */
    uint64_t memory_kernel_bytes;
    uint64_t uptime_ns;
    uint64_t idle_ns; /* summed over processors */
    uint64_t submissions_total;
    uint64_t syscalls_total;
    uint32_t cpu_count;
    uint32_t process_count;
    uint32_t thread_count;
    uint32_t object_count; /* kernel objects alive */
    uint32_t handle_count; /* in all processes */
    uint32_t reserved;
    uint8_t version[64]; /* UTF-8, padded with zeros */
};
struct abi_stat {
    uint32_t kind; /* ABI_KIND_... */
    uint32_t reserved;
    uint64_t rights;     /* of the handle asked */
    uint64_t size_bytes; /* file or buffer; else 0 */
    uint64_t object_id;  /* the same for all handles to one object; never reused */
    union {
        struct abi_stat_file file; /* also for directories */
        struct abi_stat_block block;
        struct abi_stat_buffer buffer;
        struct abi_stat_process process;
        struct abi_stat_system system;
        uint64_t words[28];
    };
};
static_assert(sizeof(struct abi_stat) == 256, "ABI");
#define ABI_STAT_COMMON_BYTES 32u
static_assert(offsetof(struct abi_stat, file) == ABI_STAT_COMMON_BYTES, "ABI");

#define ABI_ATTRIBUTE_READ_ONLY 1u
#define ABI_ATTRIBUTE_HIDDEN    2u
#define ABI_ATTRIBUTE_SYSTEM    4u

#define ABI_VOLUME_READ_ONLY 1u /* nothing can be written there */
#define ABI_VOLUME_DAMAGED   2u /* and that because what is on it makes no sense */

#define ABI_PROCESS_RUNNING 1u
#define ABI_PROCESS_ENDING  2u
#define ABI_PROCESS_ENDED   3u

/*
 * ENUMERATE: records are packed one after another, each a multiple of 8 bytes long. To go on,
 * pass the last record's `next_cookie`. OUT_OF_RANGE when not even one record fits.
 */
struct abi_directory_entry {
    uint32_t record_bytes; /* this header, the name, padding */
    uint32_t kind;         /* ABI_KIND_FILE or ABI_KIND_DIRECTORY */
    uint64_t next_cookie;
    uint64_t size_bytes;
    uint64_t modified_ns;
    uint32_t attributes;
    uint32_t name_bytes;
    /* name_bytes of UTF-8 follow, then zeros up to record_bytes */
};
static_assert(sizeof(struct abi_directory_entry) == 40, "ABI");

struct abi_handle_entry {
    uint32_t record_bytes;
    uint32_t kind;
    uint64_t next_cookie;
    uint64_t handle; /* meaningful to the process listed only */
    uint64_t rights;
    uint64_t object_id;
    uint32_t derivation_step; /* derivations between the object and this handle */
    uint32_t references;      /* to the object, from everywhere; 0: the handle was taken back */
};
static_assert(sizeof(struct abi_handle_entry) == 48, "ABI");

struct abi_process_entry {
    uint32_t record_bytes;
    uint32_t reserved;
    uint64_t next_cookie;
    struct abi_stat_process process;
};

/* PROCESS_WAIT */
enum abi_exit_reason : uint32_t {
    ABI_EXIT_REASON_CODE = 1,          /* it ended itself, with a code */
    ABI_EXIT_REASON_KILLED = 2,        /* somebody with the right to ended it */
    ABI_EXIT_REASON_FAULT = 3,         /* its code did what the processor refuses */
    ABI_EXIT_REASON_OUT_OF_MEMORY = 4, /* it touched a page and there was none left */
    ABI_EXIT_REASON_PROTOCOL = 5,      /* it broke the ring or start-up protocol */
};
struct abi_exit {
    uint32_t reason;
    uint32_t code;             /* as given by exit or kill; otherwise 128 + reason */
    uint64_t fault_vector;     /* FAULT: exception number, Intel SDM vol. 3A, 6.3.1 */
    uint64_t fault_error_code; /* FAULT: as pushed by the processor; kernel pages all look alike */
    uint64_t fault_address;    /* FAULT, OUT_OF_MEMORY: the address touched */
    uint64_t instruction_address; /* where */
    uint64_t memory_bytes;        /* charged when it ended */
};
static_assert(sizeof(struct abi_exit) == 48, "ABI");

/*
 * PROCESS_SPAWN: a self-contained block. All offsets are from its start; strings are UTF-8,
 * counted, without terminator. The kernel copies the block once, then checks and uses the copy.
 */
#define ABI_SPAWN_BLOCK_BYTES_MAX (1u << 20)
#define ABI_SPAWN_ARGUMENTS_MAX   8192u
#define ABI_SPAWN_HANDLES_MAX     1024u
#define ABI_HANDLE_NAME_BYTES_MAX 31u

struct abi_string {
    uint32_t offset_bytes;
    uint32_t length_bytes;
};
/* A handle to give: the child gets one with `rights` of those that ours has, needing RIGHT_DUP on
 * ours. */
struct abi_spawn_handle {
    uint64_t handle;
    uint64_t rights;
    uint8_t name[ABI_HANDLE_NAME_BYTES_MAX + 1]; /* UTF-8, padded with zeros, never empty */
};
static_assert(sizeof(struct abi_spawn_handle) == 48, "ABI");

struct abi_spawn {
    uint32_t version;           /* ABI_VERSION */
    uint32_t priority;          /* 0 the default .. 7 higher; capped at the spawner's */
    uint32_t arguments_count;   /* by convention the first is the program's name */
    uint32_t arguments_offset;  /* struct abi_string each, 4-byte aligned */
    uint32_t environment_count; /* "NAME=value" */
    uint32_t environment_offset;
    uint32_t handles_count;
    uint32_t handles_offset;   /* struct abi_spawn_handle each, 8-byte aligned */
    struct abi_string name;    /* for people; at most 63 bytes */
    uint64_t memory_max_bytes; /* quotas; 0: the same as the spawner's */
    uint32_t handles_max;
    uint32_t threads_max;
    uint32_t ring_entries; /* of the first thread's ring; 0: the default */
    uint32_t ring_flags;   /* ABI_RING_... */
};
static_assert(sizeof(struct abi_spawn) == 64, "ABI");

/* The detail of NOT_EXECUTABLE. */
enum abi_not_executable : uint32_t {
    ABI_NOT_EXECUTABLE_NONE = 0,
#define NOT_EXECUTABLE(NAME, number, words) ABI_NOT_EXECUTABLE_##NAME = (number),
#include <abi/not_executable.def>
#undef NOT_EXECUTABLE
};

/* THREAD_CREATE. The thread starts with rdi = argument, rsi = address of its ring, rdx = its id. */
struct abi_thread_start {
    uint64_t entry_address;
    uint64_t stack_address; /* initial rsp; 16-byte aligned */
    uint64_t argument;
    uint64_t thread_pointer; /* initial fs base */
    uint32_t ring_entries;   /* power of two, ABI_RING_ENTRIES_MIN.._MAX; 0: the default */
    uint32_t priority;       /* as in abi_spawn */
    uint32_t ring_flags;     /* ABI_RING_... */
    uint32_t reserved;
};
static_assert(sizeof(struct abi_thread_start) == 48, "ABI");

/* POOL_CREATE: the span is cut into chunks of ARG0 bytes, numbered from 0. */
#define ABI_POOL_CHUNKS_MAX 65536u

/* TIMER_CREATE, TIMER_SET: ARG0 the first deadline, ARG1 the period; ABI_DEADLINE_NEVER stops it.
 */
#define ABI_TIMER_PERIOD_NS_MIN 100000u

/*
 * EXPLAIN: how a handle came to be, from itself up to the one the object was first given out with.
 * REACH: every handle there is to an object, in any process.
 */
enum abi_origin : uint32_t {
    ABI_ORIGIN_CREATED = 1,  /* with the object */
    ABI_ORIGIN_DUP = 2,      /* DUP */
    ABI_ORIGIN_RESTRICT = 3, /* RESTRICT */
    ABI_ORIGIN_SPAWN = 4,    /* granted to a new process */
    ABI_ORIGIN_COPIED = 5,   /* sent in a message, the sender kept its own */
    ABI_ORIGIN_OPENED = 6,   /* found through its parent: OPEN, PROCESS_OPEN */
    ABI_ORIGIN_MINTED = 7,   /* SERVICE_MINT */
    ABI_ORIGIN_LENT = 8,     /* a request, from the client's handle */
};
struct abi_derivation {
    uint32_t record_bytes;
    uint32_t kind;        /* ABI_KIND_... */
    uint64_t next_cookie; /* REACH: to go on */
    uint64_t id;          /* of this derivation; never reused */
    uint64_t parent_id;   /* 0: the first */
    uint64_t object_id;
    uint64_t rights;
    uint64_t holder_process; /* whose handle it is; 0: in a message, or nobody's any more */
    uint64_t origin_process; /* who derived it; 0: the kernel */
    uint64_t handle;         /* as numbered in the holder; 0: none */
    uint32_t origin;         /* enum abi_origin */
    uint32_t step;
    uint32_t children; /* handles derived from this one directly */
    uint32_t in_use;   /* operations, mappings and registrations that use it now */
};
static_assert(sizeof(struct abi_derivation) == 88, "ABI");

/*
 * Channels. A message is up to ABI_MESSAGE_BYTES_MAX bytes and up to ABI_MESSAGE_HANDLES_MAX
 * handles. Of more than ABI_MESSAGE_INLINE_BYTES_MAX bytes the kernel keeps no copy: the send
 * completes when the message has been received, straight from the sender's buffer.
 */
#define ABI_MESSAGE_BYTES_MAX        (1u << 20)
#define ABI_MESSAGE_INLINE_BYTES_MAX 4096u
#define ABI_MESSAGE_HANDLES_MAX      64u
#define ABI_CHANNEL_MESSAGES_MAX     1024u
#define ABI_CHANNEL_MESSAGES_DEFAULT 64u

struct abi_channel_pair {
    uint64_t handles[2];
};
/*
 * CHANNEL_SEND reads, CHANNEL_RECEIVE writes an array of these in the second span: buffer
 * second_buffer_index, from ARG0, ARG1 of them. With ABI_OP_FLAG_POOL they stand in the chunk, in
 * front of the bytes.
 */
struct abi_message_handle {
    uint64_t handle; /* sent: the sender's; received: the receiver's */
    uint64_t rights; /* sent: those to keep; received: those there are */
    uint32_t kind;   /* sent: zero; received: ABI_KIND_... */
    uint32_t flags;  /* sent: ABI_MESSAGE_HANDLE_...; received: zero */
};
static_assert(sizeof(struct abi_message_handle) == 24, "ABI");
#define ABI_MESSAGE_HANDLE_COPY        1u /* needs RIGHT_DUP too; the sender keeps its own, as parent */
#define ABI_MESSAGE_HANDLE_FLAGS_KNOWN 1u

#define ABI_SEND_DO_NOT_WAIT    1u /* WOULD_BLOCK when the queue is full, or nobody receives now */
#define ABI_SEND_FLAGS_KNOWN    1u
#define ABI_RECEIVE_DO_NOT_WAIT 1u /* WOULD_BLOCK when there is no message */
#define ABI_RECEIVE_FLAGS_KNOWN (1u | ABI_OP_FLAG_MULTISHOT | ABI_OP_FLAG_POOL)
/* CHANNEL_RECEIVE: the value. */
#define ABI_RECEIVED_BYTES(value)   ((uint32_t)(value))
#define ABI_RECEIVED_HANDLES(value) ((uint32_t)((value) >> 32))
/* CHANNEL_RECEIVE: the detail of OUT_OF_RANGE, what the message needs. */
#define ABI_NEEDED_BYTES(detail)        ((detail) & 0xffffffu)
#define ABI_NEEDED_HANDLES(detail)      ((detail) >> 24)
#define ABI_NEEDED_MAKE(bytes, handles) ((uint32_t)(handles) << 24 | (uint32_t)(bytes))

/*
 * Services. SERVICE_RECEIVE fills the span with this; the value is a handle of kind REQUEST,
 * through which the client's buffer is read, written, mapped and registered, and which
 * REQUEST_REPLY ends. A closed request answers BROKEN_PIPE.
 */
struct abi_request {
    uint64_t badge;  /* of the handle used, as minted */
    uint64_t rights; /* of the handle used */
    uint64_t offset_bytes;
    uint64_t args[2];
    uint32_t op_flags;
    uint32_t length_bytes; /* of the client's span */
    uint64_t client;       /* number of the client's process; 0 for CLOSED */
    uint8_t op;            /* ABI_OP_... */
    uint8_t kind;          /* of the handle used */
    uint8_t access; /* ABI_ACCESS_READ or _WRITE: what the client's buffer is lent for; 0: none */
    uint8_t flags;  /* ABI_REQUEST_... */
    uint32_t reserved;
};
static_assert(sizeof(struct abi_request) == 64, "ABI");
/* The last handle with this badge is gone. Nobody waits; the value of the receive is 0. */
#define ABI_REQUEST_CLOSED 1u

/* SERVICE_MINT: op_flags is the kind, ARG0 the rights, ARG1 the badge. */
#define ABI_MINT_FLAGS_KNOWN 31u

/* SERVICE_RECEIVE. MULTISHOT needs POOL: each request is described in a chunk of its own. */
#define ABI_SERVICE_DO_NOT_WAIT         1u
#define ABI_SERVICE_RECEIVE_FLAGS_KNOWN (1u | ABI_OP_FLAG_MULTISHOT | ABI_OP_FLAG_POOL)

/*
 * REQUEST_REPLY: ARG1 is the status; for OK, ARG0 is the value, as the operation asked for defines
 * it. The span, if there is one, is copied to the start of the client's. An operation that yields a
 * handle is answered with one of these:
 *
 *   HANDLE  ARG0 is a handle of the server's that moves to the client, keeping what it derives from
 *   MINT    a handle of kind ABI_REPLY_KIND_OF(op_flags) with badge ARG0 is minted for the client,
 *           with those of the rights in OFFSET that the client asked for and has on the handle it
 *           used, from which it derives
 */
#define ABI_REPLY_HANDLE            1u
#define ABI_REPLY_MINT              2u
#define ABI_REPLY_KIND(kind)        ((uint32_t)(kind) << 8)
#define ABI_REPLY_KIND_OF(op_flags) ((op_flags) >> 8 & 0x1fu)
#define ABI_REPLY_FLAGS_KNOWN       (3u | ABI_REPLY_KIND(0x1f))

/* PROCESS_TRACE: the flight recorder's record of one operation. */
struct abi_trace_record {
    uint32_t record_bytes;
    uint32_t ring; /* a number for the ring, never reused */
    uint64_t next_cookie;
    uint64_t sequence; /* among the ring's completions; what is missing between was not recorded */
    uint64_t time_ns;  /* monotonic, when it ended; 0: still under way */
    uint64_t thread;   /* number of the ring's thread */
    uint64_t object_id;
    uint64_t derivation_id; /* through which derivation, see EXPLAIN */
    uint64_t value;         /* when status is OK */
    uint32_t status;        /* enum abi_status */
    uint32_t detail;
    uint32_t completion_flags; /* ABI_COMPLETION_...; with MORE it went on */
    uint32_t reserved;
    struct abi_submission submission; /* as it was accepted */
};
static_assert(sizeof(struct abi_trace_record) == 144, "ABI");
