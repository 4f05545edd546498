#include "base/state_byte.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/size_classes.h"

namespace strata {
namespace {

TEST(StateByte, OnlyLiveStatesAreLive) {
    EXPECT_FALSE(IsLive(static_cast<uint8_t>(State::kFreeZero)));
    EXPECT_FALSE(IsLive(static_cast<uint8_t>(State::kFreeDirty)));
    EXPECT_FALSE(IsLive(static_cast<uint8_t>(State::kFreeReturned)));
    for (int state = 3; state <= 255; ++state) EXPECT_TRUE(IsLive(static_cast<uint8_t>(state)));
}

TEST(StateByte, FreshMemoryReadsAsFreeAndZero) {
    const StateByte fresh{};
    EXPECT_EQ(LoadState(&fresh), static_cast<uint8_t>(State::kFreeZero));
}

// The slacks of every class: what was stored comes back, and a near slack leaves the block alone.
TEST(StateByte, EverySlackRoundTrips) {
    std::vector<char> memory(kMaxSlabBlock + 1);
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const ClassInfo& info = kClassTable[i];
        const size_t least = i == 0 ? 0 : kClassTable[i - 1].usable + 1;
        char* const end = memory.data() + info.usable;
        const size_t most = i == 0 ? 0 : info.usable - least;
        for (uint32_t slack = 0; slack <= most; slack += slack < 600 ? 1 : 97) {
            std::memset(memory.data(), 0x5a, info.usable + 1);
            StateByte state = 0;
            StoreLive(&state, end, slack);
            ASSERT_TRUE(IsLive(LoadState(&state)));
            ASSERT_EQ(LoadSlack(LoadState(&state), end), slack);
            ASSERT_EQ(LoadState(&state) == static_cast<uint8_t>(State::kLiveFarSlack),
                      slack > kMaxNearSlack);
            ASSERT_EQ(*end, 0x5a) << "wrote behind the block";
            const size_t kept = info.usable - (slack > kMaxNearSlack ? kFarSlackBytes : 0);
            ASSERT_EQ(memory[kept == 0 ? 0 : kept - 1], 0x5a);
        }
    }
}

TEST(StateByte, AUserRecordEndsTheBlock) {
    char block[64] = {};
    char* const end = block + sizeof block;
    StateByte state = 0;
    int value = 0;
    StoreLiveUser(&state, end, &value, 0x200, 20);
    EXPECT_EQ(state, 254);
    EXPECT_TRUE(IsLive(state));
    EXPECT_TRUE(HasUserRecord(state));
    EXPECT_FALSE(HasUserRecord(253));
    EXPECT_FALSE(HasUserRecord(255));
    EXPECT_EQ(LoadSlack(state, end), 20u);
    uint32_t slack = 0;
    EXPECT_TRUE(ReadSlack(&state, end, slack));
    EXPECT_EQ(slack, 20u);
    UserRecord record;
    std::memcpy(&record, end - sizeof record, sizeof record);
    EXPECT_EQ(record.value, &value);
    EXPECT_EQ(record.flags, 0x200u);
}

TEST(StateByte, TheEdgeBetweenNearAndFar) {
    char block[512] = {};
    char* const end = block + sizeof block;
    StateByte state = 0;
    StoreLive(&state, end, kMaxNearSlack);
    EXPECT_EQ(state, 253);
    StoreLive(&state, end, kMaxNearSlack + 1);
    EXPECT_EQ(state, 255);
    uint32_t stored = 0;
    std::memcpy(&stored, end - kFarSlackBytes, sizeof stored);
    EXPECT_EQ(stored, kMaxNearSlack + 1);
    // What an overrun leaves there is what a reader finds: IsConsistent and the callers check it.
    std::memset(end - kFarSlackBytes, 0xff, kFarSlackBytes);
    EXPECT_EQ(LoadSlack(255, end), UINT32_MAX);
}

TEST(StateByte, ReadSlackTellsLiveFromFree) {
    char block[512] = {};
    char* const end = block + sizeof block;
    StateByte state = 0;
    uint32_t slack = 77;
    EXPECT_FALSE(ReadSlack(&state, end, slack));
    state = 1;
    EXPECT_FALSE(ReadSlack(&state, end, slack));
    for (const uint32_t stored : {0u, 1u, kMaxNearSlack, kMaxNearSlack + 1, 500u}) {
        StoreLive(&state, end, stored);
        ASSERT_TRUE(ReadSlack(&state, end, slack));
        EXPECT_EQ(slack, stored);
    }
}

// A far slack needs its four bytes inside the slack, never in what the caller asked for.
TEST(StateByte, AFarSlackFitsInItself) { static_assert(kMaxNearSlack + 1 >= kFarSlackBytes); }

}  // namespace
}  // namespace strata
