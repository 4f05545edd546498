// Random numbers of hardened heaps.
#include "os/random.h"

#include <gtest/gtest.h>

#include <set>

namespace strata::os {
namespace {

TEST(Random, TheSecretIsOneForTheProcess) {
    EXPECT_NE(Secret(), 0u);
    EXPECT_EQ(Secret(), Secret());
}

TEST(Random, NumbersDiffer) {
    std::set<uint64_t> seen;
    for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(seen.insert(FastRandom()).second);
}

TEST(Random, EachBitIsOneHalfOfTheTime) {
    constexpr int kDraws = 20'000;
    int ones[64] = {};
    for (int i = 0; i < kDraws; ++i) {
        const uint64_t value = FastRandom();
        for (int bit = 0; bit < 64; ++bit) ones[bit] += static_cast<int>(value >> bit & 1);
    }
    for (int bit = 0; bit < 64; ++bit) {
        EXPECT_NEAR(ones[bit], kDraws / 2, kDraws / 20) << bit;  // 14 standard deviations
    }
}

}  // namespace
}  // namespace strata::os
