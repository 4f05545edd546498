// Strata through its Win32-style interface, called directly: beside `default` under the override it
// shows what the redirect itself costs.
#pragma once

#include <cstddef>
#include <string>

#include <strata/heap_api.h>
#include <strata/strata.h>

namespace bench {

inline constexpr char kAllocator[] = "direct";
inline constexpr bool kHasHeaps = true;

inline const HANDLE kProcessHeap = StrataGetProcessHeap();

inline std::string Version() { return "StrataHeapAlloc"; }

inline void* Malloc(size_t size) { return StrataHeapAlloc(kProcessHeap, 0, size); }
inline void* Calloc(size_t size) { return StrataHeapAlloc(kProcessHeap, HEAP_ZERO_MEMORY, size); }
inline void* Realloc(void* block, size_t size) {
    if (block == nullptr) return Malloc(size);
    return StrataHeapReAlloc(kProcessHeap, 0, block, size);
}
inline void Free(void* block) { StrataHeapFree(kProcessHeap, 0, block); }
inline void* AlignedMalloc(size_t alignment, size_t size) {
    return strata_aligned_alloc(alignment, size);
}
inline void AlignedFree(void* block) { strata_free(block); }
inline size_t BlockSize(void* block) { return StrataHeapSize(kProcessHeap, 0, block); }

using Heap = HANDLE;
inline Heap CreateHeap() { return StrataHeapCreate(0, 0, 0); }
inline void* HeapMalloc(Heap heap, size_t size) { return StrataHeapAlloc(heap, 0, size); }
inline void HeapRelease(Heap heap, void* block) { StrataHeapFree(heap, 0, block); }
inline void DestroyHeap(Heap heap) { StrataHeapDestroy(heap); }

inline size_t OwnPeakCommit() { return 0; }
inline size_t PeakRequested() { return 0; }

}  // namespace bench
