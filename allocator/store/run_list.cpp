#include "store/run_list.h"

namespace strata::store {

using slab::LargeRun;

size_t PurgeRunTails(Store& store, bool everything) noexcept {
    const PartGuard guard(store, store.runs_lock);
    LargeRun* run = everything || store.next_look == nullptr ? store.runs : store.next_look;
    size_t looks = 0;
    for (; run != nullptr && (everything || looks < kRunLooks); ++looks) {
        slab::PurgeRunTail(*run, everything);
        run = run->next;
    }
    store.next_look = run;
    return looks;
}

bool MarkPurgedRunFree(LargeRun& run) noexcept {
    if (!run.IsLive()) return false;
    // Nobody purges without this lock.
    const PartGuard guard(*run.store, run.store->runs_lock);
    return slab::MarkFree(run);
}

// Nobody else has the heap.
void DestroyRuns(Store& store) noexcept STRATA_NO_THREAD_SAFETY_ANALYSIS {
    while (LargeRun* const run = store.runs) {
        store.runs = run->next;
        arena::g_arenas.SetOwner(run->base, 1, slab::kRunOwner);
        if (slab::MarkFree(*run)) slab::FreeRun(run);
    }
    store.next_look = nullptr;
}

}  // namespace strata::store
