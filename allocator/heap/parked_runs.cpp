#include "heap/parked_runs.h"

#include "arena/purge_policy.h"
#include "heap/fast_path.h"
#include "heap/runs.h"
#include "os/process.h"

namespace strata::heap {

using cache::ThreadCache;
using slab::LargeRun;

LargeRun* TakeParkedRun(ThreadCache& cache, size_t bytes, bool zero) noexcept {
    if (bytes > kParkedSlices * kSliceSize) return nullptr;
    const size_t slices = DivideUp(bytes, kSliceSize);
    LargeRun* const run = cache.parked[slices];
    if (run == nullptr || run->committed < bytes) return nullptr;
    cache.parked[slices] = nullptr;
    cache.parked_bytes -= run->committed;
    slab::ReviveRun(*run, bytes, zero);
    return run;
}

bool ParkRun(Heap& heap, LargeRun& run) noexcept {
    if (!heap.is_process_heap || !heap.is_plain) return false;
    if (run.slices > kParkedSlices || run.direct) return false;
    ThreadCache* cache = cache::CurrentCache();
    if (STRATA_UNLIKELY(cache == nullptr)) cache = cache::CreateThreadCache();
    if (cache == nullptr || cache == &cache::g_detached_cache) return false;
    if (cache->parked[run.slices] != nullptr) return false;
    if (cache->parked_bytes + run.committed > kParkedBytes) return false;
    cache->parked[run.slices] = &run;
    cache->parked_bytes += run.committed;
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
        cache.parked_bytes -= run->committed;
        UnlinkRun(*static_cast<Heap*>(run->heap), *run);
        slab::FreeRun(run);
    }
}

}  // namespace strata::heap
