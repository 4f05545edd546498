// Strata, through its malloc-style interface.
#pragma once

#include <cstddef>
#include <string>

#include <strata/strata.h>

namespace bench {

inline constexpr char kAllocator[] = "strata";

inline std::string Version() {
    const int version = strata_version();
    return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
           std::to_string(version % 100);
}

inline void* Malloc(size_t size) { return strata_malloc(size); }
inline void* Calloc(size_t size) { return strata_calloc(1, size); }
inline void* Realloc(void* block, size_t size) { return strata_realloc(block, size); }
inline void Free(void* block) { strata_free(block); }

}  // namespace bench
