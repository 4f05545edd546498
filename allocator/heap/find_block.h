// From a pointer to what is known of its block.
#pragma once

#include "heap/block_kinds.h"
#include "os/fatal.h"

namespace strata::heap {

// Where a pointer, any value whatever, points to: the entry of its slice. Found in constant time,
// without touching what lies there, and handed on, so that one call looks it up once.
class Place {
public:
    static STRATA_INLINE Place Of(const void* pointer) noexcept {
        return Place(arena::g_slice_map.Find(AddressOf(pointer)));
    }
    // True when it lies in an arena of Strata.
    bool IsOwn() const noexcept { return entry_ != nullptr; }

    // The live block of a slab or a run that starts at `pointer`; false when none does.
    STRATA_INLINE bool FindBlock(const void* pointer, Block& block) const noexcept {
        if (entry_ == nullptr) return false;
        if (SlabBlocks::Find(*entry_, pointer, block)) return true;
        return Kind() == arena::SliceKind::kRun && RunBlocks::Find(*entry_, pointer, block);
    }
    // The same for a guarded block.
    bool FindGuarded(const void* pointer, Block& block) const noexcept {
        return Kind() == arena::SliceKind::kGuarded && GuardedBlocks::Find(*entry_, pointer, block);
    }

    arena::SliceKind Kind() const noexcept {
        return entry_ == nullptr ? arena::SliceKind::kNone
                                 : entry_->kind.load(std::memory_order_relaxed);
    }
    // REQUIRES: IsOwn().
    const arena::SliceEntry& entry() const noexcept { return *entry_; }

private:
    explicit Place(const arena::SliceEntry* entry) noexcept : entry_(entry) {}
    const arena::SliceEntry* entry_;
};

inline bool Owns(const void* pointer) noexcept { return Place::Of(pointer).IsOwn(); }

// RequireBlock for blocks in regions, guarded blocks, and the end of the process for what is no
// block.
STRATA_COLD Block RequireBlockSlow(os::Operation operation, const void* pointer, Place place,
                                   const Heap* expected) noexcept;

// The live block at `pointer`, which lies at `place`, of `expected` unless that is nullptr; or the
// end of the process.
STRATA_INLINE Block RequireBlock(os::Operation operation, const void* pointer, Place place,
                                 const Heap* expected) noexcept {
    Block block;
    const bool good = STRATA_LIKELY(place.FindBlock(pointer, block)) &&
                      (expected == nullptr || block.heap == expected) &&
                      block.requested <= block.usable;
    if (STRATA_UNLIKELY(!good)) return RequireBlockSlow(operation, pointer, place, expected);
    return block;
}

// Finds the block again, at the place that is known: handed over, it would lie in memory on the
// common way, too.
STRATA_COLD void RequireTailSlow(os::Operation operation, const void* pointer,
                                 Place place) noexcept;

// Ends the process when the bytes behind the block are not as they were filled. (RequireBlock has
// seen to those of guarded blocks.)
STRATA_INLINE void RequireTail(os::Operation operation, const Block& block, Place place) noexcept {
    if (STRATA_UNLIKELY(block.heap->check_tail)) RequireTailSlow(operation, block.pointer, place);
}

// What stands at a pointer, any value. Exact for any block that no other thread frees meanwhile.
BlockInfo Describe(const void* pointer) noexcept;

// Ends the process with the message for what `info` says of `pointer`.
[[noreturn]] void ReportBadPointer(os::Operation operation, const void* pointer,
                                   const BlockInfo& info, const Heap* expected) noexcept;

}  // namespace strata::heap
