// Large runs as blocks.
#pragma once

#include "heap/block.h"

namespace strata::heap {

struct RunBlocks : TailedBlocks {
    static constexpr BlockKind kKind = BlockKind::kRun;

    // The live run that starts at `pointer`, in the slice with this entry of kind kRun; false when
    // none does.
    static STRATA_INLINE bool Find(const arena::SliceEntry& entry, const void* pointer,
                                   Block& block) noexcept {
        slab::LargeRun* const run = slab::RunOf(entry);
        if (run->base != pointer || !run->IsLive()) return false;
        block.kind = kKind;
        block.pointer = run->base;
        block.record = run;
        block.heap = run->heap;
        block.requested = run->requested.load(std::memory_order_relaxed);
        block.usable = run->usable();
        if (run->has_user.load(std::memory_order_relaxed)) block.user = &run->user;
        return true;
    }
    // What any address in a run is.
    static BlockInfo Describe(const slab::LargeRun& run, const void* pointer) noexcept;

    static void* Allocate(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept;
    static STRATA_INLINE void Free(Block block) noexcept { FreeRun(block.run()); }
    static bool ResizeInPlace(Block block, size_t bytes, const ResizeOptions& options) noexcept;
    static bool ShouldStay(Block block, size_t bytes, const ResizeOptions& options) noexcept;
    static bool AddUserRecord(Block& block) noexcept;

private:
    static void FreeRun(slab::LargeRun& run) noexcept;
};

}  // namespace strata::heap
