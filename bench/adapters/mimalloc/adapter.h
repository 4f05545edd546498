// mimalloc, the baseline, with its default options.
#pragma once

#include <cstddef>
#include <string>

#include <mimalloc.h>

namespace bench {

inline constexpr char kAllocator[] = "mimalloc";
inline constexpr bool kHasHeaps = true;

// Of the library that runs; 2.0.9 counts 209, 3.4.3 counts 30403.
inline std::string Version() {
    const int version = mi_version();
    const int base = version > 9999 ? 100 : 10;
    return std::to_string(version / (base * base)) + "." + std::to_string(version / base % base) +
           "." + std::to_string(version % base);
}

inline void* Malloc(size_t size) { return mi_malloc(size); }
inline void* Calloc(size_t size) { return mi_calloc(1, size); }
inline void* Realloc(void* block, size_t size) { return mi_realloc(block, size); }
inline void Free(void* block) { mi_free(block); }
inline void* AlignedMalloc(size_t alignment, size_t size) {
    return mi_malloc_aligned(size, alignment);
}
inline void AlignedFree(void* block) { mi_free(block); }
inline size_t BlockSize(void* block) { return mi_usable_size(block); }

using Heap = mi_heap_t*;
inline Heap CreateHeap() { return mi_heap_new(); }
inline void* HeapMalloc(Heap heap, size_t size) { return mi_heap_malloc(heap, size); }
inline void HeapRelease(Heap, void* block) { mi_free(block); }
inline void DestroyHeap(Heap heap) { mi_heap_destroy(heap); }

inline size_t OwnPeakCommit() { return 0; }
inline size_t PeakRequested() { return 0; }

}  // namespace bench
