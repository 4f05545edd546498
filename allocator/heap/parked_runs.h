// Parked runs: freed large runs of the process heap that a thread keeps for itself, for its next request
// of the same length. They stay in the heap's list of runs, marked free; whoever visits the list passes
// over them. A pair of malloc and free of 256 KiB so takes no lock. Internal to this folder.
#pragma once

#include "arena/process_arenas.h"
#include "cache/thread_cache.h"
#include "heap/fast_path.h"
#include "heap/heap_record.h"

namespace strata::heap {

// A live run of `bytes`, or nullptr when none is parked that has the room, committed.
// REQUIRES: kMaxSlabBlock < bytes.
STRATA_INLINE slab::LargeRun* TakeParkedRun(cache::ThreadCache& cache, size_t bytes,
                                            bool zero) noexcept {
    if (bytes > kParkedSlices * kSliceSize) return nullptr;
    slab::LargeRun*& place = cache.parked[DivideUp(bytes, kSliceSize)];
    slab::LargeRun* const run = place;
    if (run == nullptr || STRATA_UNLIKELY(run->Committed() < bytes)) return nullptr;
    place = nullptr;
    cache.parked_bytes -= run->Committed();
    slab::ReviveRun(*run, bytes, zero);
    return run;
}

// Frees the run that starts at `block` by parking it, if it is a live one and there is a place for it.
// False, and nothing is done, in every other case; and now and then, so that Free gets to look at the clock.
STRATA_INLINE bool ParkIfFast(void* block) noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    const arena::SliceEntry* const entry = arena::g_slice_map.Find(AddressOf(block));
    if (entry == nullptr || entry->kind.load(relaxed) != arena::SliceKind::kRun) return false;
    auto* const run = static_cast<slab::LargeRun*>(entry->record.load(relaxed));
    const size_t slices = run->slices;
    if (run->base != block || slices > kParkedSlices) return false;
    cache::ThreadCache* const cache = cache::TryCurrentCache();
    if (cache == nullptr || cache->parked[slices] != nullptr || cache->parks_left == 0)
        return false;
    if (cache->parked_bytes + run->Committed() > kParkedBytes) return false;
    const Heap* const heap = g_process_heap.load(relaxed);
    if (run->heap != heap || !heap->is_plain || !slab::MarkFree(*run)) return false;
    --cache->parks_left;
    cache->parked[slices] = run;
    cache->parked_bytes += run->Committed();
    run->freed_epoch = heap->ticked_epoch.load(relaxed);
    return true;
}

// Parks a run that MarkFree has just made free, if need be in the place of others. False when it is none
// to be parked, or one of its length is already.
// REQUIRES: PurgeTick(heap) was just called.
bool ParkRun(Heap& heap, slab::LargeRun& run) noexcept;

// Gives all runs that this cache has parked back, or those that have decayed.
void ReleaseParkedRuns(cache::ThreadCache& cache, bool everything) noexcept;

}  // namespace strata::heap
