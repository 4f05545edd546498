// Veils: bins that look empty and full at once, and what others can take from them.
#include "cache/veil.h"

#include <gtest/gtest.h>

#include <memory>

#include "support/process_fixture.h"

namespace strata::cache {
namespace {

constexpr SizeClass kClass{3};
constexpr uint64_t kNow = 1000;

class VeilTest : public test::ProcessFixture {
protected:
    void SetUp() override {
        ProcessFixture::SetUp();
        ASSERT_TRUE(PrepareVeils(*cache_));
        cache_->next = g_first_cache;
        g_first_cache = cache_.get();
    }
    void TearDown() override {
        g_first_cache = cache_->next;
        LiftAllVeils(*cache_);
        for (Magazine* magazine : {bin().alloc_magazine(), bin().free_magazine()}) {
            if (magazine != nullptr) DestroyMagazine(magazine);
        }
        arena::g_metadata.Free(cache_->veil_books, sizeof(VeilBooks));
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

TEST_F(VeilTest, HidesWhatIsThereAndShowsItAgain) {
    Fill(5, 3);
    PutVeil(*cache_, kClass, Sides::kBoth);
    EXPECT_TRUE(IsVeiled(*cache_, kClass));
    EXPECT_FALSE(IsVeiled(*cache_, SizeClass{4}));
    FreeBlock block;
    StateByte state{};
    EXPECT_FALSE(bin().Pop(block));
    EXPECT_FALSE(bin().Push(&block, &state));
    LiftVeil(*cache_, kClass);
    EXPECT_FALSE(IsVeiled(*cache_, kClass));
    EXPECT_EQ(bin().alloc_count(), 5u);
    EXPECT_EQ(bin().free_count(), 3u);
    ASSERT_TRUE(bin().Pop(block));
    EXPECT_EQ(block.block, &blocks_[4]);
    EXPECT_TRUE(bin().Push(block.block, &state));
}

TEST_F(VeilTest, FullAndEmptyBins) {
    Fill(0, 7);
    PutVeil(*cache_, kClass, Sides::kBoth);
    LiftVeil(*cache_, kClass);
    EXPECT_EQ(bin().alloc_count(), 0u);
    EXPECT_EQ(bin().free_top, bin().free_end);
    PutVeil(*cache_, SizeClass{5}, Sides::kBoth);  // never had a magazine
    LiftAllVeils(*cache_);
    EXPECT_EQ(cache_->bins[5].alloc_magazine(), nullptr);
}

TEST_F(VeilTest, IdleIsWhatNobodyUsedForSomeEpochs) {
    EXPECT_EQ(NoteUse(*cache_, kClass, kNow), BinUse::kEmpty);
    Fill(1, 1);
    EXPECT_EQ(NoteUse(*cache_, kClass, kNow), BinUse::kInUse) << "without a veil";
    PutVeil(*cache_, kClass, Sides::kBoth);
    EXPECT_EQ(NoteUse(*cache_, kClass, kNow + kIdleEpochs - 1), BinUse::kInUse) << "not long";
    LiftVeil(*cache_, kClass);
    PutVeil(*cache_, kClass, Sides::kAlloc);
    EXPECT_EQ(NoteUse(*cache_, kClass, kNow + kIdleEpochs + 5), BinUse::kInUse) << "freed into";
    PutVeil(*cache_, kClass, Sides::kBoth);
    EXPECT_EQ(NoteUse(*cache_, kClass, kNow + 2 * kIdleEpochs + 5), BinUse::kIdle);
}

TEST_F(VeilTest, UsesUnderTheVeilAreCounted) {
    Fill(1, 1);
    PutVeil(*cache_, kClass, Sides::kBoth);
    EXPECT_EQ(NoteUse(*cache_, kClass, kNow + kIdleEpochs), BinUse::kIdle);
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < kVeiledUses; ++i) {
            EXPECT_FALSE(CountVeiledUse(*cache_, kClass, Sides::kFree)) << i;
        }
        EXPECT_TRUE(CountVeiledUse(*cache_, kClass, Sides::kFree));
        EXPECT_FALSE(CountVeiledUse(*cache_, kClass, Sides::kAlloc)) << "each side by itself";
        EXPECT_EQ(NoteUse(*cache_, kClass, kNow + kIdleEpochs), BinUse::kInUse);
    }
}

TEST_F(VeilTest, ASideAtATime) {
    Fill(5, 3);
    FreeBlock block;
    StateByte state{};
    PutVeil(*cache_, kClass, Sides::kAlloc);
    EXPECT_EQ(VeiledSides(*cache_, kClass), Sides::kAlloc);
    EXPECT_FALSE(bin().Pop(block));
    EXPECT_TRUE(bin().Push(&block, &state));
    PutVeil(*cache_, kClass, Sides::kBoth);
    EXPECT_EQ(VeiledSides(*cache_, kClass), Sides::kBoth);
    LiftVeil(*cache_, kClass);
    EXPECT_EQ(bin().alloc_count(), 5u);
    EXPECT_EQ(bin().free_count(), 4u);
    PutVeil(*cache_, kClass, Sides::kFree);
    EXPECT_TRUE(bin().Pop(block));
    EXPECT_FALSE(bin().Push(&block, &state));
}

TEST_F(VeilTest, OthersTakeFromThoseWhoSleep) {
    Fill(5, 3);
    cache_->pass_epoch = kNow;
    Taken taken;
    EXPECT_FALSE(TakeFromIdle(nullptr, kNow, taken)) << "nothing is veiled";
    PutVeil(*cache_, kClass, Sides::kBoth);
    EXPECT_FALSE(TakeFromIdle(nullptr, kNow - 1, taken)) << "it was awake since";
    EXPECT_FALSE(TakeFromIdle(cache_.get(), kNow, taken)) << "one's own";
    ASSERT_TRUE(TakeFromIdle(nullptr, kNow, taken));
    EXPECT_EQ(taken.size_class, kClass);
    EXPECT_EQ(taken.count, 5u);
    EXPECT_EQ(taken.blocks[4].block, &blocks_[4]);
    ASSERT_TRUE(TakeFromIdle(nullptr, kNow, taken));
    EXPECT_EQ(taken.count, 3u);
    EXPECT_EQ(taken.blocks[0].block, &blocks_[10]);
    EXPECT_FALSE(TakeFromIdle(nullptr, kNow, taken));
    LiftVeil(*cache_, kClass);
    EXPECT_EQ(bin().alloc_count(), 0u);
    EXPECT_EQ(bin().free_count(), 0u);
    EXPECT_EQ(bin().free_end - bin().free_base, 7);
}

TEST_F(VeilTest, NobodyWaitsForThoseWhoAreAtIt) {
    Fill(5, 3);
    cache_->pass_epoch = kNow;
    PutVeil(*cache_, kClass, Sides::kBoth);
    Taken taken;
    cache_->veil_lock.Acquire();
    EXPECT_FALSE(TakeFromIdle(nullptr, kNow, taken));
    cache_->veil_lock.Release();
    g_caches_lock.Acquire();
    EXPECT_FALSE(TakeFromIdle(nullptr, kNow, taken));
    g_caches_lock.Release();
    EXPECT_TRUE(TakeFromIdle(nullptr, kNow, taken));
}

}  // namespace
}  // namespace strata::cache
