/* Strata's Win32-style interface: each function has the signature, the flags, the return values and
 * the error codes of the Win32 function of the same name without the prefix. Reference for all of
 * them: Microsoft's "heapapi.h header" pages. Differences are in docs/win32-compatibility.md.
 *
 * All functions may be called from any thread. In the POSIX build, which exists for tests, the
 * types and constants below stand in for <windows.h>, and StrataGetLastError for GetLastError.
 */
#ifndef STRATA_HEAP_API_H
#define STRATA_HEAP_API_H

#include <strata/export.h>

#ifdef _WIN32
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#define STRATA_WINAPI WINAPI
typedef HEAP_SUMMARY STRATA_HEAP_SUMMARY_TYPE;
#else
#include <strata/posix_types.h>
#define STRATA_WINAPI
#endif

#ifndef HEAP_CREATE_HARDENED /* as in winnt.h of the Windows SDK, which older headers lack */
#define HEAP_CREATE_HARDENED 0x00000200
#endif

STRATA_EXTERN_C_BEGIN

/* A heap. Options: HEAP_GENERATE_EXCEPTIONS; HEAP_NO_SERIALIZE (accepted: Strata always serialises, but
   such a heap cannot be locked); HEAP_CREATE_ENABLE_EXECUTE (its blocks may hold code);
   HEAP_CREATE_ALIGN_16; HEAP_TAIL_CHECKING_ENABLED and HEAP_FREE_CHECKING_ENABLED (writes behind blocks
   and into freed blocks end the process when they are noticed, and make StrataHeapValidate fail).
   HEAP_CREATE_HARDENED (random blocks, a quarantine for freed ones, guard pages: docs/security.md).
   With a maximum size, in bytes, the heap never grows beyond it, and its blocks are smaller than 1 MiB.
   Without one, an initial size is only proved to be available. The handle is a multiple of 64 KiB.
   NULL and ERROR_NOT_ENOUGH_MEMORY on failure. */
STRATA_API HANDLE STRATA_WINAPI StrataHeapCreate(DWORD options, SIZE_T initial_size,
                                                 SIZE_T maximum_size);
/* A heap of fixed size in `bytes` bytes of the caller's memory at `base`, a multiple of 4096: from
   VirtualAlloc (reserved at least; pages are committed as needed) or a writable view of a file. All of
   the heap's blocks lie there, and nothing else is touched; its records lie elsewhere, so the contents
   are of no use to other processes. The memory stays the caller's, who may release it after
   StrataHeapDestroy. NULL and ERROR_INVALID_PARAMETER when it is not such memory.
   (RtlCreateHeap with a base address; Microsoft, ntifs.h.) */
STRATA_API HANDLE STRATA_WINAPI StrataHeapCreateInRegion(DWORD options, LPVOID base, SIZE_T bytes);
/* Frees the heap with everything in it. Not for the process heap: FALSE, ERROR_INVALID_PARAMETER. */
STRATA_API BOOL STRATA_WINAPI StrataHeapDestroy(HANDLE heap);
/* `bytes` bytes, 16-byte aligned. Flags: HEAP_ZERO_MEMORY, HEAP_GENERATE_EXCEPTIONS,
   HEAP_NO_SERIALIZE, STRATA_HEAP_SETTABLE_USER_VALUE and its flags. NULL and ERROR_NOT_ENOUGH_MEMORY
   on failure, or STATUS_NO_MEMORY raised. */
STRATA_API LPVOID STRATA_WINAPI StrataHeapAlloc(HANDLE heap, DWORD flags, SIZE_T bytes);
/* Resizes; additional flag HEAP_REALLOC_IN_PLACE_ONLY. NULL leaves the block untouched. */
STRATA_API LPVOID STRATA_WINAPI StrataHeapReAlloc(HANDLE heap, DWORD flags, LPVOID block,
                                                  SIZE_T bytes);
/* Frees; TRUE for NULL. A pointer that is not a live block of `heap` ends the process, as the
   Windows heap does with termination on corruption. */
STRATA_API BOOL STRATA_WINAPI StrataHeapFree(HANDLE heap, DWORD flags, LPVOID block);
/* The exact requested size; (SIZE_T)-1 when `block` is not a live block of `heap`. */
STRATA_API SIZE_T STRATA_WINAPI StrataHeapSize(HANDLE heap, DWORD flags, LPCVOID block);
/* TRUE when `block` is a live block of `heap`; with NULL, when the whole heap is consistent. The
   last error is preserved. */
