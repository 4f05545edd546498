// Walking a heap, block by block, in order of addresses.
#pragma once

#include <cstddef>
#include <cstdint>

#include "heap/block.h"

namespace strata::heap {

// What HeapWalk reports for blocks that stand for themselves instead of a region's index.
inline constexpr uint8_t kLargeBlockIndex = 64;

// One step's result and the cursor for the next: start with address nullptr.
struct WalkEntry {
    enum class Kind : uint8_t { kRegion, kBusy, kFree, kUncommitted };
    void* address = nullptr;
    size_t bytes = 0;              // requested size (busy), else the extent
    size_t committed_bytes = 0;    // regions
    size_t uncommitted_bytes = 0;  // regions
    void* first_block = nullptr;   // regions
    void* last_block = nullptr;    // regions: one past the last block's end
    void* user_value = nullptr;    // busy, with a user record
    uint32_t user_flags = 0;       // likewise
    Kind kind = Kind::kRegion;
    uint8_t region_index = 0;
    uint8_t overhead = 0;  // busy: what the block takes beyond its bytes, at most 255
    bool has_user = false;
};

// Regions first, each followed by what lies in it: a region is slabs and runs that lie side by
// side, or the one region of a heap that cannot grow. Its blocks have its index, counted from 0.
// Free blocks that lie side by side are one entry; pages without memory are entries of their own;
// slabs without a live block are not reported. Then the blocks that stand for themselves, as on
// Windows those with a reservation of their own (above slab::kMaxRegionBlock, and guarded ones):
// one busy entry each, without a region. Advances `entry`, of which only address, kind and
// region_index are read; false at the end. A step takes time in proportion to the free blocks it
// passes; the first in a region to what lies there. Safe while other threads use the heap: blocks
// that come and go meanwhile may be seen or not.
bool WalkStep(Heap& heap, WalkEntry& entry) noexcept;

}  // namespace strata::heap
