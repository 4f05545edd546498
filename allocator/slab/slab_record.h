// The record of a slab: what is known about its blocks. slab.h says what is done with it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bitmap.h"
#include "base/bits.h"
#include "base/multiply.h"
#include "base/size_classes.h"
#include "base/state_byte.h"
#include "slab/owners.h"

namespace strata::slab {

// A free block on its way between a slab and a thread: with its state byte, so that malloc needs no
// division to find it.
struct FreeBlock {
    void* block;
    StateByte* state;
};

struct Slab {
    Slab* next;
    Slab* previous;
    store::Heap* heap;    // whose it is
    store::Store* store;  // where its blocks go back to
    char* base;
    StateByte* states;    // one per block, and a last one that is never live
    uint32_t blocks;      // what the slab can hold
    uint32_t limit;       // blocks whose pages are committed
    uint32_t free;        // ones in the bitmap
    uint32_t first_word;  // no one in the bitmap words before this
    uint32_t seen_free;   // `free` when PurgePages was last asked
    uint32_t absent;  // free blocks that are not in the bitmap, as pages of them were decommitted
    SizeClass size_class;
    uint8_t slices;
    bool hardened;    // between guard slices, blocks taken at random (slab/hardened_slab.h)
    bool in_partial;  // which list of its SlabSet
    uint8_t quiet;    // how often it was the same
    bool fill_free;   // free blocks that are not zero hold the fill pattern (base/fill.h)
    Bitmap<kMaxSlabSlices * kPagesPerSlice> holes;  // decommitted pages before the limit
    uint64_t bits[1];                               // blocks / 64, rounded up

    bool IsFull() const noexcept { return free == 0 && limit == blocks && absent == 0; }
    bool IsEmpty() const noexcept { return free + absent == limit; }
    size_t size() const noexcept { return slices * kSliceSize; }
    size_t committed() const noexcept {
        const size_t pages = DivideUp(size_t{limit} * spacing(), kPageSize);
        const size_t missing = absent == 0 ? 0 : holes.CountInRange(0, pages);
        return (pages - missing) * kPageSize;
    }
    uint32_t spacing() const noexcept { return InfoOf(size_class).spacing; }
    uint32_t usable() const noexcept { return InfoOf(size_class).usable; }
    char* BlockAt(uint32_t index) const noexcept { return base + size_t{index} * spacing(); }
    bool Contains(const void* block) const noexcept {
        return static_cast<size_t>(static_cast<const char*>(block) - base) < size();
    }
    // REQUIRES: `block` lies in this slab.
    uint32_t IndexOf(const void* block) const noexcept {
        const size_t offset = static_cast<size_t>(static_cast<const char*>(block) - base);
        return static_cast<uint32_t>(Multiply(offset, InfoOf(size_class).reciprocal).high);
    }
};

}  // namespace strata::slab
