// Giving memory back on request.
#include "cache/veil.h"
#include "heap/bins.h"
#include "heap/fast_path.h"
#include "heap/heap.h"
#include "heap/parked_runs.h"
#include "heap/parts.h"
#include "heap/quarantine.h"
#include "heap/registry.h"
#include "heap/runs.h"
#include "heap/statistics.h"
#include "os/process.h"

namespace strata::heap {

namespace {

void HandInOwnBins(Heap& heap) noexcept {
    cache::ThreadCache* cache = cache::CurrentCache();
    if (cache == nullptr || cache == &cache::g_detached_cache) return;
    if (heap.is_process_heap) {
        cache::LiftAllVeils(*cache);
        HandInBins(heap, cache->bins);
        cache->room = 0;
        ReleaseParkedRuns(*cache, true);
        return;
    }
    const uint64_t serial = heap.serial.load(std::memory_order_relaxed);
    cache::HeapSlot& slot = cache->SlotOf(&heap);
    if (slot.serial == serial) HandInSlot(slot);
}

}  // namespace

size_t Trim(Heap& heap, bool runs) noexcept {
    os::RequireStack(os::kStackForCall);
    if (heap.region != nullptr) {
        const PartGuard guard(heap, heap.runs_lock);
        slab::TrimRegion(*heap.region);
        return 0;
    }
    HandInOwnBins(heap);
    DrainDepots(heap, false);
    if (heap.quarantine != nullptr) DrainQuarantine(heap);
    return runs ? TrimRuns(heap, true) : 0;
}

void PurgeAll() noexcept {
    os::RequireStack(os::kStackForCall);
    if (g_process_heap.load(std::memory_order_acquire) == nullptr) return;
    ForEachHeap([](void*, Heap& heap) { Trim(heap); }, nullptr);
    StripDormant(os::Milliseconds(), true);
    slab::PurgeRuns(os::Milliseconds(), true);
    arena::PurgeEverything();
}

}  // namespace strata::heap
