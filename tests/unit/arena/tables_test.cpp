#include "arena/tables.h"

#include <gtest/gtest.h>

#include <memory>

#include "support/arena_fixture.h"

namespace strata::arena {
namespace {

class TablesTest : public ::testing::Test {
protected:
    bool Initialize(uintptr_t limit) {
        ArenaSet* const sets[] = {arenas_.get(), own_.get()};
        return InitializeTables(memory_, limit, map_.get(), sets, 2);
    }

    os::Memory memory_{os::kCallsOf<os::SystemMemory>};
    std::unique_ptr<SliceMap> map_ = std::make_unique<SliceMap>();
    std::unique_ptr<ArenaSet> arenas_ = std::make_unique<ArenaSet>(memory_, map_.get());
    std::unique_ptr<ArenaSet> own_ = std::make_unique<ArenaSet>(memory_, nullptr);
    test::FaultInjector faults_{memory_};
};

TEST_F(TablesTest, AreOneReservation) {
    ASSERT_TRUE(Initialize(os::kAddressEnd));
    EXPECT_TRUE(map_->IsInitialized());
    EXPECT_EQ(memory_.Counters().reserve_calls, 1u);
    EXPECT_EQ(memory_.Counters().committed, 0u);
    EXPECT_EQ(memory_.Counters().reserved,
              SliceMap::BytesFor(kMapArenas) + 2 * ArenaSet::BytesFor(kMapArenas));
}

TEST_F(TablesTest, MayBeTriedAgain) {
    faults_.FailNth(test::kReserve, 1);
    EXPECT_FALSE(Initialize(os::kAddressEnd));
    EXPECT_FALSE(map_->IsInitialized());
    EXPECT_TRUE(Initialize(os::kAddressEnd));
    EXPECT_EQ(memory_.Counters().reserve_calls, 2u);
}

// 2 GiB of addresses, as in a Windows program that is not linked for large ones: 32 arenas.
TEST_F(TablesTest, AreNoLargerThanTheAddressesCanFill) {
    constexpr uintptr_t kLimit = (uintptr_t{1} << 31) - kSliceSize;
    ASSERT_TRUE(Initialize(kLimit));
    EXPECT_EQ(memory_.Counters().reserved, SliceMap::BytesFor(32) + 2 * ArenaSet::BytesFor(32));
    EXPECT_LT(memory_.Counters().reserved, size_t{2} << 20);
    EXPECT_TRUE(map_->HasRoomFor(0, kArenaSize));
    EXPECT_TRUE(map_->HasRoomFor(kArenaSize, 31 * kArenaSize));
    EXPECT_FALSE(map_->HasRoomFor(kArenaSize, 32 * kArenaSize));
    EXPECT_FALSE(map_->HasRoomFor(32 * kArenaSize, kArenaSize));
    ASSERT_TRUE(map_->Add(memory_, 31 * kArenaSize, kArenaSize));
    EXPECT_NE(map_->Find(32 * kArenaSize - 1), nullptr);
    EXPECT_EQ(map_->Find(32 * kArenaSize), nullptr);
    EXPECT_EQ(map_->Find(UINTPTR_MAX), nullptr);
}

}  // namespace
}  // namespace strata::arena
