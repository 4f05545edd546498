// A thread's cache: its bins for the process heap, and a few private heaps' bins that it has
// earned. Reached through the thread slot; belongs to its thread alone.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/size_classes.h"
#include "cache/bin.h"
#include "cache/spares.h"
#include "os/lock.h"
#include "os/thread.h"
#include "slab/large_run.h"
#include "slab/owners.h"
#include "store/thread_state.h"

namespace strata::cache {

using store::Heap;

struct HeapBins {
    Bin bins[kSizeClasses];
};

// A private heap this thread works on. Keyed by the heap's serial, which no other heap ever has:
// when the heap was destroyed, what stands here is simply stale.
struct HeapSlot {
    Heap* heap;
    uint64_t serial;
    HeapBins* bins;  // nullptr until earned
};

inline constexpr size_t kHeapSlots = 128;
inline constexpr size_t kClassWords = (kSizeClasses + 63) / 64;

// What closed_bins.h keeps of each bin.
struct BinUses {
    uint8_t last_epoch[kSizeClasses];   // low bits of the epoch in which it was last used
    uint8_t closed_uses[kSizeClasses];  // while it was closed, since the last pass
};

// Which sides of the bins of the process heap are closed (closed_bins.h). Changed by the owner
// under the lock; other threads take what is in closed bins under it.
struct ClosedBins {
    os::Lock lock{os::LockRank::kClosedBins};
    bool has_blocks;              // perhaps
    uint64_t alloc[kClassWords];  // by bin: the side that allocation pops from
    uint64_t free[kClassWords];
    // The owner's alone; nullptr before anything was closed.
    BinUses* uses;
};

// When the thread looked at the clock (idle_bins.h). The owner's alone, but for pass_epoch.
struct SlowPaths {
    uint32_t last;     // when it was last on a slow path: low half of the milliseconds
    bool are_often;    // and that was not long after the one before
    uint32_t pass;     // when it last closed all bins
    size_t pass_warm;  // free slices with pages then, or the fewest since
    std::atomic<uint32_t> pass_epoch;  // low half of the epoch of `pass`, for others

    // All bins are closed, or empty. `now` in milliseconds.
    void NotePass(uint64_t now) noexcept {
        pass = static_cast<uint32_t>(now);
        pass_epoch.store(static_cast<uint32_t>(now / kEpochMilliseconds),
                         std::memory_order_relaxed);
    }
};

// What the thread may do before it looks at the clock, and before its next sample (sampling.h).
struct Budgets {
    uint32_t parks_left;  // runs to park
    uint32_t swaps_left;  // blocks of magazines that change places
    uint32_t swaps_given;
    // Allocations until the next sample, as of when swaps_left was swaps_given; 0: not drawn yet.
    int32_t until_sample;
};

// Freed runs of the process heap that the thread keeps (parked_runs.h).
struct ParkedRuns {
    slab::LargeRun* by_slices[kParkedSlices + 1];  // nullptr where there is none
    size_t bytes;
};

struct ThreadCache {
    Bin bins[kSizeClasses];  // of the process heap
    // Never holds a magazine: the slice map leads the blocks of private heaps here, so that the
    // fast path of free needs no test for them.
    Bin empty_bin;
    store::ThreadState state;
    HeapSlot slots[kHeapSlots];
    uint8_t slot_uses[kHeapSlots];  // of each slot's heap, as long as it has no bins
    ParkedRuns parked;
    Spares spares;
    size_t room;  // bytes of blocks that the magazines of `bins` have room for
    Budgets budgets;
    ClosedBins closed;
    SlowPaths slow_paths;
    ThreadCache* next;  // all caches; guarded by their list's lock
    ThreadCache* previous;

    // Heaps' records lie 64 KiB apart.
    static size_t SlotIndexOf(const void* heap) noexcept {
        return reinterpret_cast<uintptr_t>(heap) / kSliceSize % kHeapSlots;
    }
    HeapSlot& SlotOf(const void* heap) noexcept { return slots[SlotIndexOf(heap)]; }
    Bin& BinAt(size_t offset) noexcept {
        return *reinterpret_cast<Bin*>(reinterpret_cast<char*>(this) + offset);
    }
    bool IsOfProcessHeap(const Bin& bin) const noexcept {
        return &bin >= bins && &bin < bins + kSizeClasses;
    }
    // A bin's magazine has room for `now` blocks where it had for `before`.
    void NoteRoom(const Bin& bin, SizeClass size_class, uint32_t before, uint32_t now) noexcept {
        if (!IsOfProcessHeap(bin)) return;
        room += (size_t{now} - before) * InfoOf(size_class).spacing;
    }
};
static_assert(offsetof(ThreadCache, bins) == 0 && sizeof(Bin) == store::kBinBytes);
static_assert(offsetof(ThreadCache, empty_bin) == store::kNoBinOffset);
static_assert(offsetof(ThreadCache, state) == store::kThreadStateOffset);
static_assert(offsetof(ThreadCache, slots) < UINT16_MAX);

// Stands in the slot of a thread whose cache was flushed: all its bins are empty and full at once,
// so that every call takes the slow path, which works without a cache then. Never written.
extern constinit ThreadCache g_detached_cache;

STRATA_INLINE ThreadCache* CurrentCache() noexcept {
    return static_cast<ThreadCache*>(os::GetThreadSlot());
}
// That, but nullptr as well for a thread that gets none any more.
STRATA_INLINE ThreadCache* OwnCache() noexcept {
    ThreadCache* const cache = CurrentCache();
    return cache == &g_detached_cache ? nullptr : cache;
}
// For fast paths: nullptr also when it would take a call to find out.
STRATA_INLINE ThreadCache* TryCurrentCache() noexcept {
    return static_cast<ThreadCache*>(os::TryGetThreadSlot());
}

// A zeroed cache for the calling thread, put in its slot; nullptr when memory is short.
ThreadCache* CreateThreadCache() noexcept;
// The thread's own, made if need be; nullptr when it gets none any more, or memory is short.
inline ThreadCache* OwnOrNewCache() noexcept {
    ThreadCache* const cache = CurrentCache();
    if (STRATA_UNLIKELY(cache == nullptr)) return CreateThreadCache();
    return STRATA_UNLIKELY(cache == &g_detached_cache) ? nullptr : cache;
}

// Frees a cache whose magazines were flushed, and marks the calling thread detached.
void DestroyThreadCache(ThreadCache* cache) noexcept;

// Marks the calling thread, which has no cache, detached: it gets none at its next call, as nobody
// would be told any more that the cache is to go. Where the system's slot cannot be set without a
// heap call, it does get one, and that stays.
void MarkDetached() noexcept;

// Bins of a private heap, zeroed; nullptr when memory is short.
HeapBins* CreateHeapBins() noexcept;
void DestroyHeapBins(HeapBins* bins) noexcept;

// The list of all caches, and its lock. Who holds it waits for no other.
extern constinit os::Lock g_caches_lock;
extern constinit ThreadCache* g_first_cache STRATA_GUARDED_BY(g_caches_lock);

// Caches alive now.
size_t ThreadCacheCount() noexcept;

}  // namespace strata::cache
