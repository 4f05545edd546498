// Walking a heap, block by block, in order of addresses.
#pragma once

#include <cstddef>
#include <cstdint>

#include "heap/heap.h"

namespace strata::heap {

// What HeapWalk reports for large blocks instead of a region's index.
inline constexpr uint8_t kLargeBlockIndex = 64;

// One step's result and the cursor for the next: start with address nullptr.
struct WalkEntry {
    enum class Kind : uint8_t { kRegion, kBusy, kFree, kUncommitted };
    void* address = nullptr;
    size_t bytes = 0;  // requested size (busy), usable size (free), extent (regions, uncommitted)
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

// Every slab is a region, followed by its blocks and the part that has no memory yet; so is the one
// region of a heap that cannot grow. A large run is one busy entry. Advances `entry`, of which only
// address and kind are read; false at the end.
// Safe while other threads use the heap: blocks that come and go meanwhile may be seen or not.
bool WalkStep(Heap& heap, WalkEntry& entry) noexcept;

}  // namespace strata::heap
