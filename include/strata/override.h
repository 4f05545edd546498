/* What strata-override.dll exports. A program that wants to know whether Strata serves its heap asks
 *
 *     HMODULE dll = GetModuleHandleW(L"strata-override.dll");
 *     StrataOverrideStatusFunction* status = !dll ? NULL :
 *         (StrataOverrideStatusFunction*)GetProcAddress(dll, "StrataOverrideStatus");
 *
 * so that it needs no import library and runs without the DLL, too.
 */
#ifndef STRATA_OVERRIDE_H
#define STRATA_OVERRIDE_H

#include <strata/export.h>

STRATA_EXTERN_C_BEGIN

typedef enum StrataOverrideState {
    STRATA_OVERRIDE_INACTIVE = 0, /* switched off (STRATA_DISABLE), or not loaded completely */
    STRATA_OVERRIDE_ACTIVE = 1,   /* ntdll's heap functions are redirected */
    STRATA_OVERRIDE_DECLINED = 2  /* Strata could not or would not; nothing is changed */
} StrataOverrideState;

typedef struct StrataOverrideInfo {
    uint32_t size;       /* in: sizeof(StrataOverrideInfo) as the caller knows it */
    uint32_t state;      /* a StrataOverrideState */
    uint32_t redirected; /* how many entry points */
    uint32_t children;   /* 1 when child processes get the override, too */
    char reason[240];    /* why it is not active, one line of ASCII; empty when it is */
} StrataOverrideInfo;

/* Fills `info` and returns its state. `info` may be NULL. Any thread, any time; never fails: of an
   `info` of another size as much as fits is filled. Ordinal 2. */
typedef int StrataOverrideStatusFunction(StrataOverrideInfo* info);
int StrataOverrideStatus(StrataOverrideInfo* info) STRATA_NOEXCEPT;

/* Does nothing. Importing it, by ordinal 1, makes the loader load the DLL. */
void StrataOverrideMarker(void) STRATA_NOEXCEPT;

STRATA_EXTERN_C_END

#endif
