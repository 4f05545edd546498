// All heaps of the process, alive or not.
#pragma once

#include "store/heap_records.h"

namespace strata::store {

extern constinit Heap* g_first_heap STRATA_GUARDED_BY(g_registry_lock);  // by creation

// The process heap once it exists; alive as long as the process.
extern constinit std::atomic<Heap*> g_process_heap;
// Heaps that cannot grow, alive or about to be.
extern constinit std::atomic<size_t> g_region_heaps;

// A pinned heap does not end: DestroyHeap waits. For those who visit heaps that are not in their
// use.

// Unpins `previous` and pins the living heap created next after it; the first for nullptr. nullptr
// behind the last.
Heap* PinNext(Heap* previous) noexcept;
// Pins the oldest living heap that was created after the one with this serial; nullptr behind the
// last. `hint`: the record of that one, or nullptr; it may have ended. For visitors who leave a
// heap before they come to the next.
Heap* PinAfter(uint64_t serial, Heap* hint) noexcept;
// The serial of the heap that was created last.
uint64_t NewestSerial() noexcept;
// Pins the record's heap if it is alive and has this serial; false otherwise.
bool Pin(Heap& heap, uint64_t serial) noexcept;
// Pins the living heap that owns slices under this number; nullptr when there is none.
Heap* PinOwner(arena::Owner owner) noexcept;
// Pins the living heap in whose region `pointer` lies, any value whatever; nullptr when there is
// none.
Heap* PinRegionHeap(const void* pointer) noexcept;
void Unpin(Heap& heap) noexcept;
// For who holds the registry's lock: pins the living heap created next after `previous`, which
// stays pinned.
Heap* PinBehindLocked(Heap* previous) noexcept STRATA_REQUIRES(g_registry_lock);
void UnpinLocked(Heap& heap) noexcept STRATA_REQUIRES(g_registry_lock);

// Calls `visitor` for every heap, oldest first; the one that it is called for cannot end meanwhile.
using HeapVisitor = void (*)(void* context, Heap& heap);
void ForEachHeap(HeapVisitor visitor, void* context) noexcept;

// The number of heaps; fills `heaps` up to `capacity`, in creation order.
size_t ListHeaps(Heap** heaps, size_t capacity) noexcept;

// ---- lives ----

// First its serial, in the order of which heaps are listed, then its place in the list: from there
// on everybody may find it. The lock is held for both.
void GiveSerialLocked(Heap& heap) noexcept STRATA_REQUIRES(g_registry_lock);
void BeginLifeLocked(Heap& heap) noexcept STRATA_REQUIRES(g_registry_lock);
// From here on nobody pins the heap, nor takes his cached bins of it for valid; waits for those who
// have it pinned.
void EndLife(Heap& heap) noexcept;

}  // namespace strata::store
