// What is different about the slabs of hardened heaps: a slice without memory before and behind
// each, and blocks that are taken at random.
//
// No function here locks: the caller holds the lock of the heap's size class.
#pragma once

#include "arena/owner.h"
#include "os/memory.h"
#include "slab/slab_record.h"

namespace strata::slab {

// The arena owner of slices that are guards.
inline constexpr arena::Owner kGuardOwner = 3;

// `slices` slices for `owner`, between one without memory on either side. nullptr when memory is
// short, or a guard's former pages could not be decommitted. Give them back with FreeBetweenGuards.
char* AllocateBetweenGuards(size_t slices, arena::Owner owner, os::Access access) noexcept;
void FreeBetweenGuards(char* base, size_t slices) noexcept;

// Decommits what is still committed of slices that were just allocated; false when that fails.
bool DecommitAll(char* base, size_t slices) noexcept;

// Takes one free block of the slab. Returns 1. REQUIRES: it has one.
uint32_t TakeRandomBlock(Slab& slab, FreeBlock& out) noexcept;

}  // namespace strata::slab