STRATA_API BOOL STRATA_WINAPI StrataHeapValidate(HANDLE heap, DWORD flags, LPCVOID block);
/* Gives free memory back to the system; the size of the largest free block, in bytes. */
STRATA_API SIZE_T STRATA_WINAPI StrataHeapCompact(HANDLE heap, DWORD flags);
/* Keeps other threads out of the heap's slow paths until StrataHeapUnlock; recursive. A thread's own
   magazines stay usable, as with the low-fragmentation heap. */
STRATA_API BOOL STRATA_WINAPI StrataHeapLock(HANDLE heap);
STRATA_API BOOL STRATA_WINAPI StrataHeapUnlock(HANDLE heap);
/* Enumerates: set lpData to NULL before the first call; FALSE and ERROR_NO_MORE_ITEMS at the end.
   The state is in the entry alone. Regions come first, numbered from 0 (63 stands for all behind the 63rd),
   each followed by what lies in it: busy blocks with their exact sizes, free memory (blocks side by side are one
   entry) and ranges without memory. A heap without blocks has one region, its own record. Then come
   blocks of more than 0xFF000 bytes, one busy entry each with region index 64, as on Windows. */
STRATA_API BOOL STRATA_WINAPI StrataHeapWalk(HANDLE heap, LPPROCESS_HEAP_ENTRY entry);
/* Totals; set cb to sizeof(HEAP_SUMMARY) first. */
STRATA_API BOOL STRATA_WINAPI StrataHeapSummary(HANDLE heap, DWORD flags,
                                                STRATA_HEAP_SUMMARY_TYPE* summary);

/* A value, and three flags, that the program keeps beside a block: for blocks that were allocated with
   STRATA_HEAP_SETTABLE_USER_VALUE or one of the flags. They move with the block. FALSE and
   ERROR_INVALID_PARAMETER when `block` is not a live block of `heap` or has no place for them.
   (RtlSetUserValueHeap, RtlGetUserInfoHeap, RtlSetUserFlagsHeap.) */
#define STRATA_HEAP_SETTABLE_USER_VALUE 0x00000100u
#define STRATA_HEAP_SETTABLE_USER_FLAG1 0x00000200u
#define STRATA_HEAP_SETTABLE_USER_FLAG2 0x00000400u
#define STRATA_HEAP_SETTABLE_USER_FLAG3 0x00000800u
STRATA_API BOOL STRATA_WINAPI StrataHeapSetUserValue(HANDLE heap, DWORD flags, LPVOID block,
                                                     LPVOID value);
/* `value` and `user_flags` may be NULL; both are zero for a block without them. */
STRATA_API BOOL STRATA_WINAPI StrataHeapGetUserInfo(HANDLE heap, DWORD flags, LPCVOID block,
                                                    LPVOID* value, DWORD* user_flags);
/* Clears the flags in `reset`, then sets those in `set`. */
STRATA_API BOOL STRATA_WINAPI StrataHeapSetUserFlags(HANDLE heap, DWORD flags, LPVOID block,
                                                     DWORD reset, DWORD set);

/* HeapCompatibilityInformation (2: the low-fragmentation heap; it stays on),
   HeapEnableTerminationOnCorruption (always on), HeapOptimizeResources (gives cached memory back; of
   all heaps for NULL). */
STRATA_API BOOL STRATA_WINAPI StrataHeapSetInformation(HANDLE heap,
                                                       HEAP_INFORMATION_CLASS information_class,
                                                       PVOID information, SIZE_T length);
STRATA_API BOOL STRATA_WINAPI StrataHeapQueryInformation(HANDLE heap,
                                                         HEAP_INFORMATION_CLASS information_class,
                                                         PVOID information, SIZE_T length,
                                                         PSIZE_T return_length);
/* The heap that strata_malloc uses, as a handle. */
STRATA_API HANDLE STRATA_WINAPI StrataGetProcessHeap(void);
/* The number of Strata heaps; fills `heaps` when `count` is large enough, process heap first. */
STRATA_API DWORD STRATA_WINAPI StrataGetProcessHeaps(DWORD count, PHANDLE heaps);

#ifndef _WIN32
DWORD StrataGetLastError(void);
void StrataSetLastError(DWORD error);
#else
#define StrataGetLastError GetLastError
#define StrataSetLastError SetLastError
#endif

STRATA_EXTERN_C_END

#endif
