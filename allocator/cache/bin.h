// The bin: a thread's two magazines for one size class.
//
// malloc pops from one magazine, free pushes to the other; they change places when the first is
// empty. With a single stack every free's store would feed the next malloc's load, and a pair of
// them would become one dependency chain (measured: 8.2 ns against 4.6 ns).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/compiler.h"
#include "base/prefetch.h"
#include "store/bin_offset.h"
#include "store/magazine.h"

namespace strata::cache {

using store::FreeBlock;
using store::Magazine;

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
        // What the next pop will hand out: its owner writes to it at once, and nobody here has
        // touched it since it was freed. Below the last block is the header's null.
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

    // A closed side looks empty, or full, so that its owner takes the slow path, which opens it
    // (cache/idle_bins.h). How much is in it stands in its magazine.
    void CloseAlloc() noexcept {
        const uint32_t count = alloc_count();
        Magazine* const magazine = alloc_magazine();
        if (magazine == nullptr) return;
        magazine->count = count;
        alloc_top = magazine->blocks;
    }
    void CloseFree() noexcept {
        if (Magazine* const magazine = free_magazine()) magazine->count = free_count();
        free_end = free_top;
    }
    void OpenAlloc() noexcept {
        if (Magazine* const magazine = alloc_magazine()) SetAlloc(magazine, magazine->count);
    }
    void OpenFree() noexcept {
        if (Magazine* const magazine = free_magazine()) SetFree(magazine, magazine->count);
    }
};
static_assert(sizeof(Bin) == store::kBinBytes);

}  // namespace strata::cache
