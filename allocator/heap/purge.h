// The purge of heaps: what happens once in an epoch, from whatever slow path a thread comes to
// first (the tick), and what happens on request. Memory that has decayed goes back to the system,
// depots' surplus to the slabs, and what lies idle in the thread's bins to the heap.
#pragma once

#include "heap/block.h"

namespace strata::heap {

// Lets memory go that has decayed, in the calling thread's bins, in `heap`'s depots and everywhere
// below; without any lock held but possibly the whole heap's, and without a bin open. Cheap when
// nothing is due. True when it closed the thread's bins.
bool PurgeTick(Heap& heap) noexcept;

// The part of it that no heap has for itself. `now` in milliseconds.
void PurgeProcess(uint64_t now) noexcept;

// Flushes the calling thread's magazines for this heap and drains its depots, so that free slabs
// and runs go back to the arenas. Without `runs`, the pages behind the ends of large runs are left
// alone. Returns how many runs were looked at.
size_t Purge(Heap& heap, bool runs = true) noexcept;

// Releases and decommits what lies idle below all heaps.
void PurgeBelowHeaps() noexcept;

// Both, for all heaps.
void PurgeAll() noexcept;

}  // namespace strata::heap
