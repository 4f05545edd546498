// The Win32-style interface: include/strata/heap_api.h. Handles, flags and errors; the semantics
// are in win32_heap.cpp.
#include <strata/heap_api.h>

#include "api/heap_information.h"
#include "api/win32_heap.h"
#include "base/bits.h"
#include "heap/fast_path.h"
#include "heap/statistics.h"
#include "os/process.h"
#include "store/heap_record.h"

namespace {

namespace api = strata::api;
namespace heap = strata::heap;
namespace os = strata::os;

heap::Heap* FromHandle(HANDLE handle) noexcept {
    heap::Heap* result = heap::FromHandle(handle);
    if (result == nullptr) os::SetLastErrorCode(ERROR_INVALID_HANDLE);
    return result;
}

// "Improper function parameters" are an access violation where exceptions are asked for
// (HeapAlloc).
void* FailHandle(HANDLE handle, DWORD flags) noexcept(false) {
    if ((flags & HEAP_GENERATE_EXCEPTIONS) != 0) os::RaiseAccessViolation(handle);
    os::SetLastErrorCode(ERROR_INVALID_HANDLE);
    return nullptr;
}

BOOL Fail(DWORD error) noexcept {
    os::SetLastErrorCode(error);
    return FALSE;
}

DWORD Clamp(size_t bytes) noexcept {
    return bytes < UINT32_MAX ? static_cast<DWORD>(bytes) : UINT32_MAX;
}

// The settable flags by which the system marks its moveable and its shared blocks.
constexpr uint32_t kUserFlagMoveable = 0x200;
constexpr uint32_t kUserFlagDdeShare = 0x400;

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
            if ((from.user_flags & kUserFlagMoveable) != 0) {
                to.wFlags |= PROCESS_HEAP_ENTRY_MOVEABLE;
                to.Block.hMem = from.user_value;
            }
            if ((from.user_flags & kUserFlagDdeShare) != 0) {
                to.wFlags |= PROCESS_HEAP_ENTRY_DDESHARE;
            }
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
    to.region_index = from.iRegionIndex;
    to.kind = (from.wFlags & PROCESS_HEAP_REGION) != 0              ? Kind::kRegion
              : (from.wFlags & PROCESS_HEAP_UNCOMMITTED_RANGE) != 0 ? Kind::kUncommitted
              : (from.wFlags & PROCESS_HEAP_ENTRY_BUSY) != 0        ? Kind::kBusy
                                                                    : Kind::kFree;
    return to;
}

STRATA_NOINLINE void* AllocateSlow(HANDLE handle, DWORD flags, SIZE_T bytes) noexcept(false) {
    heap::Heap* const target = heap::FromHandle(handle);
    if (STRATA_UNLIKELY(target == nullptr)) return FailHandle(handle, flags);
    return api::HeapAllocate(*target, flags, bytes);
}

// For calls without user value; what the thread's magazines cannot do is done out of line.
template <bool kZero>
STRATA_INLINE void* AllocateQuickly(HANDLE handle, DWORD flags, SIZE_T bytes) noexcept(false) {
    if (STRATA_LIKELY(heap::IsProcessHandle(handle))) {
        void* const block = heap::AllocateFast<kZero>(bytes);
        if (STRATA_LIKELY(block != nullptr)) return block;
        return api::HeapAllocationFailed(*static_cast<heap::Heap*>(handle), flags, bytes);
    }
    void* const block = heap::AllocateIfPrivateFast<kZero>(handle, bytes);
    return STRATA_LIKELY(block != nullptr) ? block : AllocateSlow(handle, flags, bytes);
}

STRATA_NOINLINE void* AllocateSpecial(HANDLE handle, DWORD flags, SIZE_T bytes) noexcept(false) {
    const bool rare = (flags & (api::kHeapUserBits | HEAP_NO_SERIALIZE)) != 0;
    return rare ? AllocateSlow(handle, flags, bytes) : AllocateQuickly<true>(handle, flags, bytes);
}

constexpr DWORD kErrorNotOwner = 288;

