// A thread's cache: its bins for the process heap, and a few private heaps' bins that it has earned.
// Reached through the thread slot; belongs to its thread alone.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/size_classes.h"
#include "cache/magazine.h"
#include "os/lock.h"
#include "os/thread.h"
#include "slab/large_run.h"

namespace strata::cache {

struct HeapBins {
    Bin bins[kSizeClasses];
};

// A private heap this thread works on. Keyed by the heap's serial, which no other heap ever has: when
// the heap was destroyed, what stands here is simply stale.
struct HeapSlot {
    void* heap;
    uint32_t serial;
    uint32_t operations;  // so far without bins
    HeapBins* bins;       // nullptr until earned
};

inline constexpr size_t kHeapSlots = 128;
inline constexpr size_t kVeilWords = (kSizeClasses + 63) / 64;

// What veil.h keeps of each bin.
struct VeilBooks {
    uint8_t last_epoch[kSizeClasses];  // low bits of the epoch in which it was last used
    uint8_t uses[kSizeClasses];        // under its veil, since the last pass
};

struct ThreadCache {
    Bin bins[kSizeClasses];  // of the process heap
    // Never holds a magazine: the slice map leads the blocks of private heaps here, so that the fast
    // path of free needs no test for them.
    Bin empty_bin;
    HeapSlot slots[kHeapSlots];
    // Freed runs of the process heap, by their slices; nullptr where there is none (heap/parked_runs.h).
    slab::LargeRun* parked[kParkedSlices + 1];
    size_t parked_bytes;
    Spares spares;
    size_t
        room;  // bytes of blocks that the magazines of all bins of the process heap have room for
    uint32_t parks_left;  // so many more before one of them looks at the clock
    uint32_t swaps_left;  // the same for blocks of magazines that change places (heap/sampling.h)

    // Veils (veil.h). Changed by the owner under the lock.
    os::Lock veil_lock;
    bool has_veiled_blocks;            // perhaps
    uint64_t alloc_veils[kVeilWords];  // by bin: the side that allocation pops from
    uint64_t free_veils[kVeilWords];
    // The owner's alone.
    VeilBooks* veil_books;  // nullptr before the first veil
    uint32_t slow_time;     // when it was last on a slow path: low half of the milliseconds
    uint32_t pass_time;     // when it last veiled all bins
    size_t pass_warm;       // free slices with pages then, or the fewest since
    uint8_t in_hand;        // 1 + the class that a slow path is working on, or 0
    bool passed_meanwhile;  // and all others were veiled since
    // Low half of the epoch of pass_time, for others.
    std::atomic<uint32_t> pass_epoch;
    ThreadCache* next;  // all caches; guarded by their list's lock
    ThreadCache* previous;
    // Allocations until the next sample, as of when swaps_left was swaps_given; 0: not drawn yet.
    int32_t until_sample;
    uint32_t swaps_given;

    // All bins are veiled, or empty. `now` in milliseconds.
    void NotePass(uint64_t now) noexcept {
        pass_time = static_cast<uint32_t>(now);
        pass_epoch.store(static_cast<uint32_t>(now / kEpochMilliseconds),
                         std::memory_order_relaxed);
    }
    // Heaps' records lie 64 KiB apart.
    HeapSlot& SlotOf(const void* heap) noexcept {
        return slots[reinterpret_cast<uintptr_t>(heap) / kSliceSize % kHeapSlots];
    }
    Bin& BinAt(size_t offset) noexcept {
        return *reinterpret_cast<Bin*>(reinterpret_cast<char*>(this) + offset);
    }
};

// What the slice map stores: the offset of a bin in the cache.
constexpr uint16_t BinOffset(SizeClass size_class) noexcept {
    return static_cast<uint16_t>(offsetof(ThreadCache, bins) + Index(size_class) * sizeof(Bin));
}
inline constexpr uint16_t kNoBinOffset = static_cast<uint16_t>(offsetof(ThreadCache, empty_bin));
static_assert(offsetof(ThreadCache, slots) < UINT16_MAX);

// Stands in the slot of a thread whose cache was handed in: all its bins are empty and full at once,
// so that every call takes the slow path, which works without a cache then. Never written.
extern constinit ThreadCache g_detached_cache;

STRATA_INLINE ThreadCache* CurrentCache() noexcept {
    return static_cast<ThreadCache*>(os::GetThreadSlot());
}
// For fast paths: nullptr also when it would take a call to find out.
STRATA_INLINE ThreadCache* TryCurrentCache() noexcept {
    return static_cast<ThreadCache*>(os::TryGetThreadSlot());
}

// A zeroed cache for the calling thread, put in its slot; nullptr when memory is
// short.
ThreadCache* CreateThreadCache() noexcept;

// Frees a cache whose magazines were handed in, and marks the calling thread detached.
void DestroyThreadCache(ThreadCache* cache) noexcept;

// Marks the calling thread, which has no cache, detached: it gets none at its next call, as nobody would be
// told any more that the cache is to go. Where the system's slot cannot be set without a heap call, it
// does get one, and that stays.
void MarkDetached() noexcept;

// Bins of a private heap, zeroed; nullptr when memory is short.
HeapBins* CreateHeapBins() noexcept;
void DestroyHeapBins(HeapBins* bins) noexcept;

// The list of all caches, and its lock. Who holds it waits for no other.
extern constinit os::Lock g_caches_lock;
extern constinit ThreadCache* g_first_cache;

// Caches alive now.
size_t ThreadCacheCount() noexcept;

}  // namespace strata::cache
