// The full 128-bit product of two 64-bit numbers, and the test of divisibility built on it.
#pragma once

#include <cstdint>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

#include "base/compiler.h"

namespace strata {

struct Product {
    uint64_t high;
    uint64_t low;
};

STRATA_INLINE Product Multiply(uint64_t a, uint64_t b) noexcept {
#if defined(_MSC_VER) && !defined(__clang__)
    Product product;
    product.low = _umul128(a, b, &product.high);
    return product;
#else
    __extension__ typedef unsigned __int128 Wide;
    const Wide wide = static_cast<Wide>(a) * b;
    return {static_cast<uint64_t>(wide >> 64), static_cast<uint64_t>(wide)};
#endif
}

// Division by a constant d through its reciprocal c = ceil(2^64 / d): with the product n * c, the
// high half is n / d, and d divides n exactly when the low half is below c. (Lemire, Kaser, Kurz,
// "Faster remainder by direct computation", 2019.) Both hold while n * (c * d - 2^64) < 2^64, that
// is for every n below 2^32 and d up to 2^32, far beyond any slab: see size_classes_test.cpp.
// REQUIRES: divisor > 1.
constexpr uint64_t Reciprocal(uint32_t divisor) noexcept { return UINT64_MAX / divisor + 1; }

}  // namespace strata
