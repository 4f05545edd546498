// Parked runs: freed large runs of the process heap that a thread keeps for itself, for its next request
// of the same length. They stay in the heap's list of runs, marked free; whoever visits the list passes
// over them. A pair of malloc and free of 256 KiB so takes no lock. Internal to this folder.
#pragma once

#include "cache/thread_cache.h"
#include "heap/heap_record.h"

namespace strata::heap {

// A live run of `bytes`, or nullptr when none is parked that has the room, committed.
// REQUIRES: kMaxSlabBlock < bytes.
slab::LargeRun* TakeParkedRun(cache::ThreadCache& cache, size_t bytes, bool zero) noexcept;

// Parks a run that MarkFree has just made free. False when there is no place for it.
// REQUIRES: PurgeTick(heap) was just called.
bool ParkRun(Heap& heap, slab::LargeRun& run) noexcept;

// Gives all runs that this cache has parked back, or those that have decayed.
void ReleaseParkedRuns(cache::ThreadCache& cache, bool everything) noexcept;

}  // namespace strata::heap
