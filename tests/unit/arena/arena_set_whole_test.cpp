// Sets of arenas as a whole: reservations of their own, records, owners, and many operations
// against a model.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

#include "arena/arena_set.h"
#include "base/bits.h"
#include "support/arena_fixture.h"
#include "support/model.h"

namespace strata::arena {
namespace {

class ArenaSetWholeTest : public ArenaFixture {};

TEST_F(ArenaSetWholeTest, DedicatedReservationsAreOneBlock) {
    const size_t bytes = 2 * kArenaSize + 1;
    const size_t reserved = memory_.Counters().reserved;
    char* const base = arenas_->AllocateDedicated(bytes, kSliceSize, kMe);
    ASSERT_NE(base, nullptr);
    EXPECT_EQ(arenas_->DedicatedBytes(base), 3 * kArenaSize);
    EXPECT_EQ(AddressOf(base) % kArenaSize, 0u);
    EXPECT_EQ(memory_.Counters().reserved - reserved, 3 * kArenaSize);
    EXPECT_TRUE(map_->Knows(AddressOf(base)));
    EXPECT_TRUE(map_->Knows(AddressOf(base) + 3 * kArenaSize - 1));
    EXPECT_EQ(arenas_->OwnerOf(AddressOf(base)), kMe);
    arenas_->SetOwner(base, 1000, kOther);
    EXPECT_EQ(arenas_->OwnerOf(AddressOf(base)), kOther);
    EXPECT_FALSE(arenas_->Extend(base, 1, 1, kMe));
    EXPECT_NE(Take(1), base);
    EXPECT_EQ(arenas_->arenas(), 2u);

    ASSERT_TRUE(memory_.Commit(base, kPageSize, kPageSize));
    const size_t committed = Committed();
    arenas_->FreeDedicated(base, kPageSize);
    EXPECT_EQ(Committed(), committed - kPageSize);
    EXPECT_FALSE(map_->Knows(AddressOf(base)));
    EXPECT_FALSE(map_->Knows(AddressOf(base) + 2 * kArenaSize));
    EXPECT_EQ(arenas_->arenas(), 1u);
}

TEST_F(ArenaSetWholeTest, DedicatedReservationsAreAligned) {
    for (size_t alignment = kSliceSize; alignment <= size_t{1} << 33; alignment *= 4) {
        char* const base = arenas_->AllocateDedicated(kSliceSize, alignment, kMe);
        ASSERT_NE(base, nullptr) << alignment;
        EXPECT_EQ(AddressOf(base) % alignment, 0u);
        arenas_->FreeDedicated(base, 0);
    }
    EXPECT_EQ(arenas_->arenas(), 0u);
}

TEST_F(ArenaSetWholeTest, WhatNoMapHoldsIsRefused) {
    EXPECT_EQ(arenas_->AllocateDedicated(kMapArenas * kArenaSize + 1, kSliceSize, kMe), nullptr);
    EXPECT_EQ(arenas_->AllocateDedicated(SIZE_MAX, kSliceSize, kMe), nullptr);
    EXPECT_EQ(arenas_->arenas(), 0u);
    EXPECT_TRUE(arenas_->lock().TryAcquire());
    arenas_->lock().Release();
}

// Where a dedicated reservation was, an arena can be, and the other way round.
TEST_F(ArenaSetWholeTest, RecordsAreReusedForBothKinds) {
    for (int round = 0; round < 3; ++round) {
        char* const base = arenas_->AllocateDedicated(kArenaSize, kArenaSize, kMe);
        ASSERT_NE(base, nullptr);
        arenas_->FreeDedicated(base, 0);
        char* const slices = Take(kMaxRunSlices);
        CommitAll(slices, 1);
        arenas_->Free(slices, kMaxRunSlices);
        std::vector<char*> all;
        for (size_t i = 0; i < 2 * kRunsPerArena; ++i) all.push_back(Take(kMaxRunSlices));
        for (char* run : all) arenas_->Free(run, kMaxRunSlices);
        PurgeAll();
        EXPECT_EQ(arenas_->arenas(), 1u);
    }
}

// ---- walking -----------------------------------------------------------------------------------

TEST_F(ArenaSetWholeTest, NextOwnedVisitsEveryOwnedSliceOnceInOrder) {
    char* const base = Take(2);
    char* const other = Take(3, 1, kOther);
    char* const mine = Take(1);
    char* const dedicated = arenas_->AllocateDedicated(2 * kArenaSize, kSliceSize, kMe);
    ASSERT_NE(dedicated, nullptr);
    for (size_t i = 0; i < kRunsPerArena; ++i)
        Take(kMaxRunSlices, 1, kOther);  // into a second arena
    char* const far = Take(1, 64);
    const auto walk = [&](Owner owner) {
        std::vector<char*> seen;
        char* at = arenas_->NextOwned(0, owner);
        while (at != nullptr) {
            seen.push_back(at);
            at = arenas_->NextOwned(AddressOf(at) + 1, owner);
        }
        return seen;
    };
    std::vector<char*> expected = {base, base + kSliceSize, mine, dedicated, far};
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(walk(kMe), expected);
    EXPECT_EQ(walk(kOther).size(), 3 + kSlicesPerArena);
    EXPECT_TRUE(walk(99).empty());

    EXPECT_EQ(arenas_->NextOwned(AddressOf(base), kMe), base);
    EXPECT_EQ(arenas_->NextOwned(AddressOf(base) + kSliceSize, kMe), base + kSliceSize);
    EXPECT_EQ(arenas_->NextOwned(AddressOf(base), kOther), other);
    EXPECT_EQ(arenas_->NextOwned(UINTPTR_MAX, kMe), nullptr);
}

TEST_F(ArenaSetWholeTest, SetsWithoutAMapTellTheirArenasApartThemselves) {
    const auto own = std::make_unique<ArenaSet>(memory_, nullptr);
    InitializeOwn(*own);
    test::IntervalMap model;
    for (size_t i = 0; i <= 2 * kRunsPerArena; ++i) {
        char* const run = own->Allocate(kMaxRunSlices, 1, kMe);
        ASSERT_NE(run, nullptr);
        ASSERT_TRUE(model.Add(run, kMaxRunSlices * kSliceSize));
        EXPECT_FALSE(map_->Knows(AddressOf(run)));
    }
    EXPECT_EQ(own->arenas(), 3u);
}

// ---- a model, and threads ----------------------------------------------------------------------

TEST_F(ArenaSetWholeTest, RandomOperationsAgainstAModel) {
    test::Random random(5);
    test::IntervalMap model;
    for (int step = 0; step < 20'000; ++step) {
        if (model.empty() || random.OneIn(2)) {
            const size_t slices = 1 + random.Skewed(kMaxRunSlices - 1);
            const size_t alignment = random.OneIn(4) ? size_t{1} << random.Below(8) : 1;
            char* const base = Take(slices, alignment);
            ASSERT_EQ(AddressOf(base) % (alignment * kSliceSize), 0u);
            ASSERT_TRUE(model.Add(base, slices * kSliceSize)) << "handed out twice";
            if (random.OneIn(8)) {
                ASSERT_TRUE(arenas_->Commit(base, base + 1 + random.Below(slices * kSliceSize)));
            }
        } else if (random.OneIn(3)) {
            test::ModelBlock& block = model.Pick(random);
            const size_t extra = 1 + random.Below(4);
            char* const base = static_cast<char*>(block.address);
            const size_t slices = block.occupied / kSliceSize;
            if (!arenas_->Extend(base, slices, extra, kMe)) continue;
            ASSERT_FALSE(model.Overlaps(AddressOf(base) + block.occupied, extra * kSliceSize));
            block.occupied += extra * kSliceSize;
        } else {
            const test::ModelBlock block = model.Pick(random);
            arenas_->Free(static_cast<char*>(block.address), block.occupied / kSliceSize);
            ASSERT_TRUE(model.Remove(block.address));
        }
        if (random.OneIn(500)) PurgeAll();
    }
    while (!model.empty()) {
        const test::ModelBlock block = model.blocks().back();
        arenas_->Free(static_cast<char*>(block.address), block.occupied / kSliceSize);
        model.Remove(block.address);
    }
    PurgeAll();
    EXPECT_EQ(arenas_->arenas(), 1u);
    EXPECT_EQ(arenas_->slice_committed(), 0u);
}

TEST_F(ArenaSetWholeTest, ThreadsShareASet) {
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            test::Random random(t);
            std::vector<std::pair<char*, size_t>> mine;
            for (uint64_t i = 0; i < 2000; ++i) {
                if (mine.size() < 20 && !random.OneIn(3)) {
                    const size_t slices = 1 + random.Below(8);
                    char* const base = Take(slices, 1, static_cast<Owner>(t + 10));
                    ASSERT_TRUE(arenas_->Commit(base, base + kPageSize));
                    test::FillPattern(base, 64, t);
                    mine.emplace_back(base, slices);
                } else if (!mine.empty()) {
                    const auto [base, slices] = mine.back();
                    mine.pop_back();
                    ASSERT_EQ(test::FindPatternBreak(base, 64, t), 64u);
                    ASSERT_EQ(arenas_->OwnerOf(AddressOf(base)), t + 10);
                    arenas_->Free(base, slices);
                }
                if (random.OneIn(200)) arenas_->Purge(i * kEpochMilliseconds, random.OneIn(2));
            }
            for (const auto& [base, slices] : mine) arenas_->Free(base, slices);
        });
    }
    for (std::thread& thread : threads) thread.join();
    PurgeAll();
    EXPECT_EQ(arenas_->slice_committed(), 0u);
    EXPECT_EQ(arenas_->arenas(), 1u);
    EXPECT_EQ(arenas_->NextOwned(0, 10), nullptr);
}

}  // namespace
}  // namespace strata::arena
