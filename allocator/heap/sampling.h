// Which allocations become guarded blocks when one in N is to (STRATA_GUARD_SAMPLE). Counted where a thread
// comes for a magazine, by the blocks in it: the fast path does not know of it. Internal to this folder.
#pragma once

#include "cache/thread_cache.h"
#include "heap/modes.h"

namespace strata::heap {

inline bool IsSampling() noexcept { return STRATA_UNLIKELY(g_modes.sample_period != 0); }

// Counts blocks that are about to be handed out: those of a bin's other magazine, or a large one. True when
// AllocateSampling has to look: one of them may be due.
inline bool MaySample(cache::ThreadCache& cache, uint32_t blocks) noexcept {
    if (STRATA_UNLIKELY(cache.until_sample <= static_cast<int32_t>(blocks))) return true;
    cache.until_sample -= static_cast<int32_t>(blocks);
    return false;
}

// The calling thread got `blocks` blocks to hand out.
void CountForSample(cache::ThreadCache& cache, uint32_t blocks) noexcept;

// True when the calling thread's next allocation is to be a guarded block. Counts that allocation. Makes
// the thread's cache if need be: call it without a lock.
bool IsSampleDue() noexcept;

// What a thread whose bin has nothing to hand out gets of the process heap, and large blocks, while
// sampling. REQUIRES: the thread has a cache.
STRATA_COLD void* AllocateSampling(size_t bytes, bool zero) noexcept;

}  // namespace strata::heap
