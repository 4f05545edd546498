// Strata, through its malloc-style interface.
#pragma once

#include <cstddef>
#include <string>

#include <strata/strata.h>

namespace bench {

inline constexpr char kAllocator[] = "strata";
inline constexpr bool kHasHeaps = true;

inline std::string Version() {
    const int version = strata_version();
    return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
           std::to_string(version % 100);
}

inline void* Malloc(size_t size) { return strata_malloc(size); }
inline void* Calloc(size_t size) { return strata_calloc(1, size); }
inline void* Realloc(void* block, size_t size) { return strata_realloc(block, size); }
inline void Free(void* block) { strata_free(block); }
inline void* AlignedMalloc(size_t alignment, size_t size) {
    return strata_aligned_alloc(alignment, size);
}
inline void AlignedFree(void* block) { strata_free(block); }
inline size_t BlockSize(void* block) { return strata_requested_size(block); }

using Heap = strata_heap*;
inline Heap CreateHeap() { return strata_heap_create(); }
inline void* HeapMalloc(Heap heap, size_t size) { return strata_heap_malloc(heap, size); }
inline void HeapRelease(Heap heap, void* block) { strata_heap_free(heap, block); }
inline void DestroyHeap(Heap heap) { strata_heap_destroy(heap); }

inline size_t OwnPeakCommit() {
    strata_statistics statistics = {};
    statistics.struct_size = sizeof(statistics);
    return strata_get_statistics(&statistics) != 0 ? statistics.peak_committed : 0;
}
inline size_t PeakRequested() { return 0; }

}  // namespace bench
