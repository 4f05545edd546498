// All heaps of the process, alive or not. Internal to this folder.
#pragma once

#include "heap/heap_record.h"
#include "os/lock.h"

namespace strata::heap {

// Guards the list of heaps and their lives. Held for a few instructions only, and never while a heap's
// own lock is taken: who holds a heap (HeapLock) may create and list others.
extern constinit os::Lock g_registry_lock;
extern constinit Heap* g_first_heap;  // by creation; guarded by g_registry_lock

// A pinned heap does not end: DestroyHeap waits. For those who visit heaps that are not in their use.

// Unpins `previous` and pins the living heap created next after it; the first for nullptr. nullptr
// behind the last.
Heap* PinNext(Heap* previous) noexcept;
// Pins the oldest living heap that was created after the one with this serial; nullptr behind the last. `hint`:
// the record of that one, or nullptr; it may have ended. For visitors who leave a heap before they come to the next.
Heap* PinAfter(uint64_t serial, Heap* hint) noexcept;
// The serial of the heap that was created last.
uint64_t NewestSerial() noexcept;
// Pins the record's heap if it is alive and has this serial; false otherwise.
bool Pin(Heap& heap, uint64_t serial) noexcept;
// Pins the living heap that owns slices under this number; nullptr when there is none.
Heap* PinOwner(arena::Owner owner) noexcept;
// Pins the living heap in whose region `pointer` lies, any value whatever; nullptr when there is none.
Heap* PinRegionHeap(const void* pointer) noexcept;
void Unpin(Heap& heap) noexcept;
// For who holds the registry's lock: pins the living heap created next after `previous`, which stays pinned.
Heap* PinBehindLocked(Heap* previous) noexcept;
void UnpinLocked(Heap& heap) noexcept;

// Gives back what heaps left behind that ended some time ago (dormant.h), or `everything` of it.
void StripDormant(uint64_t now, bool everything) noexcept;

}  // namespace strata::heap
