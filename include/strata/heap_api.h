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

STRATA_EXTERN_C_BEGIN

/* A heap. Options: HEAP_GENERATE_EXCEPTIONS, HEAP_NO_SERIALIZE (accepted: Strata always
   serialises), HEAP_CREATE_ALIGN_16. HEAP_CREATE_ENABLE_EXECUTE and a maximum size are refused with
   ERROR_NOT_SUPPORTED. The handle is a multiple of 64 KiB. NULL on failure. */
STRATA_API HANDLE STRATA_WINAPI StrataHeapCreate(DWORD options, SIZE_T initial_size,
                                                 SIZE_T maximum_size);
/* Frees the heap with everything in it. Not for the process heap: FALSE, ERROR_INVALID_PARAMETER. */
STRATA_API BOOL STRATA_WINAPI StrataHeapDestroy(HANDLE heap);
/* `bytes` bytes, 16-byte aligned. Flags: HEAP_ZERO_MEMORY, HEAP_GENERATE_EXCEPTIONS,
   HEAP_NO_SERIALIZE. NULL and ERROR_NOT_ENOUGH_MEMORY on failure, or STATUS_NO_MEMORY raised. */
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
   The state is in the entry alone. Each slab and each large run is one region entry followed by its
   blocks (busy with the exact size, or free). */
STRATA_API BOOL STRATA_WINAPI StrataHeapWalk(HANDLE heap, LPPROCESS_HEAP_ENTRY entry);
/* Totals; set cb to sizeof(HEAP_SUMMARY) first. */
STRATA_API BOOL STRATA_WINAPI StrataHeapSummary(HANDLE heap, DWORD flags,
                                                STRATA_HEAP_SUMMARY_TYPE* summary);
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
