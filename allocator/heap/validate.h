// Whether a heap is whole.
#pragma once

#include "heap/block.h"

namespace strata::heap {

// True when all records of the heap agree with each other, and nothing that is filled was
// overwritten.
bool IsConsistent(Heap& heap) noexcept;

}  // namespace strata::heap
