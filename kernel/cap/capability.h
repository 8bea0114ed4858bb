/*
 * A capability: an object, and what may be done to it, with the history of how it came to be.
 *
 * Capabilities form a derivation tree: each points to the one it was derived from and holds a
 * reference to it. Rights only shrink from parent to child. A handle table entry refers to one
 * capability; several entries may share one when nothing was taken away between them. `step` counts
 * the restrictions since the object was first given out.
 *
 * A parent that no handle uses any more stays as history while children refer to it. At most
 * ABI_RIGHT_COUNT steps can shrink rights, so a chain is short, whatever programs do.
 *
 * Context: any. Locking: none; immutable after creation but for the counts and the revoked flag.
 */
#pragma once
#include "cap/object.h"

struct capability {
    /* Fixed at creation. */
    struct object *object;     /* counted */
    struct capability *parent; /* counted; nullptr for the first */
    uint64_t rights;           /* ABI_RIGHT_... */
    uint32_t step;

    _Atomic uint32_t references;
    _Atomic bool is_revoked; /* acquire on use; pairs with the release in revocation */
};

/* Boot. */
status capability_init(void);

RESULT_TYPE(capability_result, struct capability *);
/* The first capability to an object, with `rights` cut to the kind's. Takes its own reference.
 * OUT_OF_MEMORY */
capability_result capability_create(struct object *object, uint64_t rights);
/*
 * One with those of the rights that are also in `rights`: a new child, or another reference to the
 * same when nothing would be lost. The caller owns one reference. OUT_OF_MEMORY
 */
capability_result capability_derive(struct capability *from, uint64_t rights);
void capability_get(struct capability *capability);
void capability_put(struct capability *capability);

/* For a refusal: the lowest right of `needed` that is missing, and the step where it was lost. See
 * ABI_DETAIL_MAKE. */
uint32_t capability_explain(const struct capability *capability, uint64_t needed);

typedef struct capability *capability_owner;
static inline void capability_owner_drop(capability_owner *owner)
{
    if (*owner != nullptr) capability_put(*owner);
}
