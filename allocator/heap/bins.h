// Between a heap and a thread's bins: how bins are found, filled, emptied and handed in. Internal to
// this folder.
#pragma once

#include "cache/thread_cache.h"
#include "heap/heap_record.h"

namespace strata::heap {

// The calling thread's bin for a class of `heap`, made on demand; nullptr when this thread works on
// the heap without magazines (it is detached, or has not earned them yet).
cache::Bin* BinFor(Heap& heap, SizeClass size_class) noexcept;

// Takes one free block, through `bin` when it is not nullptr. False when memory is short.
bool TakeBlock(Heap& heap, cache::Bin* bin, SizeClass size_class, slab::FreeBlock& block) noexcept;

// Gives one free block back, through `bin` when it is not nullptr. Its state byte is free.
void GiveBlock(Heap& heap, cache::Bin* bin, SizeClass size_class, slab::FreeBlock block) noexcept;

// Puts free blocks of a class back in their slabs.
void ReturnToSlabs(Heap& heap, SizeClass size_class, const slab::FreeBlock* blocks,
                   uint32_t count) noexcept;

// Empties a bin into the slabs, rather than the depot: nobody wants these blocks.
void EmptyBin(Heap& heap, cache::Bin& bin, SizeClass size_class) noexcept;

// Empties kSizeClasses bins into the heap's depots and slabs; the bins are as new afterwards.
void HandInBins(Heap& heap, cache::Bin* bins) noexcept;

// The same for the bins of a slot, if its heap is still alive; the slot is empty afterwards.
// REQUIRES: the heap is pinned, or gone, or in the calling thread's use.
void HandInSlot(cache::HeapSlot& slot) noexcept;

// Empties all depots of `heap` into its slabs; or, with `surplus_only`, what they did not need lately.
void DrainDepots(Heap& heap, bool surplus_only) noexcept;

}  // namespace strata::heap
