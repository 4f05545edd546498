// Flushing: what lies in a thread's bins goes back to the heap, into depots and slabs.
#pragma once

#include "cache/thread_cache.h"

namespace strata::cache {

// Flushes a bin into the slabs, rather than the depot: nobody wants these blocks. It is as new
// afterwards.
void FlushBinToSlabs(Heap& heap, Bin& bin, SizeClass size_class) noexcept;

// Flushes all bins that the cache has for the process heap, and releases its parked runs.
void FlushAll(Heap& process_heap, ThreadCache& cache) noexcept;

// Flushes the bins of a slot, if its heap is still alive; the slot is empty afterwards.
// REQUIRES: the heap is pinned, or gone, or in the calling thread's use.
void FlushSlot(HeapSlot& slot) noexcept;

// Flushes what the calling thread has of this heap.
void FlushOwn(Heap& heap) noexcept;

// The calling thread ends: flushes all it has, of all heaps, and destroys its cache.
void FlushThread(ThreadCache& cache) noexcept;

}  // namespace strata::cache