BOOL Answer(api::InformationError error) noexcept {
    switch (error) {
        case api::InformationError::kNone:
            return TRUE;
        case api::InformationError::kInvalidParameter:
            return Fail(ERROR_INVALID_PARAMETER);
        case api::InformationError::kBufferTooSmall:
            return Fail(ERROR_INSUFFICIENT_BUFFER);
        case api::InformationError::kFailed:
            return Fail(ERROR_GEN_FAILURE);
        case api::InformationError::kNoAccess:
            return Fail(ERROR_NOACCESS);
    }
    return FALSE;
}

// The heap's record: the region of a heap that has nothing else, as Windows' heaps are never
// without one.
constexpr size_t kRecordCommitted = strata::kPageSize;
constexpr size_t kRecordReserved = strata::kSliceSize;

// The step of a walk that does not lead to a block. False at the end.
bool WalkRecord(heap::Heap& target, PROCESS_HEAP_ENTRY& entry) noexcept {
    char* const record = reinterpret_cast<char*>(&target);
    api::WalkEntry step;
    if (entry.lpData == nullptr) {
        step.kind = api::WalkEntry::Kind::kRegion;
        step.address = record;
        step.bytes = kRecordReserved;
        step.committed_bytes = kRecordCommitted;
        step.uncommitted_bytes = kRecordReserved - kRecordCommitted;
        step.first_block = step.last_block = record + kRecordCommitted;
    } else if (entry.lpData == record) {
        step.kind = api::WalkEntry::Kind::kUncommitted;
        step.address = record + kRecordCommitted;
        step.bytes = kRecordReserved - kRecordCommitted;
    } else {
        return false;
    }
    Translate(step, entry);
    return true;
}

}  // namespace

