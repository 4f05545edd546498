#include "arena/arena_set.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "base/bits.h"
#include "support/arena_fixture.h"
#include "support/model.h"
#include "support/probe.h"

namespace strata::arena {
namespace {

class ArenaSetTest : public ArenaFixture {};

TEST_F(ArenaSetTest, ReservesNoArenaBeforeItIsNeeded) {
    EXPECT_EQ(arenas_->arenas(), 0u);
    EXPECT_EQ(Committed(), 0u);
    char* const base = Take(1);
    EXPECT_EQ(arenas_->arenas(), 1u);
    EXPECT_EQ(AddressOf(base) % kArenaSize, 0u);
    EXPECT_TRUE(map_->Knows(AddressOf(base)));
    EXPECT_TRUE(map_->Knows(AddressOf(base) + kArenaSize - 1));
    EXPECT_EQ(arenas_->slice_committed(), 0u);
    EXPECT_FALSE(test::CanRead(base));
}

TEST_F(ArenaSetTest, AllocatesTheLowestAddressFirst) {
    char* const first = Take(1);
    EXPECT_EQ(Take(3), first + kSliceSize);
    EXPECT_EQ(Take(2), first + 4 * kSliceSize);
    arenas_->Free(first + kSliceSize, 3);
    EXPECT_EQ(Take(2), first + kSliceSize);
    EXPECT_EQ(Take(2), first + 6 * kSliceSize) << "one slice is too little";
    EXPECT_EQ(Take(1), first + 3 * kSliceSize);
    arenas_->Free(first, 8);
    EXPECT_EQ(Take(kMaxRunSlices), first);
}

TEST_F(ArenaSetTest, PartsOfARunCanBeFreed) {
    char* const base = Take(10);
    arenas_->Free(base + 2 * kSliceSize, 3);
    EXPECT_EQ(Take(3, 1, kOther), base + 2 * kSliceSize);
    EXPECT_EQ(arenas_->OwnerOf(AddressOf(base + kSliceSize)), kMe);
    EXPECT_EQ(arenas_->OwnerOf(AddressOf(base + 2 * kSliceSize)), kOther);
    EXPECT_EQ(arenas_->OwnerOf(AddressOf(base + 5 * kSliceSize)), kMe);
}

TEST_F(ArenaSetTest, HonoursAlignmentInSlices) {
    Take(1);
    for (size_t alignment = 1; alignment <= kMaxRunSlices; alignment *= 2) {
        char* const base = Take(3, alignment);
        EXPECT_EQ(AddressOf(base) % (alignment * kSliceSize), 0u) << alignment;
    }
    char* const single = Take(1, 64);
    EXPECT_EQ(AddressOf(single) % (64 * kSliceSize), 0u);
}

TEST_F(ArenaSetTest, AWarmSliceIsPreferredForSingleOnes) {
    char* const first = Take(4);
    arenas_->Free(first, 1);
    CommitAll(first + 2 * kSliceSize, 1);
    arenas_->Free(first + 2 * kSliceSize, 1);
    EXPECT_EQ(Take(1), first + 2 * kSliceSize);
    EXPECT_EQ(Take(1), first);
}

TEST_F(ArenaSetTest, ARunGoesWhereMostPagesAre) {
    char* const base = Take(12);
    CommitAll(base + 8 * kSliceSize, 3);
    arenas_->Free(base, 12);
    EXPECT_EQ(Take(3), base + 8 * kSliceSize) << "all of it";
    EXPECT_EQ(Take(3), base) << "none has any, then the lowest";
    arenas_->Free(base + 8 * kSliceSize, 3);
    arenas_->Free(base, 3);
    EXPECT_EQ(Take(4, 4), base + 8 * kSliceSize) << "aligned";
}

TEST_F(ArenaSetTest, AnotherArenaWhenOneIsFull) {
    std::vector<char*> runs;
    for (size_t i = 0; i <= 2 * kRunsPerArena; ++i) runs.push_back(Take(kMaxRunSlices));
    EXPECT_EQ(arenas_->arenas(), 3u);
    for (size_t i = 0; i < runs.size(); ++i) {
        for (size_t j = 0; j < i; ++j) EXPECT_NE(runs[i], runs[j]);
        EXPECT_TRUE(map_->Knows(AddressOf(runs[i])));
    }
    for (char* run : runs) arenas_->Free(run, kMaxRunSlices);
    PurgeAll();
    EXPECT_EQ(arenas_->arenas(), 1u) << "one is kept for the next slab";
    std::set<uintptr_t> known;
    for (char* run : runs) {
        if (map_->Knows(AddressOf(run))) known.insert(RoundDown(AddressOf(run), kArenaSize));
    }
    EXPECT_EQ(known.size(), 1u);
}

TEST_F(ArenaSetTest, AReleasedArenaCanComeBack) {
    for (int round = 0; round < 3; ++round) {
        std::vector<char*> runs;
        for (size_t i = 0; i <= 2 * kRunsPerArena; ++i) {
            runs.push_back(Take(kMaxRunSlices));
            CommitAll(runs.back(), 2);
            EXPECT_EQ(arenas_->OwnerOf(AddressOf(runs.back())), kMe);
            ASSERT_EQ(test::FindNonZero(runs.back(), 0, 2 * kSliceSize), 2 * kSliceSize);
            test::FillPattern(runs.back(), 2 * kSliceSize, i);
        }
        EXPECT_EQ(arenas_->arenas(), 3u);
        for (char* run : runs) arenas_->Free(run, kMaxRunSlices);
        PurgeAll();
        EXPECT_EQ(arenas_->slice_committed(), 0u);
    }
}

TEST_F(ArenaSetTest, ExtendTakesFreeSlicesBehind) {
    char* const base = Take(2);
    char* const next = Take(1);
    EXPECT_FALSE(arenas_->Extend(base, 2, 1, kMe));
    EXPECT_TRUE(arenas_->Extend(next, 1, 5, kMe));
    EXPECT_EQ(arenas_->OwnerOf(AddressOf(next + 5 * kSliceSize)), kMe);
    EXPECT_EQ(Take(1), next + 6 * kSliceSize);
    arenas_->Free(next, 2);
    EXPECT_FALSE(arenas_->Extend(base, 2, 3, kMe)) << "the third is in use";
    EXPECT_TRUE(arenas_->Extend(base, 2, 2, kOther));
    EXPECT_EQ(arenas_->OwnerOf(AddressOf(base + 3 * kSliceSize)), kOther);
}

TEST_F(ArenaSetTest, ExtendEndsWithTheArena) {
    char* const first = Take(kMaxRunSlices);
    for (size_t i = 2; i < kRunsPerArena; ++i) Take(kMaxRunSlices);
    char* const last = Take(kMaxRunSlices - 3);
    EXPECT_EQ(last, first + (kRunsPerArena - 1) * kMaxRunSlices * kSliceSize);
    EXPECT_FALSE(arenas_->Extend(last, kMaxRunSlices - 3, 4, kMe));
    EXPECT_TRUE(arenas_->Extend(last, kMaxRunSlices - 3, 3, kMe));
    EXPECT_FALSE(arenas_->Extend(last, kMaxRunSlices, 1, kMe));
}

TEST_F(ArenaSetTest, CommitGoesToThePageAndCountsEachPageOnce) {
    char* const base = Take(3);
    const size_t before = Committed();
    ASSERT_TRUE(arenas_->Commit(base, base + 1));
    EXPECT_EQ(arenas_->CommittedPrefix(base, 3), kPageSize);
    EXPECT_TRUE(test::CanWrite(base + kPageSize - 1));
    EXPECT_FALSE(test::CanRead(base + kPageSize));
    ASSERT_TRUE(arenas_->Commit(base, base + kPageSize));
    EXPECT_EQ(Committed() - before, kPageSize);
    ASSERT_TRUE(arenas_->Commit(base, base + kSliceSize + 5000));
    EXPECT_EQ(arenas_->CommittedPrefix(base, 3), kSliceSize + 2 * kPageSize);
    EXPECT_EQ(arenas_->CommittedPrefix(base, 1), kSliceSize);
    EXPECT_EQ(Committed() - before, kSliceSize + 2 * kPageSize);
    EXPECT_EQ(arenas_->slice_committed(), kSliceSize + 2 * kPageSize);
    EXPECT_FALSE(test::CanRead(base + kSliceSize + 2 * kPageSize));
    ASSERT_TRUE(arenas_->Commit(base + kSliceSize + 2 * kPageSize, base + 3 * kSliceSize));
    EXPECT_EQ(arenas_->CommittedPrefix(base, 3), 3 * kSliceSize);
    EXPECT_EQ(Committed() - before, 3 * kSliceSize);
}

// A run put together from slices with different prefixes: data there is kept, the count is exact.
TEST_F(ArenaSetTest, CommitFillsGapsBetweenPrefixes) {
    char* const base = Take(4);
    const size_t before = Committed();
    for (size_t slice : {1, 3}) {
        char* const at = base + slice * kSliceSize;
        ASSERT_TRUE(arenas_->Commit(at, at + slice * kPageSize));
        test::FillPattern(at, slice * kPageSize, slice);
    }
    EXPECT_EQ(arenas_->CommittedPrefix(base, 4), 0u);
    EXPECT_EQ(Committed() - before, 4 * kPageSize);
    ASSERT_TRUE(arenas_->Commit(base, base + 4 * kSliceSize));
    EXPECT_EQ(Committed() - before, 4 * kSliceSize);
    EXPECT_EQ(arenas_->slice_committed(), 4 * kSliceSize);
    EXPECT_EQ(arenas_->CommittedPrefix(base, 4), 4 * kSliceSize);
    EXPECT_EQ(test::FindPatternBreak(base + kSliceSize, kPageSize, 1), kPageSize);
    EXPECT_EQ(test::FindPatternBreak(base + 3 * kSliceSize, 3 * kPageSize, 3), 3 * kPageSize);
    EXPECT_EQ(test::FindNonZero(base, 0, kSliceSize), kSliceSize);
}

TEST_F(ArenaSetTest, FreedPagesStayForTheNextOneAndCountAsDirty) {
    char* const base = Take(2);
    ASSERT_TRUE(arenas_->Commit(base, base + 3 * kPageSize));
    EXPECT_FALSE(arenas_->IsDirty(base, 2)) << "fresh pages are zero";
    test::FillPattern(base, 3 * kPageSize, 9);
    arenas_->Free(base, 2);
    ASSERT_EQ(Take(2), base);
    EXPECT_EQ(arenas_->CommittedPrefix(base, 2), 3 * kPageSize);
    EXPECT_TRUE(arenas_->IsDirty(base, 2));
    EXPECT_FALSE(arenas_->IsDirty(base + kSliceSize, 1));
    EXPECT_EQ(test::FindPatternBreak(base, 3 * kPageSize, 9), 3 * kPageSize);
}

TEST_F(ArenaSetTest, DecommitTakesTheEndOfACommittedPart) {
    char* const base = Take(3);
    ASSERT_TRUE(arenas_->Commit(base, base + 2 * kSliceSize + 3 * kPageSize));
    const size_t before = Committed();
    const size_t counted = arenas_->slice_committed();
    ASSERT_TRUE(arenas_->Decommit(base + 5 * kPageSize, base + 3 * kSliceSize));
    const size_t taken = 2 * kSliceSize - 2 * kPageSize;
    EXPECT_EQ(before - Committed(), taken);
    EXPECT_EQ(counted - arenas_->slice_committed(), taken);
    EXPECT_EQ(arenas_->CommittedPrefix(base, 3), 5 * kPageSize);
    EXPECT_TRUE(arenas_->Decommit(base + 5 * kPageSize, base + 3 * kSliceSize)) << "nothing to do";
    faults_.FailNth(test::kDecommit, 1);
    EXPECT_FALSE(arenas_->Decommit(base, base + kSliceSize));
    EXPECT_EQ(arenas_->CommittedPrefix(base, 3), 5 * kPageSize);
    CommitAll(base, 3);
    EXPECT_EQ(arenas_->CommittedPrefix(base, 3), 3 * kSliceSize);
}

TEST_F(ArenaSetTest, ExecutableSlicesHaveArenasOfTheirOwn) {
    char* const data = Take(1);
    char* const code = arenas_->Allocate(1, 1, kMe, os::Access::kReadWriteExecute);
    ASSERT_NE(code, nullptr);
    EXPECT_NE(AddressOf(data) / kArenaSize, AddressOf(code) / kArenaSize);
    EXPECT_EQ(arenas_->AccessOf(data), os::Access::kReadWrite);
    EXPECT_EQ(arenas_->AccessOf(code), os::Access::kReadWriteExecute);
    CommitAll(code, 1);
    code[kSliceSize - 1] = 1;
    arenas_->Free(code, 1);
    EXPECT_NE(Take(1), code) << "freed, but not for data";
    EXPECT_EQ(arenas_->Allocate(1, 1, kMe, os::Access::kReadWriteExecute), code);
}

TEST_F(ArenaSetTest, SetOwnerChangesJustThese) {
    char* const base = Take(3);
    arenas_->SetOwner(base + kSliceSize, 1, kOther);
    EXPECT_EQ(arenas_->OwnerOf(AddressOf(base)), kMe);
    EXPECT_EQ(arenas_->OwnerOf(AddressOf(base) + 2 * kSliceSize - 1), kOther);
    EXPECT_EQ(arenas_->OwnerOf(AddressOf(base) + 2 * kSliceSize), kMe);
    arenas_->Free(base, 3);
    EXPECT_EQ(arenas_->OwnerOf(AddressOf(base)), kNobody);
}

// ---- dedicated ---------------------------------------------------------------------------------

}  // namespace
}  // namespace strata::arena
