/* The Win32 types and constants that heap_api.h needs, for the POSIX build only. The values are
 * those of Microsoft's documentation of winnt.h, heapapi.h and winerror.h. */
#ifndef STRATA_POSIX_TYPES_H
#define STRATA_POSIX_TYPES_H

#include <stddef.h>
#include <stdint.h>

typedef void* HANDLE;
typedef HANDLE* PHANDLE;
typedef void* LPVOID;
typedef void* PVOID;
typedef const void* LPCVOID;
typedef uint32_t DWORD;
typedef uint16_t WORD;
typedef uint8_t BYTE;
typedef int BOOL;
typedef size_t SIZE_T;
typedef size_t* PSIZE_T;
typedef uint32_t ULONG;

#ifndef TRUE
#define TRUE 1
#define FALSE 0
#endif

#define HEAP_NO_SERIALIZE 0x00000001u
#define HEAP_GROWABLE 0x00000002u
#define HEAP_GENERATE_EXCEPTIONS 0x00000004u
#define HEAP_ZERO_MEMORY 0x00000008u
#define HEAP_REALLOC_IN_PLACE_ONLY 0x00000010u
#define HEAP_TAIL_CHECKING_ENABLED 0x00000020u
#define HEAP_FREE_CHECKING_ENABLED 0x00000040u
#define HEAP_CREATE_ALIGN_16 0x00010000u
#define HEAP_CREATE_ENABLE_TRACING 0x00020000u
#define HEAP_CREATE_ENABLE_EXECUTE 0x00040000u

#define ERROR_SUCCESS 0u
#define NO_ERROR 0u
#define ERROR_INVALID_HANDLE 6u
#define ERROR_NOT_ENOUGH_MEMORY 8u
#define ERROR_NOT_SUPPORTED 50u
#define ERROR_INVALID_PARAMETER 87u
#define ERROR_INSUFFICIENT_BUFFER 122u
#define ERROR_NO_MORE_ITEMS 259u
#define ERROR_NOACCESS 998u
#define ERROR_GEN_FAILURE 31u

#define PROCESS_HEAP_REGION 0x0001u
#define PROCESS_HEAP_UNCOMMITTED_RANGE 0x0002u
#define PROCESS_HEAP_ENTRY_BUSY 0x0004u
#define PROCESS_HEAP_SEG_ALLOC 0x0008u
#define PROCESS_HEAP_ENTRY_MOVEABLE 0x0010u
#define PROCESS_HEAP_ENTRY_DDESHARE 0x0020u

typedef struct _PROCESS_HEAP_ENTRY {
    PVOID lpData;
    DWORD cbData;
    BYTE cbOverhead;
    BYTE iRegionIndex;
    WORD wFlags;
    union {
        struct {
            HANDLE hMem;
            DWORD dwReserved[3];
        } Block;
        struct {
            DWORD dwCommittedSize;
            DWORD dwUnCommittedSize;
            LPVOID lpFirstBlock;
            LPVOID lpLastBlock;
        } Region;
    };
} PROCESS_HEAP_ENTRY, *LPPROCESS_HEAP_ENTRY;

typedef struct _HEAP_SUMMARY {
    DWORD cb;
    SIZE_T cbAllocated;
    SIZE_T cbCommitted;
    SIZE_T cbReserved;
    SIZE_T cbMaxReserve;
} HEAP_SUMMARY, STRATA_HEAP_SUMMARY_TYPE;

/* A plain int here: callers may give any value, and an enumeration may hold only its own. */
typedef int HEAP_INFORMATION_CLASS;
enum {
    HeapCompatibilityInformation = 0,
    HeapEnableTerminationOnCorruption = 1,
    HeapOptimizeResources = 3
};

#define HEAP_OPTIMIZE_RESOURCES_CURRENT_VERSION 1u
typedef struct _HEAP_OPTIMIZE_RESOURCES_INFORMATION {
    DWORD Version;
    DWORD Flags;
} HEAP_OPTIMIZE_RESOURCES_INFORMATION;

#endif
