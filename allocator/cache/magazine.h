// Magazines: small arrays of free blocks, and the bin, a thread's two magazines for one size class.
//
// malloc pops from one magazine, free pushes to the other; they change places when the first is
// empty. With a single stack every free's store would feed the next malloc's load, and a pair of
// them would become one dependency chain (measured: 8.2 ns against 4.6 ns).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bits.h"
#include "base/compiler.h"
#include "base/constants.h"
#include "base/prefetch.h"
#include "slab/slab.h"

namespace strata::cache {

using slab::FreeBlock;

// In front of the blocks stands one more entry's room, the header. While the magazine is in a bin its
// first word is null: where a block would be, there is none, so a pop needs no other test for the end.
struct Magazine {
    Magazine* next;  // in a list of magazines; nullptr in a bin
    uint32_t capacity;
    uint32_t count;       // only while in a depot or veiled; a bin keeps pointers instead
    FreeBlock blocks[1];  // `capacity` of them
};
static_assert(offsetof(Magazine, blocks) == sizeof(FreeBlock));

constexpr size_t MagazineBytes(uint32_t capacity) noexcept {
    return offsetof(Magazine, blocks) + capacity * sizeof(FreeBlock);
}
static_assert(MagazineBytes(kMaxMagazineEntries) == 2048);
static_assert(MagazineBytes(kFirstMagazineEntries) == 64);

// An empty magazine; nullptr when memory is short.
Magazine* CreateMagazine(uint32_t capacity) noexcept;
void DestroyMagazine(Magazine* magazine) noexcept;

// Empty magazines that a thread keeps at hand: it gives one to the depot with every full one it takes
// from there, the other way round, and would else make and end one each time.
class Spares {
public:
    // As CreateMagazine and DestroyMagazine.
    Magazine* Create(uint32_t capacity) noexcept;
    void Destroy(Magazine* magazine) noexcept;
    // Ends all of them.
    void Clear() noexcept;
    size_t size() const noexcept;

private:
    static constexpr size_t kCapacities = FloorLog2(kMaxMagazineEntries + 1) + 1;
    Magazine* lists_[kCapacities];
    uint8_t counts_[kCapacities];
};

// The header of a magazine without blocks, for bins that have none.
extern const FreeBlock kNoBlocks[1];

// A new one has no magazines, so that both pop and push go the slow way. Belongs to one thread.
struct Bin {
    // One past the next block to hand out; a null block there means that none is left.
    FreeBlock* alloc_top = const_cast<FreeBlock*>(kNoBlocks) + 1;
    FreeBlock* free_top = nullptr;  // where the next freed block goes
    FreeBlock* free_end = nullptr;  // == free_top: full
    FreeBlock* free_base = nullptr;

    STRATA_INLINE bool Pop(FreeBlock& block) noexcept {
        FreeBlock* const top = alloc_top;
        void* const found = top[-1].block;
        if (STRATA_UNLIKELY(found == nullptr)) return false;
        alloc_top = top - 1;
        // What the next pop will hand out: its owner writes to it at once, and nobody here has touched it since it
        // was freed. Below the last block is the header's null.
        PrefetchForWrite(top[-2].block);
        block = {found, top[-1].state};
        return true;
    }
    STRATA_INLINE bool Push(void* block, StateByte* state) noexcept {
        FreeBlock* const top = free_top;
        if (STRATA_UNLIKELY(top == free_end)) return false;
        top->block = block;
        top->state = state;
        free_top = top + 1;
        return true;
    }

    static Magazine* MagazineOf(FreeBlock* base) noexcept {
        return base == nullptr ? nullptr
                               : reinterpret_cast<Magazine*>(reinterpret_cast<char*>(base) -
                                                             offsetof(Magazine, blocks));
    }
    bool HasMagazine() const noexcept { return alloc_top != kNoBlocks + 1 || free_base != nullptr; }
    bool IsAllocEmpty() const noexcept { return alloc_top[-1].block == nullptr; }
    // Blocks left in the magazine for allocation: counted, one by one.
    uint32_t alloc_count() const noexcept {
        uint32_t count = 0;
        while (alloc_top[-1 - static_cast<ptrdiff_t>(count)].block != nullptr) ++count;
        return count;
    }
    uint32_t free_count() const noexcept { return static_cast<uint32_t>(free_top - free_base); }
    uint32_t free_capacity() const noexcept { return static_cast<uint32_t>(free_end - free_base); }
    Magazine* alloc_magazine() const noexcept {
        FreeBlock* const base = alloc_top - alloc_count();
        return base == kNoBlocks + 1 ? nullptr : MagazineOf(base);
    }
    Magazine* free_magazine() const noexcept { return MagazineOf(free_base); }

    // Puts `magazine` with `count` blocks in the place of the old one, which the caller has taken.
    void SetAlloc(Magazine* magazine, uint32_t count) noexcept {
        if (magazine == nullptr) {
            alloc_top = const_cast<FreeBlock*>(kNoBlocks) + 1;
            return;
        }
        magazine->next = nullptr;
        alloc_top = magazine->blocks + count;
    }
    void SetFree(Magazine* magazine, uint32_t count) noexcept {
        if (magazine == nullptr) {
            free_base = free_top = free_end = nullptr;
            return;
        }
        free_base = magazine->blocks;
        free_top = magazine->blocks + count;
        free_end = magazine->blocks + magazine->capacity;
    }
    // Swap when the magazine for allocation is empty, and the other one is not.
    STRATA_INLINE void SwapEmpty() noexcept {
        FreeBlock* const empty = alloc_top;
        alloc_top = free_top;
        SetFree(empty == kNoBlocks + 1 ? nullptr : MagazineOf(empty), 0);
    }
    void Swap() noexcept {
        Magazine* const alloc = alloc_magazine();
        Magazine* const free = free_magazine();
        const uint32_t allocs = alloc_count();
        const uint32_t frees = free_count();
        SetAlloc(free, frees);
        SetFree(alloc, allocs);
    }

    // A veiled side looks empty, or full, so that its owner takes the slow way, which lifts the veil
    // (cache/veil.h). How much is in it stands in its magazine.
    void VeilAlloc() noexcept {
        const uint32_t count = alloc_count();
        Magazine* const magazine = alloc_magazine();
        if (magazine == nullptr) return;
        magazine->count = count;
        alloc_top = magazine->blocks;
    }
    void VeilFree() noexcept {
        if (Magazine* const magazine = free_magazine()) magazine->count = free_count();
        free_end = free_top;
    }
    void UnveilAlloc() noexcept {
        if (Magazine* const magazine = alloc_magazine()) SetAlloc(magazine, magazine->count);
    }
    void UnveilFree() noexcept {
        if (Magazine* const magazine = free_magazine()) SetFree(magazine, magazine->count);
    }
};
static_assert(sizeof(Bin) == 32, "the fast path of malloc scales by it");

}  // namespace strata::cache
