// What a private heap leaves behind when it ends: its record keeps a slab of each class it used, all blocks
// free, for the next heap that is made; and the bins of the thread that ended it stay filled from
// them, for the case that the same thread makes the next one. So a program that makes a heap for each
// document, with a few hundred blocks in it, needs no new slab for the second. What nobody wanted for a
// while goes back like all other memory. Internal to this folder.
#pragma once

#include "heap/heap_record.h"

namespace strata::heap {

// Ends all that is in a heap's slabs, and keeps what the next may use. True when it kept something.
// REQUIRES: nobody else uses the heap, and nobody else will.
bool LaySlabsToRest(Heap& heap, uint64_t serial) noexcept;

// Makes the slabs that the record has left the new heap's. REQUIRES: nobody uses it yet.
void WakeSlabs(Heap& heap) noexcept;
// The same with what the calling thread's bins have left. REQUIRES: it has its serial; WakeSlabs was called by the
// same thread.
void WakeBins(Heap& heap) noexcept;

// Gives back what LaySlabsToRest kept.
void StripSlabs(Heap& heap) noexcept;

}  // namespace strata::heap
