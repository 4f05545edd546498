// For adapters of allocators that have no heaps of one's own. Never called: kHasHeaps is asked
// first.
#pragma once

#include <cstddef>

namespace bench {

inline constexpr bool kHasHeaps = false;

using Heap = void*;
inline Heap CreateHeap() { return nullptr; }
inline void* HeapMalloc(Heap, size_t) { return nullptr; }
inline void HeapRelease(Heap, void*) {}
inline void DestroyHeap(Heap) {}

}  // namespace bench
