#include "heap/runs.h"
#include "heap/parts.h"

namespace strata::heap {

size_t TrimRuns(Heap& heap, bool everything) noexcept {
    const PartGuard guard(heap, heap.runs_lock);
    slab::LargeRun* run = everything || heap.next_look == nullptr ? heap.runs : heap.next_look;
    size_t looks = 0;
    for (; run != nullptr && (everything || looks < kRunLooks); ++looks) {
        slab::TrimRun(*run, everything);
        run = run->next;
    }
    heap.next_look = run;
    return looks;
}

bool MarkTrimmedRunFree(Heap& heap, slab::LargeRun& run) noexcept {
    if (!run.IsLive()) return false;
    // Nobody trims without this lock.
    const PartGuard guard(heap, heap.runs_lock);
    return slab::MarkFree(run);
}

}  // namespace strata::heap
