#include "heap/purge.h"

#include "arena/process_arenas.h"
#include "cache/flush.h"
#include "cache/idle_bins.h"
#include "heap/dormant.h"
#include "os/process.h"
#include "slab/run_cache.h"
#include "store/exchange.h"
#include "store/heap_lock.h"
#include "store/quarantine.h"
#include "store/registry.h"
#include "store/run_list.h"

namespace strata::heap {

namespace {

bool HoldsWholeHeap(const Heap& heap) noexcept {
    return heap.lock_owner.load(std::memory_order_relaxed) == os::ThreadToken();
}

// What each heap has for itself, every kDepotEpochs.
void PurgeHeap(Heap& heap, uint64_t epoch) noexcept {
    uint64_t drained = heap.drained_epoch.load(std::memory_order_relaxed);
    if (epoch - drained < kDepotEpochs ||
        !heap.drained_epoch.compare_exchange_strong(drained, epoch, std::memory_order_relaxed)) {
        return;
    }
    for (Store& store : heap.stores()) {
        store::DrainDepots(store, true);
        store::PurgeSlabPages(store);
        store::PurgeRunTails(store, false);
    }
    if (!heap.is_process_heap) return;
    // A thread that holds the whole heap does not meddle with others' caches: they may wait for it.
    if (!HoldsWholeHeap(heap)) {
        cache::FlushSleepers(heap, static_cast<uint32_t>(epoch - kSleepEpochs));
    }
    arena::g_metadata.PurgePages();
}

}  // namespace

bool PurgeTick(Heap& heap) noexcept {
    const uint64_t now = os::Milliseconds();
    const uint64_t epoch = now / kEpochMilliseconds;
    // Bins and parked runs are the process heap's: for another heap's sake its lock is not taken,
    // as the caller may hold that other heap.
    const bool passed = heap.is_process_heap && cache::LookAtBins(heap, now);
    // Decay counts in epochs: once in each is enough.
    if (STRATA_LIKELY(heap.ticked_epoch.load(std::memory_order_relaxed) == epoch)) return passed;
    heap.ticked_epoch.store(epoch, std::memory_order_relaxed);
    for (Store& store : heap.stores()) store.ForgetUses();
    PurgeHeap(heap, epoch);
    PurgeProcess(now);
    return passed;
}

void PurgeProcess(uint64_t now) noexcept {
    static constinit std::atomic<uint64_t> last_epoch{0};
    const uint64_t epoch = now / kEpochMilliseconds;
    if (STRATA_LIKELY(last_epoch.load(std::memory_order_relaxed) == epoch)) return;
    last_epoch.store(epoch, std::memory_order_relaxed);
    ReleaseDormant(now, false);
    slab::PurgeRuns(now, false);
    arena::PurgeTick();
}

size_t Purge(Heap& heap, bool runs) noexcept {
    os::RequireStack(os::kStackForCall);
    if (heap.region != nullptr) {
        const store::RegionGuard guard(heap);
        slab::PurgeRegion(*heap.region);
        return 0;
    }
    cache::FlushOwn(heap);
    size_t looks = 0;
    for (Store& store : heap.stores()) {
        store::DrainDepots(store, false);
        if (store.quarantine != nullptr) store::DrainQuarantine(store);
        if (runs) looks += store::PurgeRunTails(store, true);
    }
    return looks;
}

void PurgeBelowHeaps() noexcept {
    slab::PurgeRuns(os::Milliseconds(), true);
    slab::FindLostSlabs();
    arena::PurgeEverything();
}

void PurgeAll() noexcept {
    os::RequireStack(os::kStackForCall);
    if (store::g_process_heap.load(std::memory_order_acquire) == nullptr) return;
    store::ForEachHeap([](void*, Heap& heap) { Purge(heap); }, nullptr);
    ReleaseDormant(os::Milliseconds(), true);
    PurgeBelowHeaps();
}

}  // namespace strata::heap
