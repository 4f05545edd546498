// A slab: a run of slices cut in equal blocks of one size class.
//
// The record, the bitmap and the state bytes lie in metadata, never in the slab. The bitmap has a
// one for every block that is neither live nor in a magazine. Pages are committed from the front,
// as blocks are needed; blocks beyond the committed pages are not in the bitmap yet.
//
// No function here locks: the caller holds the lock of the heap's size class.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arena/arena_set.h"
#include "arena/process_arenas.h"
#include "base/bitmap.h"
#include "base/bits.h"
#include "base/size_classes.h"
#include "base/state_byte.h"
#include "slab/slab_record.h"

namespace strata::slab {

// Blocks at an index of the thread cache's bin: what the slice map is to say of this slab.
struct SlabRequest {
    SizeClass size_class;
    arena::Owner owner;
    store::Heap* heap = nullptr;
    store::Store* store = nullptr;
    uint16_t bin_offset = 0;
    bool grow_fast = false;  // the class has full slabs already: commit in larger steps
    os::Access access = os::Access::kReadWrite;
    bool fill_free = false;  // as in Slab
    bool hardened = false;   // likewise
    bool rare = false;       // a first slab is perhaps for a few blocks only
};

// A new slab without blocks in use. nullptr when memory is short.
Slab* CreateSlab(const SlabRequest& request) noexcept;

// Gives the slab's slices and its record back. All its blocks end, live or not. Should the system
// refuse what that takes, FindLostSlabs tries again.
void DestroySlab(Slab* slab) noexcept;
void FindLostSlabs() noexcept;

// To be called now and then: decommits pages of a slab from which nothing was taken for some calls,
// and to which nothing was returned, where all their blocks are in the bitmap. The next need for
// blocks commits them again.
void PurgePages(Slab& slab) noexcept;

// Whether a page was decommitted by PurgePages; whether a free block lies in one such page or more;
// and how many bytes of them there are.
bool IsHole(const Slab& slab, size_t page) noexcept;
bool HasHole(const Slab& slab, uint32_t index) noexcept;
size_t HoleBytes(const Slab& slab) noexcept;

// Makes all blocks of a slab free, live or not, as far as they have pages. REQUIRES: no holes.
void ResetSlab(Slab& slab) noexcept;

// Takes up to `want` blocks, lowest address first, committing more pages when none is left.
// Returns how many; 0 when the slab is full or the commit failed.
uint32_t TakeBlocks(Slab& slab, FreeBlock* out, uint32_t want, bool grow_fast) noexcept;

// Puts a block back in the bitmap; false when it is there already. REQUIRES: its state is free.
inline bool PutBlock(Slab& slab, uint32_t index) noexcept {
    const uint32_t word = index / 64;
    const uint64_t bit = uint64_t{1} << (index % 64);
    if (STRATA_UNLIKELY((slab.bits[word] & bit) != 0)) return false;
    slab.bits[word] |= bit;
    if (word < slab.first_word) slab.first_word = word;
    ++slab.free;
    return true;
}

// Bytes of metadata for a slab of this class.
size_t SlabRecordBytes(SizeClass size_class) noexcept;

// Checks the record against itself and its state bytes; false when they disagree.
bool IsConsistent(const Slab& slab) noexcept;

}  // namespace strata::slab
