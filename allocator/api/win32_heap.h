// The Win32 heap semantics over heap::Heap: one implementation, behind both the StrataHeap*
// functions and the redirected entry points of ntdll. Flags are the HEAP_* values of winnt.h,
// errors those of winerror.h, as plain integers, so that this header needs no <windows.h>.
//
// Thread safety: all functions may be called from any thread. Preconditions: `heap` is alive.
// kHeapNoSerialize in the flags of a call: it does not wait for another thread's HeapLock.
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
inline constexpr uint32_t kHeapTailChecking = 0x20;
inline constexpr uint32_t kHeapFreeChecking = 0x40;
// Of HeapCreate; the same bit is a settable flag of a block (winnt.h: HEAP_CREATE_HARDENED).
inline constexpr uint32_t kHeapCreateHardened = 0x200;
// A user record beside the block; its settable flags.
inline constexpr uint32_t kHeapUserValue = 0x100;
inline constexpr uint32_t kHeapUserFlags = 0xE00;
inline constexpr uint32_t kHeapUserBits = kHeapUserValue | kHeapUserFlags;
inline constexpr uint32_t kHeapCreateAlign16 = 0x10000;
inline constexpr uint32_t kHeapCreateEnableExecute = 0x40000;

// HeapCreate: a heap, or nullptr and an error. A `maximum` other than 0 makes it one of fixed size.
heap::Heap* HeapCreate(uint32_t options, size_t initial, size_t maximum) noexcept;

// The same in memory of the caller, reserved at least, of which nothing outside [memory, memory +
// bytes) is touched. It stays the caller's when the heap is destroyed.
heap::Heap* HeapCreateInRegion(uint32_t options, void* memory, size_t bytes) noexcept;

// HeapAlloc. nullptr and ERROR_NOT_ENOUGH_MEMORY on failure, or STATUS_NO_MEMORY raised when
// kHeapGenerateExceptions stands in `flags` or in the heap's own options.
void* HeapAllocate(heap::Heap& heap, uint32_t flags, size_t bytes) noexcept(false);

// What HeapAlloc does when there is no memory for `bytes`.
void* HeapAllocationFailed(const heap::Heap& heap, uint32_t flags, size_t bytes) noexcept(false);

// HeapReAlloc. `block` not null. On failure the block is untouched.
void* HeapReallocate(heap::Heap& heap, uint32_t flags, void* block, size_t bytes) noexcept(false);

// HeapFree; true for nullptr. Anything but a live block of `heap` is fatal.
bool HeapRelease(heap::Heap& heap, uint32_t flags, void* block) noexcept;
// The part of it that comes behind the fast path. `place`: where `block`, not null, points to.
void HeapReleaseAt(heap::Place place, heap::Heap& heap, uint32_t flags, void* block) noexcept;

// HeapSize: the requested size, or SIZE_MAX when `block` is not a live block of `heap`.
size_t HeapBlockSize(heap::Heap& heap, uint32_t flags, const void* block) noexcept;

// RtlSetUserValueHeap, RtlGetUserInfoHeap, RtlSetUserFlagsHeap: false when `block` is not a live
// block of `heap`, when it has no place for the value, and for flags that are not kHeapUserFlags.
// Either pointer of the second may be null; the value of a block that has none stays as the caller
// had it.
bool HeapSetUserValue(heap::Heap& heap, uint32_t flags, void* block, void* value) noexcept;
bool HeapGetUserInfo(heap::Heap& heap, uint32_t flags, const void* block, void** value,
                     uint32_t* user_flags) noexcept;
bool HeapSetUserFlags(heap::Heap& heap, uint32_t flags, void* block, uint32_t reset,
                      uint32_t set) noexcept;

// HeapValidate of one block (any value whatever), or of the whole heap for nullptr.
bool HeapIsValid(heap::Heap& heap, uint32_t flags, const void* block) noexcept;

// HeapCompact: purges; the size of the largest free block in bytes.
size_t HeapCompact(heap::Heap& heap, uint32_t flags) noexcept;

// HeapLock and HeapUnlock: recursive; Unlock returns false when the caller does not hold the lock.
// A heap with kHeapNoSerialize is not locked, and both succeed.
bool HeapLock(heap::Heap& heap) noexcept;
bool HeapUnlock(heap::Heap& heap) noexcept;

// One step of HeapWalk, in neutral form; HeapWalk and RtlWalkHeap translate it to their structures.
using WalkEntry = heap::WalkEntry;
// Advances `entry` (address and kind are the cursor). False at the end.
bool HeapWalkStep(heap::Heap& heap, WalkEntry& entry) noexcept;

}  // namespace strata::api
