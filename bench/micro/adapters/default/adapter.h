// The default heap of the process, through the Win32 interface.
#pragma once

#include <windows.h>

#include <cstddef>
#include <string>

namespace bench {

inline constexpr char kAllocator[] = "default";

inline const HANDLE kProcessHeap = GetProcessHeap();

inline std::string Version() { return "process heap"; }

inline void* Malloc(size_t size) { return HeapAlloc(kProcessHeap, 0, size); }
inline void* Calloc(size_t size) { return HeapAlloc(kProcessHeap, HEAP_ZERO_MEMORY, size); }
inline void* Realloc(void* block, size_t size) { return HeapReAlloc(kProcessHeap, 0, block, size); }
inline void Free(void* block) { HeapFree(kProcessHeap, 0, block); }

}  // namespace bench
