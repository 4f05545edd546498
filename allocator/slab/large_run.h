// Large runs: blocks above the largest size class. A run of slices is one block, committed to the
// page. Blocks too long for a shared arena ("direct blocks") are the same thing in a reservation of
// their own.
//
// Freed runs stay committed for a while in one small cache for the whole process, so that a pair of
// 1 MiB allocation and free costs list operations, not system calls and page faults.
//
// Thread-safe, except that one run is resized or freed by one thread at a time; a second free of a
// run is told from the first by its state.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "arena/arena_set.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "base/constants.h"
#include "base/state_byte.h"
#include "os/lock.h"
#include "slab/owners.h"

namespace strata::slab {

// A live run is kPurging while PurgeRunTail gives back what lies behind it: to everybody else it is
// live, but it cannot be freed until that is done.
enum class RunState : uint8_t { kLive, kFree, kPurging };

struct LargeRun {
    LargeRun* next;  // list of the owning heap, or of the cache
    LargeRun* previous;
    store::Heap* heap;
    store::Store* store;  // whose list it is in
    char* base;
    size_t slices;  // of the reservation when direct
    size_t spare;   // slices behind these, without pages, that it may grow into
    // Bytes from base on. Belongs to whoever holds the run: its owner while he resizes it, the
    // thread that freed it, PurgeRunTail. Others may read it for a guess.
    std::atomic<size_t> committed;
    size_t touched;  // bytes from base on that may hold data; above, committed memory is zero
    std::atomic<size_t> requested;
    size_t seen;  // what was requested when PurgeRunTail last looked
    uint64_t freed_epoch;
    UserRecord user;  // if has_user; its slack is not used
    std::atomic<RunState> state;
    bool direct;
    std::atomic<bool> has_user;
    uint8_t tail;  // bytes behind the requested ones that are not the caller's
    os::Access access;

    bool IsLive() const noexcept {
        return state.load(std::memory_order_relaxed) != RunState::kFree;
    }
    size_t Committed() const noexcept { return committed.load(std::memory_order_relaxed); }
    size_t capacity() const noexcept { return slices * kSliceSize; }
    // Whole pages, but for the tail.
    size_t usable() const noexcept { return extent() - tail; }
    // With the tail.
    size_t extent() const noexcept {
        return RoundUp(requested.load(std::memory_order_relaxed) + tail, kPageSize);
    }
};

// The arena owner of a run's slices, except that the first slice of a run in a heap's list has the
// heap's own: so a walker who holds that list's lock knows which runs cannot vanish.
inline constexpr arena::Owner kRunOwner = 2;

// That of slices that could not be given back in order yet: nobody's.
inline constexpr arena::Owner kLostOwner = 3;

struct RunRequest {
    size_t bytes = 0;
    size_t alignment = kMinAlignment;  // a power of two
    bool zero = false;
    bool grows = false;  // it will probably be resized to more
    uint8_t tail = 0;
    os::Access access = os::Access::kReadWrite;
    store::Heap* heap = nullptr;
    store::Store* store = nullptr;
};

// Zeroes [from, to) of a run where it may hold data, if `zero`, and notes that the caller may now
// write up to `to`, and whoever fills the tail behind that.
void ZeroAndTouch(LargeRun& run, size_t from, size_t to, bool zero) noexcept;

// A live run without user record; nullptr when memory is short.
LargeRun* AllocateRun(const RunRequest& request) noexcept;

// Marks a live run free; false when it is free already. Exactly one caller gets true. False as well
// while PurgeRunTail is at it: whoever calls that knows how to wait for it.
inline bool MarkFree(LargeRun& run) noexcept {
    RunState live = RunState::kLive;
    // Acquire: of all the stores of kLive, with what was written before them. Release: what its
    // user did is done before another has it.
    return run.state.compare_exchange_strong(live, RunState::kFree, std::memory_order_acq_rel,
                                             std::memory_order_relaxed);
}

// Makes a run live again that MarkFree returned true for, without user record. With `zero`, its
// bytes are zero. REQUIRES: bytes <= run.committed; no tail.
STRATA_INLINE void ReviveRun(LargeRun& run, size_t bytes, bool zero) noexcept {
    run.has_user.store(false, std::memory_order_relaxed);
    if (STRATA_UNLIKELY(zero || bytes > run.touched)) ZeroAndTouch(run, 0, bytes, zero);
    run.requested.store(bytes, std::memory_order_relaxed);
    run.state.store(RunState::kLive, std::memory_order_release);  // for MarkFree and TrimRun
}

// Gives up a run that MarkFree returned true for, into the cache or back to the arena.
void FreeRun(LargeRun* run) noexcept;

// Resizes in place; false when that is not possible, and nothing has changed. With `zero` the bytes
// from the old to the new requested size are zero; what the tail holds is the caller's business.
// REQUIRES: nobody else looks at the record.
bool ResizeRun(LargeRun& run, size_t bytes, bool zero) noexcept;

// Decommits what a live run has behind its last page in use (it lies where others had more pages,
// or has shrunk), if the same size was requested when this last looked, or `at_once`. REQUIRES:
// nobody resizes or trims the run meanwhile, and it does not vanish; it may be freed.
void PurgeRunTail(LargeRun& run, bool at_once) noexcept;

// Frees cached runs that have decayed, or all, and then what slabs lost (slab.h), too.
void PurgeRuns(uint64_t now, bool everything) noexcept;

// Before memory is committed: gives cached runs back to the arenas, oldest first, until these have
// `slices` free slices with pages, and until no more of all that is committed is idle than may be.
// Memory that is committed already comes before memory that is not, whoever used it last.
void ReleaseRunsToArenas(size_t slices) noexcept;

// Committed bytes of all direct blocks, and of regions with a reservation of their own.
size_t DirectCommitted() noexcept;
void CountDirectCommitted(size_t added, size_t removed) noexcept;

// For fork in the POSIX build.
os::Lock& RunCacheLock() noexcept;

}  // namespace strata::slab
