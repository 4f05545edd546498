// Closed bins: they look empty and full at once, and what others can take from them.
#include "cache/closed_bins.h"

#include <gtest/gtest.h>

#include <memory>

#include "cache/idle_bins.h"
#include "support/process_fixture.h"

namespace strata::cache {
namespace {

using store::CreateMagazine;
using store::DestroyMagazine;

constexpr SizeClass kClass{3};
constexpr uint64_t kNow = 1000;

class ClosedBinsTest : public test::ProcessFixture {
protected:
    void SetUp() override {
        ProcessFixture::SetUp();
        ASSERT_TRUE(CanClose(*cache_));
        cache_->next = g_first_cache;
        g_first_cache = cache_.get();
    }
    void TearDown() override {
        g_first_cache = cache_->next;
        OpenAll(*cache_);
        for (Magazine* magazine : {bin().alloc_magazine(), bin().free_magazine()}) {
            if (magazine != nullptr) DestroyMagazine(magazine);
        }
        arena::g_metadata.Free(cache_->closed.uses, sizeof(BinUses));
        ProcessFixture::TearDown();
    }

    Bin& bin() { return cache_->bins[Index(kClass)]; }
    // So many blocks to allocate, and freed ones. They are nobody's: nothing here looks at them.
    void Fill(uint32_t allocs, uint32_t frees) {
        Magazine* const alloc = CreateMagazine(7);
        Magazine* const free = CreateMagazine(7);
        for (uint32_t i = 0; i < allocs; ++i) alloc->blocks[i].block = &blocks_[i];
        for (uint32_t i = 0; i < frees; ++i) free->blocks[i].block = &blocks_[10 + i];
        bin().SetAlloc(alloc, allocs);
        bin().SetFree(free, frees);
    }

    char blocks_[20] = {};
    std::unique_ptr<ThreadCache> cache_ = std::make_unique<ThreadCache>();
};

TEST_F(ClosedBinsTest, HidesWhatIsThereAndShowsItAgain) {
    Fill(5, 3);
    Close(*cache_, kClass, Sides::kBoth);
    EXPECT_TRUE(IsClosed(*cache_, kClass));
    EXPECT_FALSE(IsClosed(*cache_, SizeClass{4}));
    FreeBlock block;
    StateByte state{};
    EXPECT_FALSE(bin().Pop(block));
    EXPECT_FALSE(bin().Push(&block, &state));
    Open(*cache_, kClass);
    EXPECT_FALSE(IsClosed(*cache_, kClass));
    EXPECT_EQ(bin().alloc_count(), 5u);
    EXPECT_EQ(bin().free_count(), 3u);
    ASSERT_TRUE(bin().Pop(block));
    EXPECT_EQ(block.block, &blocks_[4]);
    EXPECT_TRUE(bin().Push(block.block, &state));
}

TEST_F(ClosedBinsTest, FullAndEmptyBins) {
    Fill(0, 7);
    Close(*cache_, kClass, Sides::kBoth);
    Open(*cache_, kClass);
    EXPECT_EQ(bin().alloc_count(), 0u);
    EXPECT_EQ(bin().free_top, bin().free_end);
    Close(*cache_, SizeClass{5}, Sides::kBoth);  // never had a magazine
    OpenAll(*cache_);
    EXPECT_EQ(cache_->bins[5].alloc_magazine(), nullptr);
}

TEST_F(ClosedBinsTest, IdleIsWhatNobodyUsedForSomeEpochs) {
    EXPECT_EQ(NoteUse(*cache_, kClass, kNow), BinUse::kEmpty);
    Fill(1, 1);
    EXPECT_EQ(NoteUse(*cache_, kClass, kNow), BinUse::kInUse) << "open";
    Close(*cache_, kClass, Sides::kBoth);
    EXPECT_EQ(NoteUse(*cache_, kClass, kNow + kIdleEpochs - 1), BinUse::kInUse) << "not long";
    Open(*cache_, kClass);
    Close(*cache_, kClass, Sides::kAlloc);
    EXPECT_EQ(NoteUse(*cache_, kClass, kNow + kIdleEpochs + 5), BinUse::kInUse) << "freed into";
    Close(*cache_, kClass, Sides::kBoth);
    EXPECT_EQ(NoteUse(*cache_, kClass, kNow + 2 * kIdleEpochs + 5), BinUse::kIdle);
}

TEST_F(ClosedBinsTest, UsesOfAClosedBinAreCounted) {
    Fill(1, 1);
    Close(*cache_, kClass, Sides::kBoth);
    EXPECT_EQ(NoteUse(*cache_, kClass, kNow + kIdleEpochs), BinUse::kIdle);
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < kClosedUses; ++i) {
            EXPECT_FALSE(CountClosedUse(*cache_, kClass, Sides::kFree)) << i;
        }
        EXPECT_TRUE(CountClosedUse(*cache_, kClass, Sides::kFree));
        EXPECT_FALSE(CountClosedUse(*cache_, kClass, Sides::kAlloc)) << "each side by itself";
        EXPECT_EQ(NoteUse(*cache_, kClass, kNow + kIdleEpochs), BinUse::kInUse);
    }
}

