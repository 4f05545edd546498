// What a private heap leaves behind when it ends: its record keeps a slab of each class it used,
// all blocks free, for the next heap that is made; and the bins of the thread that ended it stay
// filled from them, for the case that the same thread makes the next one. So a program that makes a
// heap for each document, with a few hundred blocks in it, needs no new slab for the second. What
// nobody wanted for a while goes back like all other memory.
#pragma once

#include "heap/block.h"

namespace strata::heap {

// Ends all that is in a heap's slabs, and keeps what the next may use. True when it kept something.
// REQUIRES: nobody else uses the heap, and nobody else will.
bool RetireSlabs(Heap& heap, uint64_t serial) noexcept;

// Makes the slabs that the record has left the new heap's. REQUIRES: nobody uses it yet.
void ReviveSlabs(Heap& heap) noexcept;
// The same with what the calling thread's bins have left. REQUIRES: it has its serial; ReviveSlabs
// was called by the same thread.
void ReviveBins(Heap& heap) noexcept;

// Releases what RetireSlabs kept.
void ReleaseSlabs(Heap& heap) noexcept;

// Releases what heaps that ended some time ago left behind, or `everything` of it.
void ReleaseDormant(uint64_t now, bool everything) noexcept;

}  // namespace strata::heap
