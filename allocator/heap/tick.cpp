#include "heap/tick.h"

#include "arena/process_arenas.h"
#include "heap/bins.h"
#include "heap/parked_runs.h"
#include "heap/parts.h"
#include "heap/registry.h"
#include "heap/runs.h"
#include "heap/sampling.h"
#include "os/process.h"

namespace strata::heap {

namespace {

using cache::ThreadCache;

bool HoldsWholeHeap(const Heap& heap) noexcept {
    return heap.lock_owner.load(std::memory_order_relaxed) == os::ThreadToken();
}

// Veils all bins of the calling thread, or empties them. REQUIRES: `heap` is the process heap.
void VeilBins(Heap& heap, ThreadCache& cache, uint64_t now) noexcept {
    const uint64_t epoch = now / kEpochMilliseconds;
    cache.NotePass(now);
    RenewSwaps(cache);
    ReleaseParkedRuns(cache, false);
    if (!cache::PrepareVeils(cache)) return;
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const auto size_class = static_cast<SizeClass>(i);
        const cache::BinUse use = cache::NoteUse(cache, size_class, epoch);
        if (i + 1 == cache.in_hand) {
            cache.passed_meanwhile = true;
        } else if (use == cache::BinUse::kIdle) {
            cache::LiftVeil(cache, size_class);
            EmptyBin(heap, cache.bins[i], size_class);
        } else if (use == cache::BinUse::kInUse) {
            cache::PutVeil(cache, size_class, cache::Sides::kBoth);
        }
    }
}

// What sleeping threads have in their bins. A thread that holds the whole heap does not meddle with
// others' caches: they may wait for it.
void TakeFromSleepers(Heap& heap, uint64_t epoch) noexcept {
    if (HoldsWholeHeap(heap)) return;
    cache::Taken taken;
    const auto before = static_cast<uint32_t>(epoch - kSleepEpochs);
    while (cache::TakeFromIdle(cache::CurrentCache(), before, taken)) {
        ReturnToSlabs(heap, taken.size_class, taken.blocks, taken.count);
    }
}

// Pages without a block in use, of slabs that nobody uses now.
void PunchHolesIn(Heap& heap) noexcept {
    for (size_t i = 0; i < kSizeClasses; ++i) {
        if (!heap.Uses(i)) continue;
        const PartGuard guard(heap, static_cast<SizeClass>(i));
        heap.classes[i].slabs.PunchHolesInSparse();
    }
}

}  // namespace

void PurgeTick(Heap& heap) noexcept {
    const uint64_t now = os::Milliseconds();
    const uint64_t epoch = now / kEpochMilliseconds;
    // Bins and parked runs are the process heap's: for another heap's sake its lock is not taken, as the
    // caller may hold that other heap.
    if (heap.is_process_heap) {
        ThreadCache* const cache = cache::CurrentCache();
        if (cache != nullptr && cache != &cache::g_detached_cache) {
            const auto time = static_cast<uint32_t>(now);
            cache->slow_time = time;
            const size_t warm = arena::g_arenas.warm_slices();
            if (warm < cache->pass_warm) cache->pass_warm = warm;
            if (STRATA_UNLIKELY(time - cache->pass_time >= kPassMilliseconds ||
                                warm - cache->pass_warm >= kPassSlices)) {
                cache->pass_warm = warm;
                VeilBins(heap, *cache, now);
            }
        }
    }
    // Decay counts in epochs: once in each is enough.
    if (STRATA_LIKELY(heap.ticked_epoch.load(std::memory_order_relaxed) == epoch)) return;
    heap.ticked_epoch.store(epoch, std::memory_order_relaxed);
    for (std::atomic<uint8_t>& uses : heap.rare_uses) uses.store(0, std::memory_order_relaxed);
    uint64_t drained = heap.drained_epoch.load(std::memory_order_relaxed);
    if (epoch - drained >= kDepotEpochs &&
        heap.drained_epoch.compare_exchange_strong(drained, epoch, std::memory_order_relaxed)) {
        DrainDepots(heap, true);
        PunchHolesIn(heap);
        TrimRuns(heap, false);
        if (heap.is_process_heap) {
            TakeFromSleepers(heap, epoch);
            arena::g_metadata.PunchHoles();
        }
    }
    PurgeProcess(now);
}

void PurgeProcess(uint64_t now) noexcept {
    static constinit std::atomic<uint64_t> last_epoch{0};
    const uint64_t epoch = now / kEpochMilliseconds;
    if (STRATA_LIKELY(last_epoch.load(std::memory_order_relaxed) == epoch)) return;
    last_epoch.store(epoch, std::memory_order_relaxed);
    StripDormant(now, false);
    slab::PurgeRuns(now, false);
    arena::PurgeTick();
}

cache::Sides BinInHand::LiftVeilFor(Heap& heap, ThreadCache& cache, SizeClass size_class,
                                    cache::Sides side) noexcept {
    const auto time = static_cast<uint32_t>(os::Milliseconds());
    const bool often = time - cache.slow_time < kOftenMilliseconds;
    PurgeTick(heap);  // which may empty the bin, or any other
    const cache::Sides veiled = cache::VeiledSides(cache, size_class);
    if (veiled == cache::Sides::kNone) return veiled;
    cache::LiftVeil(cache, size_class);
    const bool busy = cache::CountVeiledUse(cache, size_class, side) && often;
    const auto kept = static_cast<uint8_t>(busy ? 3 & ~static_cast<uint8_t>(side) : 3);
    return static_cast<cache::Sides>(static_cast<uint8_t>(veiled) & kept);
}

void BinInHand::PutVeilBack() noexcept {
    const auto size_class = static_cast<SizeClass>(cache_->in_hand - 1);
    const bool all = cache_->passed_meanwhile;
    cache_->passed_meanwhile = false;
    cache::PutVeil(*cache_, size_class, all ? cache::Sides::kBoth : veil_);
}

}  // namespace strata::heap
