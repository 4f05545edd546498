#include "heap/parked_runs.h"

#include "arena/purge_policy.h"
#include "heap/fast_path.h"
#include "heap/runs.h"
#include "os/process.h"

namespace strata::heap {

using cache::ThreadCache;
using slab::LargeRun;

bool ParkRun(Heap& heap, LargeRun& run) noexcept {
    if (!heap.is_process_heap || !heap.is_plain) return false;
    if (run.slices > kParkedSlices || run.direct) return false;
    ThreadCache* cache = cache::CurrentCache();
    if (STRATA_UNLIKELY(cache == nullptr)) cache = cache::CreateThreadCache();
    if (cache == nullptr || cache == &cache::g_detached_cache) return false;
    if (cache->parked[run.slices] != nullptr) return false;
    if (run.Committed() > kParkedBytes) return false;
    // What was parked longer ago is less likely to be asked for than this one.
    if (cache->parked_bytes + run.Committed() > kParkedBytes) ReleaseParkedRuns(*cache, true);
    cache->parks_left = kParksPerTick;
    cache->parked[run.slices] = &run;
    cache->parked_bytes += run.Committed();
    run.freed_epoch = heap.ticked_epoch.load(std::memory_order_relaxed);
    return true;
}

void ReleaseParkedRuns(ThreadCache& cache, bool everything) noexcept {
    const uint64_t epoch = os::Milliseconds() / kEpochMilliseconds;
    for (LargeRun*& place : cache.parked) {
        LargeRun* const run = place;
        if (run == nullptr) continue;
        const bool due = epoch - run->freed_epoch >= arena::g_purge_policy.decay_epochs;
        if (!everything && !due) continue;
        place = nullptr;
        cache.parked_bytes -= run->Committed();
        UnlinkRun(*static_cast<Heap*>(run->heap), *run);
        slab::FreeRun(run);
    }
}

}  // namespace strata::heap
