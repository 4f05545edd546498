#include "cache/idle_bins.h"

#include "base/bitmap.h"
#include "cache/flush.h"
#include "cache/parked_runs.h"
#include "cache/sampling.h"
#include "store/exchange.h"

namespace strata::cache {

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

namespace {

using ClassSet = Bitmap<kClassWords * 64>;

// Opens those that were not used, and says which they are: no other lock can be taken here.
void CloseUsedBins(ThreadCache& cache, uint64_t epoch, ClassSet& idle) noexcept {
    const os::LockGuard guard(cache.closed.lock);
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const auto size_class = static_cast<SizeClass>(i);
        const BinUse use = NoteUse(cache, size_class, epoch);
        if (use == BinUse::kIdle) {
            OpenLocked(cache, size_class);
            idle.SetRange(i, 1);
        } else if (use == BinUse::kInUse) {
            CloseLocked(cache, size_class, Sides::kBoth);
        }
    }
}

}  // namespace

void CloseOrFlushBins(Heap& process_heap, ThreadCache& cache, uint64_t now) noexcept {
    const uint64_t epoch = now / kEpochMilliseconds;
    cache.slow_paths.NotePass(now);
    RenewSwaps(cache);
    ReleaseParkedRuns(cache, false);
    if (!CanClose(cache)) return;
    ClassSet idle = {};
    CloseUsedBins(cache, epoch, idle);
    for (size_t i = 0; i < kSizeClasses; ++i) {
        if (!idle.Test(i)) continue;
        FlushBinToSlabs(process_heap, cache.bins[i], static_cast<SizeClass>(i));
    }
}

void FlushSleepers(Heap& process_heap, uint32_t before) noexcept {
    Taken taken;
    while (TakeFromSleeper(CurrentCache(), before, taken)) {
        store::PutInSlabs(process_heap.home(), taken.size_class, taken.blocks, taken.count);
    }
}

}  // namespace strata::cache
