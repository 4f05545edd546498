// Asks the processor for a cache line.
#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

#include "base/compiler.h"

namespace strata {

// Fetches the line of `address`, any value whatever, to be written to. Not a prefetch for reading:
// that would leave the line with another processor, which has it, until the write comes. 64-bit
// Windows has asked for processors with this instruction since 8.1 ("CMPXCHG16b, PrefetchW and
// LAHF/SAHF", Windows' system requirements).
STRATA_INLINE void PrefetchForWrite(const void* address) noexcept {
#if defined(_MSC_VER) && !defined(__clang__)
    _m_prefetchw(address);
#else
    asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#endif
}

}  // namespace strata
