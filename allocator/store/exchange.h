// What passes between a store and the threads that use it: blocks out of slabs and back, full
// magazines into the depots and out of them. Functions take the lock of the class themselves,
// unless they end in Locked: then the caller holds it.
#pragma once

#include "store/heap_lock.h"

namespace strata::store {

// Up to `want` free blocks of a class, from a new slab if no other has any. Returns how many; 0
// when memory is short.
uint32_t TakeBlocksLocked(Store& store, ClassStore& part, SizeClass size_class, FreeBlock* out,
                          uint32_t want) noexcept STRATA_REQUIRES(part.depot.lock);
inline uint32_t TakeBlocks(Store& store, SizeClass size_class, FreeBlock* out,
                           uint32_t want) noexcept {
    ClassStore& part = store.ClassAt(size_class);
    const PartGuard guard(store, part);
    return TakeBlocksLocked(store, part, size_class, out, want);
}

// Puts free blocks of one class back in their slabs, all of which are this store's.
inline void PutInSlabs(Store& store, SizeClass size_class, const FreeBlock* blocks,
                       uint32_t count) noexcept {
    ClassStore& part = store.ClassAt(size_class);
    const PartGuard guard(store, part);
    part.slabs.PutAll(blocks, count);
}

// Fills an empty bin: a full magazine from the depot, or else up to `want` blocks from the slabs in
// `out`, unless that is nullptr.
struct Filled {
    Magazine* magazine;  // or nullptr
    uint32_t taken;      // in `out`
};
Filled TakeMagazineOrBlocks(Store& store, SizeClass size_class, FreeBlock* out,
                            uint32_t want) noexcept;

// Takes a magazine with `count` blocks back: into the depot, if it is `worthy` and has room, else
// its blocks into the slabs. True: the magazine is the depot's now. False: it is empty, and the
// caller's.
bool PutMagazine(Store& store, SizeClass size_class, Magazine* magazine, uint32_t count,
                 bool worthy) noexcept;

// Empties all depots into the slabs; or, with `surplus_only`, what they did not need lately.
void DrainDepots(Store& store, bool surplus_only) noexcept;

// Decommits pages without a block in use, of slabs that nobody uses now.
void PurgeSlabPages(Store& store) noexcept;

}  // namespace strata::store
