// Bins that lie idle: a thread on a slow path closes its bins now and then, and returns the blocks
// of those that it has not used for kIdleEpochs; and takes what sleeping threads have in theirs.
#pragma once

#include "arena/process_arenas.h"
#include "cache/closed_bins.h"

namespace strata::cache {

// How the owner used a bin since it last closed it.
enum class BinUse : uint8_t { kEmpty, kInUse, kIdle };
BinUse NoteUse(ThreadCache& cache, SizeClass size_class, uint64_t epoch) noexcept;

// Closes all bins of the calling thread, or flushes those that lie idle.
void CloseOrFlushBins(Heap& process_heap, ThreadCache& cache, uint64_t now) noexcept;

// The calling thread is on a slow path of the process heap: notes that, and closes its bins if it
// is time to; true when it did. No bin of it is open (OpenBin). `now` in milliseconds.
STRATA_INLINE bool LookAtBins(Heap& process_heap, uint64_t now) noexcept {
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
    CloseOrFlushBins(process_heap, *cache, now);
    return true;
}

// Puts what is in closed bins of threads that were at no slow path since epoch `before` into the
// slabs.
void FlushSleepers(Heap& process_heap, uint32_t before) noexcept;

}  // namespace strata::cache
