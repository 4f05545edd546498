// The order in which a thread may take locks: those it holds have a lower rank than the one it
// takes next. So no two threads can wait for each other.
//
// Where STRATA_CHECK_LOCK_RANKS is defined (the preset native-debug) each Acquire checks it and a
// violation ends the process, with a message that names both ranks. Elsewhere nothing is left of it
// but the order here.
#pragma once

#include <cstdint>

namespace strata::os {

// Outermost first.
enum class LockRank : uint8_t {
    kUnordered,  // not checked: for tests in which one thread gives back what another took
    // A heap's gate. Two at once are held only by one who calls HeapLock for both, in an order of
    // his own; nobody waits for a gate while he holds a part.
    kGate,
    kClass,  // a size class of a heap; several by index
    kRuns,   // the rest of a heap
    kRegistry,
    kGuardedQueue,
    kRunCache,
    kArenas,
    kMetadata,
    kMetadataArenas,
    kCaches,      // the list of threads' caches
    kClosedBins,  // of one cache
    // What follows is never held while any of the above is taken.
    kRecordedHeaps,  // the recorder: which number a heap has; events are written under it
    kBlockIds,
    kRecorderMemory,
    kTraceFile,
    kHeapMap,  // the override's handles
    kErrorMode,
};

#ifdef STRATA_CHECK_LOCK_RANKS
#ifdef _WIN32
#error "the ranks held stand in a thread_local variable, which the DLLs must not have"
#endif
inline constexpr bool kCheckLockRanks = true;
#else
inline constexpr bool kCheckLockRanks = false;
#endif

// What Lock tells. Defined where kCheckLockRanks is true.

// The calling thread is about to wait for a lock of this rank.
void CheckLockRank(LockRank rank) noexcept;
// It has one more of this rank, or one less.
void NoteLocked(LockRank rank) noexcept;
void NoteUnlocked(LockRank rank) noexcept;
void AllowSeveral(LockRank first, LockRank last) noexcept;

// As long as it lives the calling thread may take locks of the ranks `first` to `last` beside each
// other, in any order. Who makes one says why no two threads wait for each other all the same. One
// at a time.
class SeveralLocks {
public:
    SeveralLocks(LockRank first, LockRank last) noexcept {
        if constexpr (kCheckLockRanks) AllowSeveral(first, last);
    }
    ~SeveralLocks() {
        if constexpr (kCheckLockRanks) AllowSeveral(LockRank::kUnordered, LockRank::kUnordered);
    }
    SeveralLocks(const SeveralLocks&) = delete;
    SeveralLocks& operator=(const SeveralLocks&) = delete;
};

}  // namespace strata::os
