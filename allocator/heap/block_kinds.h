// The one place where code is chosen by a block's kind.
#pragma once

#include "heap/guarded_blocks.h"
#include "heap/region_blocks.h"
#include "heap/run_blocks.h"
#include "heap/slab_blocks.h"

namespace strata::heap {

static_assert(BlockVerbs<SlabBlocks> && BlockVerbs<RunBlocks> && BlockVerbs<RegionBlocks> &&
              BlockVerbs<GuardedBlocks>);

// Returns f(SlabBlocks{}), f(RunBlocks{}) …, by the block's kind. REQUIRES: not kNone.
template <typename F>
STRATA_INLINE auto ByKind(Block block, F f) noexcept {
    if (STRATA_LIKELY(block.kind == BlockKind::kSlab)) return f(SlabBlocks{});
    switch (block.kind) {
        case BlockKind::kRun:
            return f(RunBlocks{});
        case BlockKind::kRegion:
            return f(RegionBlocks{});
        case BlockKind::kGuarded:
            return f(GuardedBlocks{});
        case BlockKind::kSlab:
        case BlockKind::kNone:
            break;
    }
    return f(SlabBlocks{});
}

STRATA_INLINE size_t UsableOf(const Block& block) noexcept {
    return ByKind(block, [&](auto kind) noexcept { return kind.Usable(block); });
}
STRATA_INLINE bool IsIntact(const Block& block) noexcept {
    return ByKind(block, [&](auto kind) noexcept { return kind.IsIntact(block); });
}

}  // namespace strata::heap
