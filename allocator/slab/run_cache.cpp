#include "slab/run_cache.h"

#include "arena/process_arenas.h"
#include "arena/purge_policy.h"
#include "base/bits.h"
#include "os/process.h"

namespace strata::slab {

constinit RunCache g_run_cache;

os::Lock& RunCacheLock() noexcept { return g_run_cache.lock(); }

void RunCache::Remove(size_t position) noexcept {
    const size_t bytes_of_run = runs_[position]->Committed();
    bytes_.store(bytes() - bytes_of_run, std::memory_order_relaxed);
    arena::g_arenas.CountCached(0, bytes_of_run);
    --count_;
    for (size_t i = position; i < count_; ++i) runs_[i] = runs_[i + 1];
}

LargeRun* RunCache::Take(size_t slices, size_t alignment) noexcept {
    const os::LockGuard guard(lock_, os::kStackForRun);
    size_t best = count_;
    for (size_t i = count_; i-- > 0;) {  // newest first: its pages are warm
        const LargeRun& run = *runs_[i];
        if (run.slices < slices || run.slices > slices + slices / 8) continue;
        if ((AddressOf(run.base) & (alignment - 1)) != 0) continue;
        if (best == count_ || run.slices < runs_[best]->slices) best = i;
    }
    if (best == count_) return nullptr;
    LargeRun* run = runs_[best];
    Remove(best);
    return run;
}

bool RunCache::Put(LargeRun* run) noexcept {
    const size_t committed = run->Committed();
    if (committed > kRunCacheBytes / 2) return false;
    const uint64_t now = os::Milliseconds();
    const uint64_t epoch = now / kEpochMilliseconds;
    arena::g_arenas.NoteUse(now);
    for (;;) {
        LargeRun* oldest = nullptr;
        {
            const os::LockGuard guard(lock_, os::kStackForRun);
            if (count_ < kRunCacheEntries && bytes() + committed <= kRunCacheBytes) {
                run->freed_epoch = epoch;
                runs_[count_++] = run;
                bytes_.store(bytes() + committed, std::memory_order_relaxed);
                arena::g_arenas.CountCached(committed, 0);
                return true;
            }
            oldest = runs_[0];
            Remove(0);
        }
        ReleaseRun(oldest);
    }
}

LargeRun* RunCache::TakeExpired(uint64_t now, bool everything) noexcept {
    const os::LockGuard guard(lock_, os::kStackForRun);
    if (count_ == 0) return nullptr;
    LargeRun* oldest = runs_[0];
    const bool due =
        now / kEpochMilliseconds - oldest->freed_epoch >= arena::g_purge_policy.decay_epochs;
    if (!everything && !due) return nullptr;
    Remove(0);
    return oldest;
}

void ReleaseRun(LargeRun* run) noexcept {
    arena::g_slice_map.Clear(AddressOf(run->base), run->direct ? 1 : run->slices,
                             arena::Former::kRun);
    if (run->direct) {
        arena::g_arenas.CountOutside(0, run->Committed());
        arena::g_arenas.FreeDedicated(run->base, run->Committed());
    } else {
        arena::g_arenas.Free(run->base, run->slices + run->spare);
    }
    arena::g_metadata.Free(run, sizeof(LargeRun));
}

void PurgeRuns(uint64_t now, bool everything) noexcept {
    while (LargeRun* run = g_run_cache.TakeExpired(now, everything)) ReleaseRun(run);
}

void ReleaseRunsToArenas(size_t slices) noexcept {
    for (;;) {
        const arena::ArenaSet& arenas = arena::g_arenas;
        if (arenas.warm_slices() >= slices && arenas.idle() <= arenas.AllowedIdle()) return;
        LargeRun* const run = g_run_cache.TakeExpired(0, true);
        if (run == nullptr) return;
        ReleaseRun(run);
    }
}

}  // namespace strata::slab
