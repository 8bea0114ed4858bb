/*
 * The words of the contract: outcomes, kinds, rights and handles.
 *
 * Everything in abi/ is shared by kernel and programs, is layout and numbers only, and includes
 * nothing but the compiler's own headers. Enumerations here are never fields of ABI structs:
 * those use fixed-width integers.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* The version that boot, start-up and query report. Raised when a layout changes. */
#define ABI_VERSION 1u

#define ABI_PAGE_BYTES 4096u

enum abi_status : uint32_t {
#define STATUS(NAME, number, meaning) ABI_STATUS_##NAME = (number),
#include <abi/status.def>
#undef STATUS
};

enum abi_kind : uint8_t {
    ABI_KIND_NONE = 0,
#define KIND(NAME, name, number, summary) ABI_KIND_##NAME = (number),
#include <abi/kinds.def>
#undef KIND
};
#define ABI_KIND_COUNT 20u

/* A set of kinds: one bit for each. */
#define ABI_KIND_BIT(NAME) (1u << ABI_KIND_##NAME)
#define ABI_KINDS_ANY      0xfffffffeu

enum abi_right : uint64_t {
#define RIGHT(NAME, name, bit, meaning) ABI_RIGHT_##NAME = 1ull << (bit),
#include <abi/rights.def>
#undef RIGHT
};
#define ABI_RIGHT_COUNT 18u
#define ABI_RIGHTS_ALL  ((1ull << ABI_RIGHT_COUNT) - 1)

/*
 * A handle: a slot of the process's table and a token that was drawn at random when the slot was
 * filled. Zero is no handle. A program must not take it apart; the layout is here because the
 * kernel's table and the tests that attack it share it.
 */
typedef uint64_t abi_handle;
#define ABI_HANDLE_NONE       0ull
#define ABI_HANDLE_SLOT_BITS  20u
#define ABI_HANDLE_SLOT_MASK  ((1ull << ABI_HANDLE_SLOT_BITS) - 1)
#define ABI_HANDLE_TOKEN_BITS 44u

/*
 * The detail of an INSUFFICIENT_RIGHTS completion: which right is missing and which derivation
 * step removed it. Step 0 is the handle the object was first given out with; each derivation on the
 * way to the handle used adds one: opening something through it, a duplicate, a restriction, a
 * handle granted to a new process or sent as a copy.
 *
 * The detail of a CAPABILITY_REVOKED completion names in the same way, with ABI_DETAIL_REVOKED for
 * the right, the step of the handle whose holder took back what derives from it.
 */
#define ABI_DETAIL_REVOKED           0xffu
#define ABI_DETAIL_RIGHT(detail)     ((detail) & 0xffu)            /* bit number of the right */
#define ABI_DETAIL_STEP(detail)      (((detail) >> 8) & 0xffffffu) /* where it was lost */
#define ABI_DETAIL_MAKE(right, step) (((uint32_t)(step) << 8) | (uint32_t)(right))
