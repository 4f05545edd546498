// Which allocations become guarded blocks when one in N is to (STRATA_GUARD_SAMPLE). Counted where a thread
// comes for a magazine, by the blocks in it: the fast path does not know of it. Nor does the exchange of a
// bin's two magazines, which every few allocations come to: that has a budget of blocks anyway, until
// it looks at the clock, and while sampling the budget ends where a sample is due. Internal to this folder.
#pragma once

#include "cache/thread_cache.h"
#include "cache/veil.h"
#include "heap/modes.h"

namespace strata::heap {

inline bool IsSampling() noexcept { return STRATA_UNLIKELY(g_modes.sample_period != 0); }

// The calling thread got `blocks` blocks to hand out, and those that its bins exchanged.
void CountForSample(cache::ThreadCache& cache, uint32_t blocks) noexcept;

// True when AllocateSampling has to look: one of the next `blocks` allocations may be due.
inline bool MaySample(const cache::ThreadCache& cache, uint32_t blocks) noexcept {
    const uint32_t used = cache.swaps_given - cache.swaps_left;
    return cache.until_sample <= static_cast<int32_t>(used + blocks);
}

// The same of a large block, which is counted when it is not due. Blocks that bins exchanged are counted
// when their budget ends.
inline bool MaySampleLarge(cache::ThreadCache& cache) noexcept {
    if (STRATA_UNLIKELY(cache.until_sample <= 1)) return true;
    --cache.until_sample;
    return false;
}

// A new budget for magazines that change places.
inline void RenewSwaps(cache::ThreadCache& cache) noexcept {
    uint32_t budget = cache::kBlocksPerTick;
    if (IsSampling()) {
        CountForSample(cache, 0);
        if (cache.until_sample < static_cast<int32_t>(budget)) {
            budget = cache.until_sample > 0 ? static_cast<uint32_t>(cache.until_sample) : 0;
        }
    }
    cache.swaps_left = cache.swaps_given = budget;
}

// True when the calling thread's next allocation is to be a guarded block. Counts that allocation. Makes
// the thread's cache if need be: call it without a lock.
bool IsSampleDue() noexcept;

// What a thread whose bin has nothing to hand out gets of the process heap, and large blocks, while
// sampling. REQUIRES: the thread has a cache.
STRATA_COLD void* AllocateSampling(size_t bytes, bool zero) noexcept;

}  // namespace strata::heap
