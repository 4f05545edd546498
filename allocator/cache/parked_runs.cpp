#include "cache/parked_runs.h"

#include "arena/purge_policy.h"
#include "os/process.h"
#include "store/run_list.h"

namespace strata::cache {

using slab::LargeRun;

bool ParkRun(LargeRun& run) noexcept {
    const Heap& heap = *run.heap;
    if (!heap.is_process_heap || !heap.is_unchecked) return false;
    if (run.slices > kParkedSlices || run.direct) return false;
    ThreadCache* const cache = OwnOrNewCache();
    if (cache == nullptr) return false;
    ParkedRuns& parked = cache->parked;
    if (parked.by_slices[run.slices] != nullptr || run.Committed() > kParkedBytes) return false;
    // What was parked longer ago is less likely to be asked for than this one.
    if (parked.bytes + run.Committed() > kParkedBytes) ReleaseParkedRuns(*cache, true);
    cache->budgets.parks_left = kParksPerTick;
    parked.by_slices[run.slices] = &run;
    parked.bytes += run.Committed();
    run.freed_epoch = heap.ticked_epoch.load(std::memory_order_relaxed);
    return true;
}

void ReleaseParkedRuns(ThreadCache& cache, bool everything) noexcept {
    const uint64_t epoch = os::Milliseconds() / kEpochMilliseconds;
    for (LargeRun*& place : cache.parked.by_slices) {
        LargeRun* const run = place;
        if (run == nullptr) continue;
        const bool due = epoch - run->freed_epoch >= arena::g_purge_policy.decay_epochs;
        if (!everything && !due) continue;
        place = nullptr;
        cache.parked.bytes -= run->Committed();
        store::UnlinkRun(*run);
        slab::FreeRun(run);
    }
}

}  // namespace strata::cache
