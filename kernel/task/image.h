/*
 * Programs in memory, ready to be mapped: loaded once, shared by every process that runs them.
 *
 * Read-only segments are mapped by all; writable ones are templates from which each process's
 * private pages are copied on first touch. Images are found again by the identity and version of
 * the file they came from, and dropped, least recently used first, when memory is short and nobody
 * runs them.
 *
 * Context: task, may sleep. Locking: LOCK_RANK_IMAGE_CACHE inside, never while reading a file.
 */
#pragma once
#include "base/status.h"
#include "base/text.h"
#include "task/elf.h"
#include "vm/buffer.h"

/* Where the bytes come from; the ops layer fills it from an open file. */
struct image_source {
    uint64_t identity; /* of the file; never reused while the system runs */
    uint64_t version;  /* changes with the content */
    uint64_t size_bytes;
    void *context;
    /* Reads exactly `length` bytes, or fails. May sleep. */
    status (*read)(void *context, uint64_t offset, void *to, uint64_t length);
};

struct image;
RESULT_TYPE(image_result, struct image *);

/* Boot. Also offers idle images to the frame pool when memory is short. */
void image_init(void);
/* One reference. NOT_EXECUTABLE (*out_reason says why), OUT_OF_MEMORY, IO_ERROR */
image_result image_load(const struct image_source *source, enum abi_not_executable *out_reason);
/* One reference when it is in memory already, else nullptr. Does not read, so it hardly waits. */
struct image *image_find(uint64_t identity, uint64_t version);
/* One more reference; answers the image. */
struct image *image_get(struct image *image);
void image_put(struct image *image);

const struct elf_layout *image_layout(const struct image *image);
/* The buffer that holds the segment's bytes, from its page boundary. Borrowed. */
struct buffer *image_segment(const struct image *image, uint32_t index);

/* What the cache holds, for statistics: buffers of all images, bytes of those that nobody runs. */
struct image_counts {
    uint32_t buffers;
    uint64_t idle_bytes;
};
struct image_counts image_count(void);

/* Drops images that nobody runs, the longest unused first, until so many frames are free. */
uint64_t image_reclaim(uint64_t frames_wanted);
