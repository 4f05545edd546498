// mimalloc, the baseline, with its default options.
#pragma once

#include <cstddef>
#include <string>

#include <mimalloc.h>

namespace bench {

inline constexpr char kAllocator[] = "mimalloc";

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

}  // namespace bench
