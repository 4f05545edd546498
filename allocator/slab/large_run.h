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
#include "slab/large_run_record.h"

namespace strata::slab {

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

// Makes a run live again that MarkFree returned true for, without user record. With `zero`, its
// bytes are zero. REQUIRES: bytes <= run.committed; no tail.
STRATA_INLINE void ReviveRun(LargeRun& run, size_t bytes, bool zero) noexcept {
    run.has_user.store(false, std::memory_order_relaxed);
    if (STRATA_UNLIKELY(zero || bytes > run.touched)) ZeroAndTouch(run, 0, bytes, zero);
    run.requested.store(bytes, std::memory_order_relaxed);
    run.state.store(RunState::kLive, std::memory_order_release);  // for MarkFree, PurgeRunTail
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

// Committed bytes of all direct blocks, and of regions with a reservation of their own.
size_t DirectCommitted() noexcept;
void CountDirectCommitted(size_t added, size_t removed) noexcept;

}  // namespace strata::slab
