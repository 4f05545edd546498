// Questions about blocks.
#pragma once

#include "heap/block.h"

namespace strata::heap {

// Fatal unless `block` is live. Usable is what the caller may write: what Strata keeps in a block's
// last bytes lies behind it.
size_t RequestedSize(const void* block) noexcept;
size_t UsableSize(const void* block) noexcept;

// The rest are for pointers about which nothing is known, also against other threads' frees, but
// give only true answers for blocks of `heap`: they hold the lock that guards the block's record.

// True when it is a live block of the heap.
bool IsLiveBlock(Heap& heap, const void* pointer, size_t* requested) noexcept;
// True when it is, and nothing that can be checked about it is wrong.
bool IsIntactBlock(Heap& heap, const void* pointer) noexcept;
// The user record of a live block of `heap`; all zero without one, and `found` says whether. False
// when it is no such block.
bool GetUserRecord(Heap& heap, const void* pointer, UserRecord& record,
                   bool* found = nullptr) noexcept;
// False when it is no live block of `heap`, or was allocated without a user record.
bool SetUserValue(Heap& heap, void* pointer, void* value) noexcept;
// Clears the flags in `reset`, then sets those in `set`. Makes a user record if need be and there
// is room for one beside the block; false when not.
bool SetUserFlags(Heap& heap, void* pointer, uint32_t reset, uint32_t set) noexcept;
// The heap in which a live block starts at `pointer`; or nullptr.
Heap* HeapOfLiveBlock(const void* pointer) noexcept;

}  // namespace strata::heap
