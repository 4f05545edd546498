#include "base/multiply.h"

#include <gtest/gtest.h>

#include "support/model.h"

namespace strata {
namespace {

// Schoolbook multiplication of 32-bit halves.
Product SlowMultiply(uint64_t a, uint64_t b) {
    const uint64_t a0 = a & UINT32_MAX, a1 = a >> 32, b0 = b & UINT32_MAX, b1 = b >> 32;
    const uint64_t low = a0 * b0;
    const uint64_t middle1 = a1 * b0 + (low >> 32);
    const uint64_t middle2 = a0 * b1 + (middle1 & UINT32_MAX);
    return {a1 * b1 + (middle1 >> 32) + (middle2 >> 32), (middle2 << 32) | (low & UINT32_MAX)};
}

TEST(Multiply, GivesAll128Bits) {
    EXPECT_EQ(Multiply(UINT64_MAX, UINT64_MAX).high, UINT64_MAX - 1);
    EXPECT_EQ(Multiply(UINT64_MAX, UINT64_MAX).low, 1u);
    EXPECT_EQ(Multiply(0, UINT64_MAX).high, 0u);
    test::Random random(2);
    for (int i = 0; i < 100'000; ++i) {
        const uint64_t a = random.Skewed(UINT64_MAX), b = random.Skewed(UINT64_MAX);
        const Product fast = Multiply(a, b), slow = SlowMultiply(a, b);
        ASSERT_EQ(fast.high, slow.high) << a << " * " << b;
        ASSERT_EQ(fast.low, slow.low) << a << " * " << b;
    }
}

TEST(Reciprocal, IsTheCeilingOfTheQuotient) {
    // c = ceil(2^64 / d) means: c * d >= 2^64 > (c - 1) * d.
    for (uint64_t d = 2; d <= 70'000; ++d) {
        const uint64_t c = Reciprocal(static_cast<uint32_t>(d));
        ASSERT_EQ(Multiply(c, d).high, 1u) << d;
        ASSERT_LT(Multiply(c, d).low, d) << d;
    }
    EXPECT_EQ(Reciprocal(UINT32_MAX), (uint64_t{1} << 32) + 2);
}

// The bound that multiply.h states, at its edges: dividends around multiples, up to 2^32.
TEST(Reciprocal, DividesUpToTwoToThe32) {
    test::Random random(3);
    for (int i = 0; i < 200'000; ++i) {
        const auto d = static_cast<uint32_t>(random.Between(2, random.OneIn(2) ? 100 : UINT32_MAX));
        const uint64_t c = Reciprocal(d);
        const uint64_t multiple = random.Below((UINT64_C(1) << 32) / d) * d;
        for (const uint64_t n : {multiple, multiple + 1, multiple + d - 1}) {
            if (n > UINT32_MAX) continue;
            ASSERT_EQ(Multiply(n, c).high, n / d) << n << " / " << d;
            ASSERT_EQ(Multiply(n, c).low < c, n % d == 0) << n << " / " << d;
        }
    }
}

}  // namespace
}  // namespace strata
