// Random numbers for hardened heaps: which block is next, and what stands behind it.
#pragma once

#include <cstdint>

namespace strata::os {

// A number that differs from process to process and that nothing else shows: from the processor's
// generator where there is one, and from RandomBits.
uint64_t Secret() noexcept;

// Mixes all bits of `value` (the finaliser of SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
constexpr uint64_t Scramble(uint64_t value) noexcept {
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

// The next of a sequence that begins at Secret. Any thread; no lock.
uint64_t FastRandom() noexcept;

}  // namespace strata::os
