// The Win32 heap semantics over heap::Heap: one implementation, behind both the StrataHeap* functions
// and the redirected entry points of ntdll. Flags are the HEAP_* values of winnt.h, errors those of
// winerror.h, as plain integers, so that this header needs no <windows.h>.
//
// Thread safety: all functions may be called from any thread. Preconditions: `heap` is alive.
// "Ours" means: `arena::SliceMap` owns the address. Give Release, Reallocate and BlockSize only
// pointers that are ours or garbage: a foreign pointer is fatal, except where said.
#pragma once

#include <cstddef>
#include <cstdint>

#include "heap/heap.h"
#include "heap/walk.h"

namespace strata::api {

inline constexpr uint32_t kHeapNoSerialize = 0x1;
inline constexpr uint32_t kHeapGrowable = 0x2;
inline constexpr uint32_t kHeapGenerateExceptions = 0x4;
inline constexpr uint32_t kHeapZeroMemory = 0x8;
inline constexpr uint32_t kHeapReallocInPlaceOnly = 0x10;
inline constexpr uint32_t kHeapCreateAlign16 = 0x10000;
inline constexpr uint32_t kHeapCreateEnableExecute = 0x40000;

// HeapAlloc. nullptr and ERROR_NOT_ENOUGH_MEMORY on failure, or STATUS_NO_MEMORY raised when
// kHeapGenerateExceptions stands in `flags` or in the heap's own options.
void* HeapAllocate(heap::Heap& heap, uint32_t flags, size_t bytes) noexcept(false);

// HeapReAlloc. `block` not null. On failure the block is untouched.
void* HeapReallocate(heap::Heap& heap, uint32_t flags, void* block, size_t bytes) noexcept(false);

// HeapFree; true for nullptr. Anything but a live block of `heap` is fatal.
bool HeapRelease(heap::Heap& heap, uint32_t flags, void* block) noexcept;

// HeapSize: the requested size, or SIZE_MAX when `block` is not a live block of `heap`.
size_t HeapBlockSize(heap::Heap& heap, uint32_t flags, const void* block) noexcept;

// HeapValidate of one block (any value whatever), or of the whole heap for nullptr.
bool HeapIsValid(heap::Heap& heap, uint32_t flags, const void* block) noexcept;

// HeapCompact: purges; the size of the largest free block in bytes.
size_t HeapCompact(heap::Heap& heap, uint32_t flags) noexcept;

// HeapLock and HeapUnlock: recursive; Unlock returns false when the caller does not hold the lock.
bool HeapLock(heap::Heap& heap) noexcept;
bool HeapUnlock(heap::Heap& heap) noexcept;

// One step of HeapWalk, in neutral form; HeapWalk and RtlWalkHeap translate it to their structures.
using WalkEntry = heap::WalkEntry;
// Advances `entry` (address and kind are the cursor). False at the end.
bool HeapWalkStep(heap::Heap& heap, WalkEntry& entry) noexcept;

}  // namespace strata::api
