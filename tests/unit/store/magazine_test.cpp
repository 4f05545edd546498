#include "store/magazine.h"

#include <gtest/gtest.h>

#include "base/bits.h"
#include "base/size_classes.h"
#include "support/process_fixture.h"

namespace strata::store {
namespace {

class MagazineTest : public test::ProcessFixture {
protected:
    // Blocks that nobody touches, told apart by address.
    void* Block(size_t i) { return blocks_ + i; }
    StateByte* State(size_t i) { return states_ + i; }

    char blocks_[64] = {};
    StateByte states_[64] = {};
};

TEST_F(MagazineTest, FillsAPowerOfTwo) {
    for (uint32_t capacity = 1; capacity <= kMaxMagazineEntries; capacity = capacity * 2 + 1) {
        EXPECT_TRUE(IsPowerOfTwo(MagazineBytes(capacity)));
        EXPECT_LE(MagazineBytes(capacity), arena::Metadata::kMaxChunk);
    }
}

TEST_F(MagazineTest, StartsEmpty) {
    Magazine* const magazine = CreateMagazine(7);
    ASSERT_NE(magazine, nullptr);
    EXPECT_EQ(magazine->capacity, 7u);
    EXPECT_EQ(magazine->count, 0u);
    EXPECT_EQ(magazine->next, nullptr);
    for (uint32_t i = 0; i < 7; ++i) magazine->blocks[i] = {Block(i), State(i)};
    DestroyMagazine(magazine);
}

TEST_F(MagazineTest, SurvivesEveryFailure) {
    test::FaultInjector faults(arena::g_memory);
    Magazine* magazine = nullptr;
    test::FailEachInTurn(faults, test::kTakingMemory, true,
                         [&](size_t) { magazine = CreateMagazine(kMaxMagazineEntries); });
    ASSERT_NE(magazine, nullptr);
    DestroyMagazine(magazine);
}

}  // namespace
}  // namespace strata::store
