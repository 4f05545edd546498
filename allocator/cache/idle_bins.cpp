#include "cache/idle_bins.h"

#include "arena/process_arenas.h"
#include "cache/flush.h"
#include "cache/parked_runs.h"
#include "cache/sampling.h"
#include "store/exchange.h"

namespace strata::cache {

namespace {

// Closes all bins of the calling thread, or empties them.
void Pass(Heap& process_heap, ThreadCache& cache, uint64_t now) noexcept {
    const uint64_t epoch = now / kEpochMilliseconds;
    cache.slow_paths.NotePass(now);
    RenewSwaps(cache);
    ReleaseParkedRuns(cache, false);
    if (!CanClose(cache)) return;
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const auto size_class = static_cast<SizeClass>(i);
        const BinUse use = NoteUse(cache, size_class, epoch);
        if (use == BinUse::kIdle) {
            Open(cache, size_class);
            FlushBinToSlabs(process_heap, cache.bins[i], size_class);
        } else if (use == BinUse::kInUse) {
            Close(cache, size_class, Sides::kBoth);
        }
    }
}

}  // namespace

BinUse NoteUse(ThreadCache& cache, SizeClass size_class, uint64_t epoch) noexcept {
    const size_t index = Index(size_class);
    if (!cache.bins[index].HasMagazine()) return BinUse::kEmpty;
    uint8_t& last = cache.closed.uses->last_epoch[index];
    uint8_t& uses = cache.closed.uses->closed_uses[index];
    const auto now = static_cast<uint8_t>(epoch);
    if (ClosedSides(cache, size_class) != Sides::kBoth || uses != 0) last = now;
    uses = 0;
    return static_cast<uint8_t>(now - last) >= kIdleEpochs ? BinUse::kIdle : BinUse::kInUse;
}

bool LookAtBins(Heap& process_heap, uint64_t now) noexcept {
    ThreadCache* const cache = OwnCache();
    if (cache == nullptr) return false;
    SlowPaths& slow_paths = cache->slow_paths;
    const auto time = static_cast<uint32_t>(now);
    slow_paths.are_often = time - slow_paths.last < kOftenMilliseconds;
    slow_paths.last = time;
    const size_t warm = arena::g_arenas.warm_slices();
    if (warm < slow_paths.pass_warm) slow_paths.pass_warm = warm;
    if (STRATA_LIKELY(time - slow_paths.pass < kPassMilliseconds &&
                      warm - slow_paths.pass_warm < kPassSlices)) {
        return false;
    }
    slow_paths.pass_warm = warm;
    Pass(process_heap, *cache, now);
    return true;
}

void FlushSleepers(Heap& process_heap, uint32_t before) noexcept {
    Taken taken;
    while (TakeFromSleeper(CurrentCache(), before, taken)) {
        store::PutInSlabs(process_heap.home(), taken.size_class, taken.blocks, taken.count);
    }
}

}  // namespace strata::cache
