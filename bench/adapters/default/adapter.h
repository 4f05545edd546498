// The default heap of the process, and heaps from HeapCreate, through the Win32 interface.
#pragma once

#include <windows.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace bench {

inline constexpr char kAllocator[] = "default";
inline constexpr bool kHasHeaps = true;

inline const HANDLE kProcessHeap = GetProcessHeap();

inline std::string Version() { return "process heap"; }

inline void* Malloc(size_t size) { return HeapAlloc(kProcessHeap, 0, size); }
inline void* Calloc(size_t size) { return HeapAlloc(kProcessHeap, HEAP_ZERO_MEMORY, size); }
inline void* Realloc(void* block, size_t size) {
    if (block == nullptr) return Malloc(size);
    return HeapReAlloc(kProcessHeap, 0, block, size);
}
inline void Free(void* block) { HeapFree(kProcessHeap, 0, block); }
inline size_t BlockSize(void* block) { return HeapSize(kProcessHeap, 0, block); }

// Win32 heaps align to 16 bytes only. Programs help themselves as here: a larger block, with a note
// of where it began.
inline void* AlignedMalloc(size_t alignment, size_t size) {
    void* block = HeapAlloc(kProcessHeap, 0, size + alignment + sizeof(void*));
    if (block == nullptr) return nullptr;
    const uintptr_t start = reinterpret_cast<uintptr_t>(block) + sizeof(void*) + alignment - 1;
    auto* aligned = reinterpret_cast<void**>(start & ~(alignment - 1));
    aligned[-1] = block;
    return aligned;
}
inline void AlignedFree(void* block) { HeapFree(kProcessHeap, 0, static_cast<void**>(block)[-1]); }

using Heap = HANDLE;
inline Heap CreateHeap() { return HeapCreate(0, 0, 0); }
inline void* HeapMalloc(Heap heap, size_t size) { return HeapAlloc(heap, 0, size); }
inline void HeapRelease(Heap heap, void* block) { HeapFree(heap, 0, block); }
inline void DestroyHeap(Heap heap) { HeapDestroy(heap); }

inline size_t OwnPeakCommit() { return 0; }
inline size_t PeakRequested() { return 0; }

}  // namespace bench
