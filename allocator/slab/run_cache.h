// Recently freed large runs of the whole process, whole and committed. Thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/thread_safety.h"
#include "os/lock.h"
#include "slab/large_run_record.h"

namespace strata::slab {

class RunCache {
public:
    // A run of at least `slices` slices that wastes at most an eighth, at a multiple of `alignment`
    // bytes; the smallest such. nullptr when there is none.
    LargeRun* Take(size_t slices, size_t alignment) noexcept STRATA_EXCLUDES(lock_);

    // Keeps `run`; false when it is too large to keep. Makes room by releasing the oldest.
    bool Put(LargeRun* run) noexcept STRATA_EXCLUDES(lock_);

    // Takes out one run that has decayed (or any, if `everything`), to be released by the caller;
    // nullptr when there is none.
    LargeRun* TakeExpired(uint64_t now, bool everything) noexcept STRATA_EXCLUDES(lock_);

    size_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }

    os::Lock& lock() noexcept STRATA_RETURN_CAPABILITY(lock_) { return lock_; }

private:
    void Remove(size_t position) noexcept STRATA_REQUIRES(lock_);

    os::Lock lock_{os::LockRank::kRunCache};
    size_t count_ STRATA_GUARDED_BY(lock_) = 0;
    std::atomic<size_t> bytes_ = 0;  // changed under the lock; read to no effect but a hint
    LargeRun* runs_[kRunCacheEntries] STRATA_GUARDED_BY(lock_) = {};  // oldest first
};

extern constinit RunCache g_run_cache;

// Gives a run and its record back to the arena. REQUIRES: it is neither live nor cached.
void ReleaseRun(LargeRun* run) noexcept;

// Releases cached runs that have decayed, or all.
void PurgeRuns(uint64_t now, bool everything) noexcept;

// Before memory is committed: gives cached runs back to the arenas, oldest first, until these have
// `slices` free slices with pages, and until no more of all that is committed is idle than may be.
// Memory that is committed already comes before memory that is not, whoever used it last.
void ReleaseRunsToArenas(size_t slices) noexcept;

// For fork in the POSIX build.
os::Lock& RunCacheLock() noexcept;

}  // namespace strata::slab
