// Guarded blocks (slab/guarded_block.h) as blocks of heaps: who gets one, and what becomes of them.
// Internal to this folder.
#pragma once

#include "heap/block.h"
#include "heap/heap_record.h"

namespace strata::heap {

// The block that an allocation from this heap is to be: a guarded one where the heap has only those, or
// only those of this size, or this allocation is the sample; nullptr when it is to be an ordinary one, or
// memory for a guarded one is short. REQUIRES: heap.has_door; no region.
void* AllocateGuarded(Heap& heap, size_t bytes, const AllocateOptions& options) noexcept;

// The live guarded block that starts at `pointer`; false when none does.
bool FindGuarded(const void* pointer, Block& block) noexcept;
BlockInfo DescribeGuarded(const slab::GuardedBlock& guarded, const void* pointer) noexcept;

// All these: `block.guarded` is the block.
void FreeGuarded(const Block& block, void* pointer) noexcept;
bool ResizeGuarded(Block& block, size_t bytes, const ResizeOptions& options) noexcept;
// Whether a block of `bytes` would stand against its guard just as well.
bool IsWellPlaced(const Block& block, size_t bytes) noexcept;

// All guarded blocks of a heap that ends.
void RetireAllGuarded(Heap& heap) noexcept;

}  // namespace strata::heap
