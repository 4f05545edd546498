// malloc of the C runtime that the program is linked with.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string>

namespace bench {

inline constexpr char kAllocator[] = "crt";

inline std::string Version() { return "malloc"; }

inline void* Malloc(size_t size) { return std::malloc(size); }
inline void* Calloc(size_t size) { return std::calloc(1, size); }
inline void* Realloc(void* block, size_t size) { return std::realloc(block, size); }
inline void Free(void* block) { std::free(block); }

}  // namespace bench
