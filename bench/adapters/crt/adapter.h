// malloc of the C runtime that the program is linked with.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string>

#include "no_heaps.h"

#ifndef _WIN32
#include <malloc.h>
#endif

namespace bench {

inline constexpr char kAllocator[] = "crt";

inline std::string Version() { return "malloc"; }

inline void* Malloc(size_t size) { return std::malloc(size); }
inline void* Calloc(size_t size) { return std::calloc(1, size); }
inline void* Realloc(void* block, size_t size) { return std::realloc(block, size); }
inline void Free(void* block) { std::free(block); }

#ifdef _WIN32
inline void* AlignedMalloc(size_t alignment, size_t size) {
    return _aligned_malloc(size, alignment);
}
inline void AlignedFree(void* block) { _aligned_free(block); }
inline size_t BlockSize(void* block) { return _msize(block); }
#else
inline void* AlignedMalloc(size_t alignment, size_t size) {
    return std::aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
}
inline void AlignedFree(void* block) { std::free(block); }
inline size_t BlockSize(void* block) { return malloc_usable_size(block); }
#endif

inline size_t OwnPeakCommit() { return 0; }
inline size_t PeakRequested() { return 0; }

}  // namespace bench
