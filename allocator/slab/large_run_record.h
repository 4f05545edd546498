// The record of a large run. large_run.h says what is done with it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "arena/owner.h"
#include "base/bits.h"
#include "base/constants.h"
#include "base/state_byte.h"
#include "os/memory.h"
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

// Marks a live run free; false when it is free already. Exactly one caller gets true. False as well
// while PurgeRunTail is at it: whoever calls that knows how to wait for it.
inline bool MarkFree(LargeRun& run) noexcept {
    RunState live = RunState::kLive;
    // Acquire: of all the stores of kLive, with what was written before them. Release: what its
    // user did is done before another has it.
    return run.state.compare_exchange_strong(live, RunState::kFree, std::memory_order_acq_rel,
                                             std::memory_order_relaxed);
}

}  // namespace strata::slab