TEST_F(ClosedBinsTest, ASideAtATime) {
    Fill(5, 3);
    FreeBlock block;
    StateByte state{};
    Close(*cache_, kClass, Sides::kAlloc);
    EXPECT_EQ(ClosedSides(*cache_, kClass), Sides::kAlloc);
    EXPECT_FALSE(bin().Pop(block));
    EXPECT_TRUE(bin().Push(&block, &state));
    Close(*cache_, kClass, Sides::kBoth);
    EXPECT_EQ(ClosedSides(*cache_, kClass), Sides::kBoth);
    Open(*cache_, kClass);
    EXPECT_EQ(bin().alloc_count(), 5u);
    EXPECT_EQ(bin().free_count(), 4u);
    Close(*cache_, kClass, Sides::kFree);
    EXPECT_TRUE(bin().Pop(block));
    EXPECT_FALSE(bin().Push(&block, &state));
}

TEST_F(ClosedBinsTest, OthersTakeFromThoseWhoSleep) {
    Fill(5, 3);
    cache_->slow_paths.pass_epoch = kNow;
    Taken taken;
    EXPECT_FALSE(TakeFromSleeper(nullptr, kNow, taken)) << "nothing is closed";
    Close(*cache_, kClass, Sides::kBoth);
    EXPECT_FALSE(TakeFromSleeper(nullptr, kNow - 1, taken)) << "it was awake since";
    EXPECT_FALSE(TakeFromSleeper(cache_.get(), kNow, taken)) << "one's own";
    ASSERT_TRUE(TakeFromSleeper(nullptr, kNow, taken));
    EXPECT_EQ(taken.size_class, kClass);
    EXPECT_EQ(taken.count, 5u);
    EXPECT_EQ(taken.blocks[4].block, &blocks_[4]);
    ASSERT_TRUE(TakeFromSleeper(nullptr, kNow, taken));
    EXPECT_EQ(taken.count, 3u);
    EXPECT_EQ(taken.blocks[0].block, &blocks_[10]);
    EXPECT_FALSE(TakeFromSleeper(nullptr, kNow, taken));
    Open(*cache_, kClass);
    EXPECT_EQ(bin().alloc_count(), 0u);
    EXPECT_EQ(bin().free_count(), 0u);
    EXPECT_EQ(bin().free_end - bin().free_base, 7);
}

TEST_F(ClosedBinsTest, NobodyWaitsForThoseWhoAreAtIt) {
    Fill(5, 3);
    cache_->slow_paths.pass_epoch = kNow;
    Close(*cache_, kClass, Sides::kBoth);
    Taken taken;
    cache_->closed.lock.Acquire();
    EXPECT_FALSE(TakeFromSleeper(nullptr, kNow, taken));
    cache_->closed.lock.Release();
    g_caches_lock.Acquire();
    EXPECT_FALSE(TakeFromSleeper(nullptr, kNow, taken));
    g_caches_lock.Release();
    EXPECT_TRUE(TakeFromSleeper(nullptr, kNow, taken));
}

}  // namespace
}  // namespace strata::cache
