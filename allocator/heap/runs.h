// Ordinary blocks: where they come from, and a heap's list of large runs. Internal to this folder.
#pragma once

#include "arena/process_arenas.h"
#include "heap/heap.h"
#include "heap/parts.h"

namespace strata::heap {

// A live block of a slab of a plain heap, through the thread's magazines.
void* AllocateFromSlab(Heap& heap, SizeClass size_class, size_t bytes, bool zero) noexcept;
// A live block in a run of its own, linked; nullptr, with the error, when memory is short.
void* AllocateLarge(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept;

inline void LinkRun(Heap& heap, slab::LargeRun& run) noexcept {
    const PartGuard guard(heap, heap.runs_lock);
    run.previous = nullptr;
    run.next = heap.runs;
    if (run.next != nullptr) run.next->previous = &run;
    heap.runs = &run;
    arena::g_arenas.SetOwner(run.base, 1, heap.owner);
}

inline void UnlinkRun(Heap& heap, slab::LargeRun& run) noexcept {
    const PartGuard guard(heap, heap.runs_lock);
    (run.previous != nullptr ? run.previous->next : heap.runs) = run.next;
    if (run.next != nullptr) run.next->previous = run.previous;
    if (heap.next_look == &run) heap.next_look = run.next;
    arena::g_arenas.SetOwner(run.base, 1, slab::kRunOwner);
}

// Gives back what live runs have behind their last page in use: all of them, or those of the next kRunLooks that
// are as they were at the last look. Returns how many it looked at.
size_t TrimRuns(Heap& heap, bool everything) noexcept;

// The same for a run that TrimRuns of another thread may be at, and is live to all others.
STRATA_COLD bool MarkTrimmedRunFree(Heap& heap, slab::LargeRun& run) noexcept;

// Marks a live run free; false when it is free already. Exactly one caller gets true.
inline bool MarkRunFree(Heap& heap, slab::LargeRun& run) noexcept {
    return STRATA_LIKELY(slab::MarkFree(run)) || MarkTrimmedRunFree(heap, run);
}

}  // namespace strata::heap
