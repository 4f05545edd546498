// The Win32-style interface: include/strata/heap_api.h. Handles, flags and errors; the semantics are
// in win32_heap.cpp.
#include <strata/heap_api.h>

#include "api/win32_heap.h"
#include "heap/statistics.h"
#include "os/process.h"

namespace {

namespace api = strata::api;
namespace heap = strata::heap;
namespace os = strata::os;

heap::Heap* FromHandle(HANDLE handle) noexcept {
    heap::Heap* result = heap::FromHandle(handle);
    if (result == nullptr) os::SetLastErrorCode(ERROR_INVALID_HANDLE);
    return result;
}

BOOL Fail(DWORD error) noexcept {
    os::SetLastErrorCode(error);
    return FALSE;
}

DWORD Clamp(size_t bytes) noexcept {
    return bytes < UINT32_MAX ? static_cast<DWORD>(bytes) : UINT32_MAX;
}

// winnt.h has this class from the Windows 8.1 SDK on; older headers lack the name.
constexpr int kHeapOptimizeResources = 3;

void Translate(const api::WalkEntry& from, PROCESS_HEAP_ENTRY& to) noexcept {
    using Kind = api::WalkEntry::Kind;
    to = PROCESS_HEAP_ENTRY{};
    to.lpData = from.address;
    to.cbData = Clamp(from.bytes);
    to.cbOverhead = from.overhead;
    to.iRegionIndex = from.region_index;
    switch (from.kind) {
        case Kind::kRegion:
            to.wFlags = PROCESS_HEAP_REGION;
            to.Region.dwCommittedSize = Clamp(from.committed_bytes);
            to.Region.dwUnCommittedSize = Clamp(from.uncommitted_bytes);
            to.Region.lpFirstBlock = from.first_block;
            to.Region.lpLastBlock = from.last_block;
            break;
        case Kind::kBusy:
            to.wFlags = PROCESS_HEAP_ENTRY_BUSY;
            break;
        case Kind::kUncommitted:
            to.wFlags = PROCESS_HEAP_UNCOMMITTED_RANGE;
            break;
        case Kind::kFree:
            to.wFlags = 0;
            break;
    }
}

api::WalkEntry Translate(const PROCESS_HEAP_ENTRY& from) noexcept {
    using Kind = api::WalkEntry::Kind;
    api::WalkEntry to;
    to.address = from.lpData;
    to.kind = (from.wFlags & PROCESS_HEAP_REGION) != 0              ? Kind::kRegion
              : (from.wFlags & PROCESS_HEAP_UNCOMMITTED_RANGE) != 0 ? Kind::kUncommitted
              : (from.wFlags & PROCESS_HEAP_ENTRY_BUSY) != 0        ? Kind::kBusy
                                                                    : Kind::kFree;
    return to;
}

}  // namespace