extern "C" {

HANDLE STRATA_WINAPI StrataHeapCreate(DWORD options, SIZE_T initial_size, SIZE_T maximum_size) {
    return api::HeapCreate(options, initial_size, maximum_size);
}

HANDLE STRATA_WINAPI StrataHeapCreateInRegion(DWORD options, LPVOID base, SIZE_T bytes) {
    return api::HeapCreateInRegion(options, base, bytes);
}

BOOL STRATA_WINAPI StrataHeapDestroy(HANDLE handle) {
    heap::Heap* target = FromHandle(handle);
    if (target == nullptr) return FALSE;
    if (target->is_process_heap) return Fail(ERROR_INVALID_PARAMETER);
    heap::DestroyHeap(target);
    return TRUE;
}

LPVOID STRATA_WINAPI StrataHeapAlloc(HANDLE handle, DWORD flags, SIZE_T bytes) {
    constexpr DWORD kSpecial = HEAP_ZERO_MEMORY | HEAP_NO_SERIALIZE | api::kHeapUserBits;
    if (STRATA_UNLIKELY((flags & kSpecial) != 0)) return AllocateSpecial(handle, flags, bytes);
    return AllocateQuickly<false>(handle, flags, bytes);
}

LPVOID STRATA_WINAPI StrataHeapReAlloc(HANDLE handle, DWORD flags, LPVOID block, SIZE_T bytes) {
    heap::Heap* target = heap::FromHandle(handle);
    if (STRATA_UNLIKELY(target == nullptr)) return FailHandle(handle, flags);
    if (block == nullptr) {
        os::SetLastErrorCode(NO_ERROR);
        return nullptr;
    }
    return api::HeapReallocate(*target, flags, block, bytes);
}

BOOL STRATA_WINAPI StrataHeapFree(HANDLE handle, DWORD flags, LPVOID block) {
    const bool done = heap::IsProcessHandle(handle) ? heap::FreeIfFast(block)
                                                    : heap::FreeIfPrivateFast(handle, block);
    if (STRATA_LIKELY(done)) return TRUE;
    heap::Heap* target = FromHandle(handle);
    if (target == nullptr) return FALSE;
    if (block != nullptr) api::HeapReleaseAt(heap::Place::Of(block), *target, flags, block);
    return TRUE;
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
    if (target == nullptr) return FALSE;
    return api::HeapUnlock(*target) ? TRUE : Fail(kErrorNotOwner);
}

BOOL STRATA_WINAPI StrataHeapWalk(HANDLE handle, LPPROCESS_HEAP_ENTRY entry) {
    heap::Heap* target = FromHandle(handle);
    if (target == nullptr) return FALSE;
    if (entry == nullptr) return Fail(ERROR_INVALID_PARAMETER);
    const uintptr_t offset = strata::AddressOf(entry->lpData) - strata::AddressOf(target);
    const bool in_record = offset < kRecordReserved;
    api::WalkEntry step = Translate(*entry);
    if (!in_record && api::HeapWalkStep(*target, step)) {
        Translate(step, *entry);
        return TRUE;
    }
    const bool empty = entry->lpData == nullptr || in_record;
    return empty && WalkRecord(*target, *entry) ? TRUE : Fail(ERROR_NO_MORE_ITEMS);
}

BOOL STRATA_WINAPI StrataHeapSummary(HANDLE handle, DWORD, STRATA_HEAP_SUMMARY_TYPE* summary) {
    heap::Heap* target = FromHandle(handle);
    if (target == nullptr) return FALSE;
    if (summary == nullptr || summary->cb != sizeof *summary) {
        return Fail(ERROR_INVALID_PARAMETER);
    }
    summary->cbAllocated = 0;
    summary->cbCommitted = kRecordCommitted;
    summary->cbReserved = kRecordReserved;
    api::WalkEntry step;
    while (api::HeapWalkStep(*target, step)) {
        if (step.kind == api::WalkEntry::Kind::kBusy) {
            summary->cbAllocated += step.bytes;
            if (step.region_index != heap::kLargeBlockIndex) continue;  // counted with its region
            summary->cbCommitted += strata::RoundUp(step.bytes, strata::kPageSize);
            summary->cbReserved += strata::RoundUp(step.bytes, strata::kSliceSize);
        } else if (step.kind == api::WalkEntry::Kind::kRegion) {
            summary->cbCommitted += step.committed_bytes;
            summary->cbReserved += step.bytes;
        }
    }
    summary->cbMaxReserve = summary->cbReserved;
    return TRUE;
}

BOOL STRATA_WINAPI StrataHeapSetUserValue(HANDLE handle, DWORD flags, LPVOID block, LPVOID value) {
    heap::Heap* target = FromHandle(handle);
    if (target == nullptr) return FALSE;
    return api::HeapSetUserValue(*target, flags, block, value) ? TRUE
                                                               : Fail(ERROR_INVALID_PARAMETER);
}

BOOL STRATA_WINAPI StrataHeapGetUserInfo(HANDLE handle, DWORD flags, LPCVOID block, LPVOID* value,
                                         DWORD* user_flags) {
    heap::Heap* target = FromHandle(handle);
    if (target == nullptr) return FALSE;
    uint32_t found = 0;
    if (!api::HeapGetUserInfo(*target, flags, block, value, &found)) {
        return Fail(ERROR_INVALID_PARAMETER);
    }
    if (user_flags != nullptr) *user_flags = found;
    return TRUE;
}

BOOL STRATA_WINAPI StrataHeapSetUserFlags(HANDLE handle, DWORD flags, LPVOID block, DWORD reset,
                                          DWORD set) {
    heap::Heap* target = FromHandle(handle);
    if (target == nullptr) return FALSE;
    return api::HeapSetUserFlags(*target, flags, block, reset, set) ? TRUE
                                                                    : Fail(ERROR_INVALID_PARAMETER);
}

BOOL STRATA_WINAPI StrataHeapSetInformation(HANDLE handle, HEAP_INFORMATION_CLASS information_class,
                                            PVOID information, SIZE_T length) {
    heap::Heap* target = nullptr;  // of all heaps
    if (handle != nullptr || information_class == HeapCompatibilityInformation) {
        target = FromHandle(handle);
        if (target == nullptr) return FALSE;
    }
    return Answer(api::SetHeapInformation(target, static_cast<uint32_t>(information_class),
                                          information, length));
}

BOOL STRATA_WINAPI StrataHeapQueryInformation(HANDLE handle,
                                              HEAP_INFORMATION_CLASS information_class,
                                              PVOID information, SIZE_T length,
                                              PSIZE_T return_length) {
    heap::Heap* target = nullptr;
    if (handle != nullptr) {
        target = FromHandle(handle);
        if (target == nullptr) return FALSE;
    }
    return Answer(api::QueryHeapInformation(target, static_cast<uint32_t>(information_class),
                                            information, length, return_length));
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
