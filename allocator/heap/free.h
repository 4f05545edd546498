// Freeing blocks of any kind.
#pragma once

#include "heap/find_block.h"

namespace strata::heap {

// Frees a live block, which lies at `place`. `expected`: the heap it must belong to, or nullptr for
// any.
void FreeAt(Place place, Heap* expected, void* block) noexcept;

inline void Free(Heap* expected, void* block) noexcept {
    FreeAt(Place::Of(block), expected, block);
}

// What the fast path leaves: any pointer, any state of the thread. Nothing for nullptr.
STRATA_COLD void FreeSlow(void* block) noexcept;

}  // namespace strata::heap
