// A thread's bins at work: which bin serves a request, and what fills and empties it.
//
// The caller ticks, and nobody else: when IsTickDue says so, before a block is taken or put; and
// when PutBlock says so, afterwards. In between a bin is open, and no tick may close it.
#pragma once

#include "cache/closed_bins.h"
#include "store/heap_record.h"

namespace strata::cache {

// A private heap's bin in this thread: earned by kPrivateHeapWarmUp operations; nullptr before.
Bin* PrivateBin(ThreadCache& cache, Heap& heap, SizeClass size_class) noexcept;

// A bin of the calling thread, and the cache that it is of. Without a bin the cache may be nullptr,
// too.
struct OwnBin {
    ThreadCache* cache = nullptr;
    Bin* bin = nullptr;
};

// The calling thread's bin for a class of `heap`, made on demand; none when this thread works on
// the heap without magazines (it is detached, or has not earned them yet).
STRATA_INLINE OwnBin BinFor(Heap& heap, SizeClass size_class) noexcept {
    if (STRATA_UNLIKELY(!heap.is_unchecked)) return {};  // its blocks are looked at one by one
    ThreadCache* const cache = OwnOrNewCache();
    if (STRATA_UNLIKELY(cache == nullptr)) return {};
    if (heap.is_process_heap) return {cache, &cache->bins[Index(size_class)]};
    return {cache, PrivateBin(*cache, heap, size_class)};
}

// Whether the tick is due before this side of the bin is used, which was found empty, or full.
STRATA_INLINE bool IsTickDue(const Heap& heap, OwnBin own, SizeClass size_class,
                             Sides side) noexcept {
    const ThreadCache& cache = *own.cache;
    if (STRATA_UNLIKELY(heap.is_process_heap && IsClosed(cache, size_class))) return true;
    if (side == Sides::kFree) return false;
    const uint32_t freed = own.bin->free_count();
    return freed == 0 || (heap.is_process_heap && cache.budgets.swaps_left < freed);
}

// `passed` in both: what the tick returned just before, false if there was none.

// Takes one free block through a bin that was found empty, or without one. False when
// memory is short.
bool TakeBlock(Heap& heap, OwnBin own, SizeClass size_class, FreeBlock& block,
               bool passed) noexcept;

// Puts one block, whose state byte is kFreeDirty, in a bin that was found full, or, without one,
// back in the slabs. True when blocks went into the slabs from a bin: then the tick is due.
bool PutBlock(Heap& heap, OwnBin own, SizeClass size_class, FreeBlock block, bool passed) noexcept;

}  // namespace strata::cache
