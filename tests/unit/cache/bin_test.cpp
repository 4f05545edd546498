#include "cache/bin.h"

#include <gtest/gtest.h>

#include "base/size_classes.h"
#include "support/process_fixture.h"

namespace strata::cache {
namespace {

using store::CreateMagazine;
using store::DestroyMagazine;

class BinTest : public test::ProcessFixture {
protected:
    void SetUp() override {
        ProcessFixture::SetUp();
        first_ = CreateMagazine(3);
        second_ = CreateMagazine(7);
    }
    void TearDown() override {
        DestroyMagazine(first_);
        DestroyMagazine(second_);
        ProcessFixture::TearDown();
    }

    // Blocks that nobody touches, told apart by address.
    void* Block(size_t i) { return blocks_ + i; }
    StateByte* State(size_t i) { return states_ + i; }

    char blocks_[64] = {};
    StateByte states_[64] = {};
    Magazine* first_ = nullptr;
    Magazine* second_ = nullptr;
    Bin bin_ = {};
};

TEST_F(BinTest, ANewBinIsEmptyAndFullAtOnce) {
    EXPECT_TRUE(bin_.IsAllocEmpty());
    FreeBlock block = {};
    EXPECT_FALSE(bin_.Pop(block));
    EXPECT_FALSE(bin_.Push(Block(0), State(0)));
    EXPECT_EQ(bin_.alloc_magazine(), nullptr);
    EXPECT_EQ(bin_.free_magazine(), nullptr);
    EXPECT_EQ(bin_.alloc_count(), 0u);
    EXPECT_EQ(bin_.free_count(), 0u);
    bin_.Swap();
    EXPECT_FALSE(bin_.Pop(block));
    EXPECT_FALSE(bin_.Push(Block(0), State(0)));
}

TEST_F(BinTest, PushesUpToTheCapacity) {
    bin_.SetFree(first_, 0);
    EXPECT_EQ(bin_.free_magazine(), first_);
    for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(bin_.Push(Block(i), State(i)));
    EXPECT_FALSE(bin_.Push(Block(3), State(3)));
    EXPECT_EQ(bin_.free_count(), 3u);
    for (size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(first_->blocks[i].block, Block(i));
        EXPECT_EQ(first_->blocks[i].state, State(i));
    }
}

TEST_F(BinTest, PopsTheLastFirst) {
    for (size_t i = 0; i < 5; ++i) second_->blocks[i] = {Block(i), State(i)};
    bin_.SetAlloc(second_, 5);
    EXPECT_EQ(bin_.alloc_magazine(), second_);
    for (size_t i = 5; i-- > 0;) {
        FreeBlock block = {};
        ASSERT_TRUE(bin_.Pop(block));
        EXPECT_EQ(block.block, Block(i));
        EXPECT_EQ(block.state, State(i));
        EXPECT_EQ(bin_.alloc_count(), i);
    }
    FreeBlock block = {};
    EXPECT_FALSE(bin_.Pop(block));
    EXPECT_EQ(bin_.alloc_magazine(), second_) << "empty, but still there";
}

TEST_F(BinTest, SwapExchangesMagazinesOfDifferentSize) {
    bin_.SetAlloc(second_, 0);
    bin_.SetFree(first_, 0);
    for (size_t i = 0; i < 3; ++i) ASSERT_TRUE(bin_.Push(Block(i), State(i)));
    bin_.Swap();
    EXPECT_EQ(bin_.alloc_magazine(), first_);
    EXPECT_EQ(bin_.free_magazine(), second_);
    EXPECT_EQ(bin_.alloc_count(), 3u);
    EXPECT_EQ(bin_.free_count(), 0u);
    for (size_t i = 3; i < 10; ++i) EXPECT_TRUE(bin_.Push(Block(i), State(i)));
    EXPECT_FALSE(bin_.Push(Block(10), State(10))) << "seven is what the other one holds";
    bin_.Swap();
    EXPECT_EQ(bin_.free_count(), 3u);
    EXPECT_FALSE(bin_.Push(Block(10), State(10)));
    FreeBlock block = {};
    ASSERT_TRUE(bin_.Pop(block));
    EXPECT_EQ(block.block, Block(9));
}

TEST_F(BinTest, SwapEmptyIsSwap) {
    bin_.SetAlloc(second_, 0);
    bin_.SetFree(first_, 0);
    ASSERT_TRUE(bin_.Push(Block(1), State(1)));
    bin_.SwapEmpty();
    EXPECT_EQ(bin_.alloc_magazine(), first_);
    EXPECT_EQ(bin_.alloc_count(), 1u);
    EXPECT_EQ(bin_.free_magazine(), second_);
    EXPECT_EQ(bin_.free_count(), 0u);
    EXPECT_EQ(bin_.free_capacity(), 7u);
}

TEST_F(BinTest, SwapEmptyWithoutTheOtherMagazine) {
    bin_.SetFree(first_, 0);
    ASSERT_TRUE(bin_.Push(Block(1), State(1)));
    bin_.SwapEmpty();
    EXPECT_EQ(bin_.alloc_count(), 1u);
    EXPECT_EQ(bin_.free_magazine(), nullptr);
    EXPECT_FALSE(bin_.Push(Block(2), State(2)));
}

TEST_F(BinTest, SwapWithOneMagazineOnly) {
    bin_.SetFree(first_, 0);
    ASSERT_TRUE(bin_.Push(Block(1), State(1)));
    bin_.Swap();
    EXPECT_EQ(bin_.alloc_magazine(), first_);
    EXPECT_EQ(bin_.free_magazine(), nullptr);
    EXPECT_FALSE(bin_.Push(Block(2), State(2)));
    FreeBlock block = {};
    EXPECT_TRUE(bin_.Pop(block));
    bin_.SetAlloc(nullptr, 0);
    EXPECT_FALSE(bin_.Pop(block));
    bin_.SetFree(nullptr, 0);
    EXPECT_EQ(bin_.free_magazine(), nullptr);
}

// Allocation and free in turn never touch the same magazine until one is empty.
TEST_F(BinTest, PingPongKeepsEveryBlock) {
    for (size_t i = 0; i < 3; ++i) first_->blocks[i] = {Block(i), State(i)};
    bin_.SetAlloc(first_, 3);
    bin_.SetFree(second_, 0);
    for (int round = 0; round < 100; ++round) {
        FreeBlock block = {};
        if (!bin_.Pop(block)) {
            bin_.Swap();
            ASSERT_TRUE(bin_.Pop(block));
        }
        if (!bin_.Push(block.block, block.state)) {
            bin_.Swap();
            ASSERT_TRUE(bin_.Push(block.block, block.state));
        }
        ASSERT_EQ(bin_.alloc_count() + bin_.free_count(), 3u);
    }
}

}  // namespace
}  // namespace strata::cache
