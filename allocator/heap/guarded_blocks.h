// Guarded blocks (slab/guarded_block.h): those of page heaps, the large ones of hardened heaps, and
// samples (cache/sampling.h).
#pragma once

#include "heap/block.h"
#include "os/fatal.h"

namespace strata::heap {

struct GuardedBlocks {
    static constexpr BlockKind kKind = BlockKind::kGuarded;

    // Whether the next allocation from this heap is to be a guarded block. Counts it for the
    // sample. REQUIRES: heap.may_be_guarded; no region.
    static bool Wants(const Heap& heap, size_t bytes, const AllocateOptions& options) noexcept;

    // The live block that starts at `pointer`, in the slice with this entry of kind kGuarded; false
    // when none does.
    static bool Find(const arena::SliceEntry& entry, const void* pointer, Block& block) noexcept;
    // What any address in its slices is.
    static BlockInfo Describe(const slab::GuardedBlock& guarded, const void* pointer) noexcept;
    // Ends the process when what is around the block was overwritten.
    static void RequireIntact(os::Operation operation, const Block& block) noexcept;

    static void* Allocate(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept;
    static void Free(Block block) noexcept;
    static bool ResizeInPlace(Block block, size_t bytes, const ResizeOptions& options) noexcept;
    static bool ShouldStay(Block block, size_t bytes, const ResizeOptions& options) noexcept;
    static STRATA_INLINE size_t Usable(Block block) noexcept { return block.requested; }
    static bool IsIntact(Block block) noexcept;
    static bool AddUserRecord(Block& block) noexcept;

    // Ends all guarded blocks of a heap that ends.
    static void DestroyAll(Store& store) noexcept;
};

}  // namespace strata::heap
