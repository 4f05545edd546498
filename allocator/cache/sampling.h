// Which allocations become guarded blocks when one in N is to (STRATA_GUARD_SAMPLE). Counted where
// a thread comes for a magazine, by the blocks in it: the fast path does not know of it. Nor does
// the exchange of a bin's two magazines, which every few allocations come to: that has a budget of
// blocks anyway, until it looks at the clock, and while sampling the budget ends where a sample is
// due.
#pragma once

#include "cache/thread_cache.h"
#include "store/modes.h"

namespace strata::cache {

// Freed blocks that come back to the thread's allocations, whole magazines of them, before one such
// exchange looks at the clock.
inline constexpr uint32_t kBlocksPerTick = kSwapsPerTick * 32;

inline bool IsSampling() noexcept { return STRATA_UNLIKELY(store::g_modes.sample_period != 0); }

// The calling thread got `blocks` blocks to hand out, and those that its bins exchanged.
void CountForSample(ThreadCache& cache, uint32_t blocks) noexcept;

// True when IsSampleDue has to be asked: one of the next `blocks` allocations may be due.
inline bool MaySample(const ThreadCache& cache, uint32_t blocks) noexcept {
    const uint32_t used = cache.budgets.swaps_given - cache.budgets.swaps_left;
    return cache.budgets.until_sample <= static_cast<int32_t>(used + blocks);
}

// The same of a large block, which is counted when it is not due. Blocks that bins exchanged are
// counted when their budget ends.
inline bool MaySampleLarge(ThreadCache& cache) noexcept {
    if (STRATA_UNLIKELY(cache.budgets.until_sample <= 1)) return true;
    --cache.budgets.until_sample;
    return false;
}

// A new budget for magazines that change places.
inline void RenewSwaps(ThreadCache& cache) noexcept {
    uint32_t budget = kBlocksPerTick;
    if (IsSampling()) {
        CountForSample(cache, 0);
        if (cache.budgets.until_sample < static_cast<int32_t>(budget)) {
            budget = cache.budgets.until_sample > 0
                         ? static_cast<uint32_t>(cache.budgets.until_sample)
                         : 0;
        }
    }
    cache.budgets.swaps_left = cache.budgets.swaps_given = budget;
}

// True when the calling thread's next allocation is to be a sample. Counts that allocation. Makes
// the thread's cache if need be: call it without a lock.
bool IsSampleDue() noexcept;

}  // namespace strata::cache
