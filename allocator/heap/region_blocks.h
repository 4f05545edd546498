// Blocks of heaps that cannot grow: cut from the heap's region, under its one lock.
#pragma once

#include "heap/block.h"
#include "store/heap_lock.h"

namespace strata::heap {

struct RegionBlocks : TailedBlocks {
    static constexpr BlockKind kKind = BlockKind::kRegion;

    // The live block of `heap` that starts at `pointer`, any value; false when none does.
    // REQUIRES: the region's lock.
    static bool FindLocked(Heap& heap, const void* pointer, Block& block) noexcept;
    static bool Find(Heap& heap, const void* pointer, Block& block) noexcept {
        const store::RegionGuard guard(heap);
        return FindLocked(heap, pointer, block);
    }
    // What any address in the region is.
    static BlockInfo Describe(Heap& heap, const void* pointer) noexcept;
    // The heap that cannot grow in whose region `pointer`, any value, lies, or nullptr. It is in
    // the caller's use, as the pointer is one to a block in it; or the process is about to end.
    static Heap* HeapOf(const void* pointer) noexcept;

    static void* Allocate(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept;
    static void Free(Block block) noexcept;
    static bool ResizeInPlace(Block block, size_t bytes, const ResizeOptions& options) noexcept;
    static bool ShouldStay(Block block, size_t bytes, const ResizeOptions& options) noexcept;
    static bool AddUserRecord(Block& block) noexcept;
};

}  // namespace strata::heap
