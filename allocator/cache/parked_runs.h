// Parked runs: freed large runs of the process heap that a thread keeps for itself, for its next
// request of the same length. They stay in the store's list of runs, marked free. A pair of malloc
// and free of 256 KiB so takes no lock.
#pragma once

#include "cache/thread_cache.h"
#include "slab/slice_records.h"
#include "store/registry.h"

namespace strata::cache {

// A live run of `bytes`, or nullptr when none is parked that has the room, committed.
// REQUIRES: kMaxSlabBlock < bytes.
STRATA_INLINE slab::LargeRun* TakeParkedRun(ThreadCache& cache, size_t bytes, bool zero) noexcept {
    if (bytes > kParkedSlices * kSliceSize) return nullptr;
    slab::LargeRun*& place = cache.parked.by_slices[DivideUp(bytes, kSliceSize)];
    slab::LargeRun* const run = place;
    if (run == nullptr || STRATA_UNLIKELY(run->Committed() < bytes)) return nullptr;
    place = nullptr;
    cache.parked.bytes -= run->Committed();
    slab::ReviveRun(*run, bytes, zero);
    return run;
}

// Frees the run that starts at `block` by parking it, if it is a live one and there is a place for
// it. False, and nothing is done, in every other case; and now and then, so that Free gets to look
// at the clock. REQUIRES: `run` is the record of the slice that `block` lies in, of kind kRun.
STRATA_INLINE bool ParkIfFast(slab::LargeRun& run, const void* block) noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    const size_t slices = run.slices;
    if (run.base != block || slices > kParkedSlices) return false;
    ThreadCache* const cache = TryCurrentCache();
    if (cache == nullptr || cache->budgets.parks_left == 0) return false;
    slab::LargeRun*& place = cache->parked.by_slices[slices];
    if (place != nullptr || cache->parked.bytes + run.Committed() > kParkedBytes) return false;
    const Heap* const heap = store::g_process_heap.load(relaxed);
    if (run.heap != heap || !heap->is_unchecked || !slab::MarkFree(run)) return false;
    --cache->budgets.parks_left;
    place = &run;
    cache->parked.bytes += run.Committed();
    run.freed_epoch = heap->ticked_epoch.load(relaxed);
    return true;
}

// Parks a run that MarkFree has just made free, if need be in the place of others. False when it is
// none to be parked, or one of its length is already. REQUIRES: its heap's tick was just called.
bool ParkRun(slab::LargeRun& run) noexcept;

// Releases all runs that this cache has parked, or those that have decayed.
void ReleaseParkedRuns(ThreadCache& cache, bool everything) noexcept;

}  // namespace strata::cache
