// Resizing blocks, in place or into another block.
#pragma once

#include "heap/block.h"

namespace strata::heap {

// `block`: live, of `expected` unless that is nullptr, not null. nullptr: it is as it was.
void* Resize(Heap* expected, void* block, size_t bytes, const ResizeOptions& options) noexcept;

}  // namespace strata::heap