extern "C" {

HANDLE STRATA_WINAPI StrataHeapCreate(DWORD options, SIZE_T initial_size, SIZE_T maximum_size) {
    if (maximum_size != 0 && initial_size > maximum_size) {
        Fail(ERROR_INVALID_PARAMETER);
        return nullptr;
    }
    if (maximum_size != 0 || (options & HEAP_CREATE_ENABLE_EXECUTE) != 0) {
        Fail(ERROR_NOT_SUPPORTED);
        return nullptr;
    }
    heap::Heap* created = heap::CreateHeap(options);
    if (created == nullptr) Fail(ERROR_NOT_ENOUGH_MEMORY);
    return created;
}

BOOL STRATA_WINAPI StrataHeapDestroy(HANDLE handle) {
    heap::Heap* target = FromHandle(handle);
    if (target == nullptr) return FALSE;
    if (heap::IsProcessHeap(*target)) return Fail(ERROR_INVALID_PARAMETER);
    heap::DestroyHeap(target);
    return TRUE;
}

LPVOID STRATA_WINAPI StrataHeapAlloc(HANDLE handle, DWORD flags, SIZE_T bytes) {
    heap::Heap* target = FromHandle(handle);
    return target == nullptr ? nullptr : api::HeapAllocate(*target, flags, bytes);
}

LPVOID STRATA_WINAPI StrataHeapReAlloc(HANDLE handle, DWORD flags, LPVOID block, SIZE_T bytes) {
    heap::Heap* target = FromHandle(handle);
    // HeapReAlloc(NULL) returns NULL and leaves the last error alone.
    if (target == nullptr || block == nullptr) return nullptr;
    return api::HeapReallocate(*target, flags, block, bytes);
}

BOOL STRATA_WINAPI StrataHeapFree(HANDLE handle, DWORD flags, LPVOID block) {
    heap::Heap* target = FromHandle(handle);
    if (target == nullptr) return FALSE;
    return api::HeapRelease(*target, flags, block) ? TRUE : FALSE;
}

SIZE_T STRATA_WINAPI StrataHeapSize(HANDLE handle, DWORD flags, LPCVOID block) {
    heap::Heap* target = FromHandle(handle);
    return target == nullptr ? SIZE_MAX : api::HeapBlockSize(*target, flags, block);
}

BOOL STRATA_WINAPI StrataHeapValidate(HANDLE handle, DWORD flags, LPCVOID block) {
    heap::Heap* target = heap::FromHandle(handle);
    return target != nullptr && api::HeapIsValid(*target, flags, block) ? TRUE : FALSE;
}

SIZE_T STRATA_WINAPI StrataHeapCompact(HANDLE handle, DWORD flags) {
    heap::Heap* target = FromHandle(handle);
    if (target == nullptr) return 0;
    const size_t largest = api::HeapCompact(*target, flags);
    if (largest == 0) os::SetLastErrorCode(NO_ERROR);
    return largest;
}

BOOL STRATA_WINAPI StrataHeapLock(HANDLE handle) {
    heap::Heap* target = FromHandle(handle);
    return target != nullptr && api::HeapLock(*target) ? TRUE : FALSE;
}

BOOL STRATA_WINAPI StrataHeapUnlock(HANDLE handle) {
    heap::Heap* target = FromHandle(handle);
    return target != nullptr && api::HeapUnlock(*target) ? TRUE : FALSE;
}

BOOL STRATA_WINAPI StrataHeapWalk(HANDLE handle, LPPROCESS_HEAP_ENTRY entry) {
    heap::Heap* target = FromHandle(handle);
    if (target == nullptr) return FALSE;
    if (entry == nullptr) return Fail(ERROR_INVALID_PARAMETER);
    api::WalkEntry step = Translate(*entry);
    if (!api::HeapWalkStep(*target, step)) return Fail(ERROR_NO_MORE_ITEMS);
    Translate(step, *entry);
    return TRUE;
}

BOOL STRATA_WINAPI StrataHeapSummary(HANDLE handle, DWORD, STRATA_HEAP_SUMMARY_TYPE* summary) {
    heap::Heap* target = FromHandle(handle);
    if (target == nullptr) return FALSE;
    if (summary == nullptr || summary->cb != sizeof *summary) {
        return Fail(ERROR_INVALID_PARAMETER);
    }
    summary->cbAllocated = summary->cbCommitted = summary->cbReserved = 0;
    summary->cbMaxReserve = 0;
    api::WalkEntry step;
    while (api::HeapWalkStep(*target, step)) {
        if (step.kind == api::WalkEntry::Kind::kBusy) summary->cbAllocated += step.bytes;
        if (step.kind != api::WalkEntry::Kind::kRegion) continue;
        summary->cbCommitted += step.committed_bytes;
        summary->cbReserved += step.bytes;
    }
    summary->cbMaxReserve = summary->cbReserved;
    return TRUE;
}

BOOL STRATA_WINAPI StrataHeapSetInformation(HANDLE handle, HEAP_INFORMATION_CLASS information_class,
                                            PVOID information, SIZE_T length) {
    const int wanted = static_cast<int>(information_class);
    if (wanted == HeapEnableTerminationOnCorruption) return TRUE;  // always on
    if (wanted == kHeapOptimizeResources && handle == nullptr) {
        heap::PurgeAll();
        return TRUE;
    }
    heap::Heap* target = FromHandle(handle);
    if (target == nullptr) return FALSE;
    if (wanted == kHeapOptimizeResources) {
        heap::Trim(*target);
        return TRUE;
    }
    if (wanted != HeapCompatibilityInformation || information == nullptr) {
        return Fail(ERROR_INVALID_PARAMETER);
    }
    if (length < sizeof(ULONG)) return Fail(ERROR_INSUFFICIENT_BUFFER);
    // 2 asks for the low-fragmentation heap, which is what Strata is; nothing else can be set.
    return *static_cast<const ULONG*>(information) == 2 ? TRUE : Fail(ERROR_GEN_FAILURE);
}

BOOL STRATA_WINAPI StrataHeapQueryInformation(HANDLE handle,
                                              HEAP_INFORMATION_CLASS information_class,
                                              PVOID information, SIZE_T length,
                                              PSIZE_T return_length) {
    if (FromHandle(handle) == nullptr) return FALSE;
    if (static_cast<int>(information_class) != HeapCompatibilityInformation) {
        return Fail(ERROR_INVALID_PARAMETER);
    }
    if (return_length != nullptr) *return_length = sizeof(ULONG);
    if (information == nullptr || length < sizeof(ULONG)) return Fail(ERROR_INSUFFICIENT_BUFFER);
    *static_cast<ULONG*>(information) = 2;
    return TRUE;
}

HANDLE STRATA_WINAPI StrataGetProcessHeap(void) {
    heap::Heap* target = heap::ProcessHeap();
    if (target == nullptr) Fail(ERROR_NOT_ENOUGH_MEMORY);
    return target;
}

DWORD STRATA_WINAPI StrataGetProcessHeaps(DWORD count, PHANDLE heaps) {
    if (!heap::Initialize()) {
        Fail(ERROR_NOT_ENOUGH_MEMORY);
        return 0;
    }
    static_assert(sizeof(HANDLE) == sizeof(heap::Heap*));
    return static_cast<DWORD>(
        heap::ListHeaps(reinterpret_cast<heap::Heap**>(heaps), heaps == nullptr ? 0 : count));
}

#ifndef _WIN32
DWORD StrataGetLastError(void) { return os::GetLastErrorCode(); }
void StrataSetLastError(DWORD error) { os::SetLastErrorCode(error); }
#endif

}  // extern "C"
