// A store's list of large runs: which are the heap's, for walks, statistics and the heap's end.
// Parked runs (cache/parked_runs.h) stay in it, marked free; whoever goes through it passes over
// them.
#pragma once

#include "arena/process_arenas.h"
#include "store/heap_lock.h"

namespace strata::store {

inline void LinkRun(Store& store, slab::LargeRun& run) noexcept {
    const PartGuard guard(store, store.runs_lock);
    run.previous = nullptr;
    run.next = store.runs;
    if (run.next != nullptr) run.next->previous = &run;
    store.runs = &run;
    arena::g_arenas.SetOwner(run.base, 1, store.heap->owner);
}

inline void UnlinkRun(slab::LargeRun& run) noexcept {
    Store& store = *run.store;
    const PartGuard guard(store, store.runs_lock);
    (run.previous != nullptr ? run.previous->next : store.runs) = run.next;
    if (run.next != nullptr) run.next->previous = run.previous;
    if (store.next_look == &run) store.next_look = run.next;
    arena::g_arenas.SetOwner(run.base, 1, slab::kRunOwner);
}

// Decommits what live runs have behind their last page in use: all of them, or those of the next
// kRunLooks that are as they were at the last look. Returns how many it looked at.
size_t PurgeRunTails(Store& store, bool everything) noexcept;

// The same as slab::MarkFree for a run that PurgeRunTails of another thread may be at: it is live
// to all others.
STRATA_COLD bool MarkPurgedRunFree(slab::LargeRun& run) noexcept;

// Marks a live run free; false when it is free already. Exactly one caller gets true.
inline bool MarkRunFree(slab::LargeRun& run) noexcept {
    return STRATA_LIKELY(slab::MarkFree(run)) || MarkPurgedRunFree(run);
}

// Ends all runs of a heap that ends.
void DestroyRuns(Store& store) noexcept;

}  // namespace strata::store
