/*
 * What lets clang's static analyser follow handles: fuchsia.HandleChecker, checked over all
 * programs.
 *
 * The checker keys on names, so while it runs the raw handle and status types carry the names it
 * looks for. It does not see the cleanup attribute: what is moved with TAKE leaves its sight, and
 * TAKE is how a handle enters an OWNED variable, which closes it. Before that move it finds
 * leaks, double closes and uses after a close. Nothing here exists in a compiled program.
 */
#pragma once
#include <stdint.h>

#ifdef __clang_analyzer__
typedef uint64_t zx_handle_t;
typedef uint32_t zx_status_t;
#define peal_raw_handle zx_handle_t
#define peal_raw_status zx_status_t
#define ACQUIRES_HANDLE __attribute__((acquire_handle("Fuchsia")))
#define USES_HANDLE     __attribute__((use_handle("Fuchsia")))
#define RELEASES_HANDLE __attribute__((release_handle("Fuchsia")))
void peal_analyser_moved(void *variable);
void peal_analyser_use(peal_raw_handle handle USES_HANDLE);
#define PEAL_ANALYSER_MOVED(variable) peal_analyser_moved(&(variable))
#define PEAL_ANALYSER_USE(handle)     peal_analyser_use(handle)
#else
typedef uint64_t peal_raw_handle; /* an abi_handle */
typedef uint32_t peal_raw_status; /* an enum status_code */
#define ACQUIRES_HANDLE
#define USES_HANDLE
#define RELEASES_HANDLE
#define PEAL_ANALYSER_MOVED(variable) ((void)0)
#define PEAL_ANALYSER_USE(handle)     ((void)0)
#endif
