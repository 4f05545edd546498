// ArenaSet::CommitAhead: more slices than the caller's in one call to the system.
#include <gtest/gtest.h>

#include "support/arena_fixture.h"

namespace strata::arena {
namespace {

class CommitAheadTest : public ArenaFixture {
protected:
    // So many slices whole and in use that `ahead` of them may be committed ahead.
    void UseEnoughFor(size_t ahead) {
        const size_t slices = ahead * kCommitAheadShare;
        CommitAll(Take(slices), slices);
    }
    // Of a slice that was just taken: whether it came with all its pages, and they are zero.
    bool IsReady(const char* base) const {
        return arenas_->CommittedPrefix(base, 1) == kSliceSize && !arenas_->IsDirty(base, 1);
    }
    uint64_t CommitCalls() const { return memory_.Counters().commit_calls; }
};

TEST_F(CommitAheadTest, TakesAShareOfWhatIsCommitted) {
    UseEnoughFor(3);
    char* const base = Take(1);
    const size_t before = Committed();
    const uint64_t calls = CommitCalls();
    ASSERT_TRUE(arenas_->CommitAhead(base, 1));
    EXPECT_EQ(CommitCalls(), calls + 1);
    EXPECT_EQ(Committed(), before + 4 * kSliceSize);
    EXPECT_EQ(arenas_->warm_slices(), 3u) << "free, for anybody";
    EXPECT_EQ(arenas_->CommittedPrefix(base, 1), kSliceSize);
    for (size_t i = 1; i <= 3; ++i) {
        char* const next = Take(1, 1, kOther);
        EXPECT_EQ(next, base + i * kSliceSize);
        EXPECT_TRUE(IsReady(next));
        EXPECT_EQ(arenas_->OwnerOf(AddressOf(next)), kOther);
    }
    EXPECT_FALSE(IsReady(Take(1)));
    EXPECT_EQ(CommitCalls(), calls + 1);
}

TEST_F(CommitAheadTest, NothingAheadOfLittle) {
    const size_t slices = kCommitAheadShare - 1;
    CommitAll(Take(slices), slices);
    char* const base = Take(1);
    const size_t before = Committed();
    EXPECT_FALSE(arenas_->CommitAhead(base, 1));
    EXPECT_EQ(Committed(), before);
    EXPECT_EQ(arenas_->CommittedPrefix(base, 1), 0u);
}

TEST_F(CommitAheadTest, NeverMoreThanItsBound) {
    for (size_t i = 0; i < 2 * kCommitAheadSlices; i += 8) UseEnoughFor(8);
    // Not at the end of an arena.
    char* const base = Take(2 * kCommitAheadSlices);
    arenas_->Free(base + kSliceSize, 2 * kCommitAheadSlices - 1);
    const size_t before = Committed();
    ASSERT_TRUE(arenas_->CommitAhead(base, 1));
    EXPECT_EQ(Committed(), before + (1 + kCommitAheadSlices) * kSliceSize);
}

TEST_F(CommitAheadTest, NotWhileFreeSlicesHavePages) {
    UseEnoughFor(4);
    const size_t warm = kRetainedSlices + 1;
    char* const freed = Take(warm);
    CommitAll(freed, warm);
    char* const base = Take(2);
    arenas_->Free(freed, warm);
    EXPECT_FALSE(arenas_->CommitAhead(base, 2));
    Take(1);  // takes one of them
    EXPECT_TRUE(arenas_->CommitAhead(base, 2));
}

TEST_F(CommitAheadTest, StopsAtWhatIsInUseOrHasPages) {
    UseEnoughFor(4);
    char* const base = Take(6);
    arenas_->Free(base + kSliceSize, 2);
    const size_t before = Committed();
    ASSERT_TRUE(arenas_->CommitAhead(base, 1));
    EXPECT_EQ(Committed(), before + 3 * kSliceSize);
    char* const held = base + 3 * kSliceSize;
    EXPECT_FALSE(arenas_->CommitAhead(held, 1)) << "the slice behind it is in use";
    ASSERT_TRUE(arenas_->Commit(base + 4 * kSliceSize, base + 4 * kSliceSize + kPageSize));
    arenas_->Free(base + 4 * kSliceSize, 1);
    Take(1);
    Take(1);  // the two that are warm
    EXPECT_FALSE(arenas_->CommitAhead(held, 1)) << "the slice behind it has a page";
    EXPECT_EQ(Committed(), before + 3 * kSliceSize + kPageSize);
}

TEST_F(CommitAheadTest, EndsWithTheArena) {
    UseEnoughFor(4);
    char* const rest = Take(kMaxRunSlices);
    const uintptr_t end = RoundDown(AddressOf(rest), kArenaSize) + kArenaSize;
    arenas_->Free(rest, kMaxRunSlices);
    while (true) {
        char* const slice = Take(1);
        if (AddressOf(slice) + kSliceSize != end) continue;
        EXPECT_FALSE(arenas_->CommitAhead(slice, 1));
        break;
    }
}

TEST_F(CommitAheadTest, NotInExecutableArenas) {
    UseEnoughFor(4);
    char* const base = arenas_->Allocate(1, 1, kMe, os::Access::kReadWriteExecute);
    ASSERT_NE(base, nullptr);
    EXPECT_FALSE(arenas_->CommitAhead(base, 1));
    EXPECT_EQ(arenas_->CommittedPrefix(base, 1), 0u);
}

TEST_F(CommitAheadTest, ARefusedCommitChangesNothing) {
    UseEnoughFor(2);
    char* const base = Take(1);
    const size_t before = Committed();
    faults_.FailFrom(test::kCommit, 1);
    EXPECT_FALSE(arenas_->CommitAhead(base, 1));
    faults_.StopFailing();
    EXPECT_EQ(Committed(), before);
    EXPECT_EQ(arenas_->warm_slices(), 0u);
    EXPECT_EQ(Take(2), base + kSliceSize) << "free as before";
    EXPECT_TRUE(arenas_->Commit(base, base + kPageSize)) << "and the lock is free";
}

}  // namespace
}  // namespace strata::arena
