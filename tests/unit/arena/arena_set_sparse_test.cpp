// Slices for somebody who will use few of their pages.
#include <gtest/gtest.h>

#include "arena/arena_set.h"
#include "support/arena_fixture.h"

namespace strata::arena {
namespace {

class SparseSlicesTest : public ArenaFixture {
protected:
    // Frees slices at `base` of which the first `pages` are committed.
    void FreeWith(char* base, size_t pages) {
        EXPECT_TRUE(arenas_->Commit(base, base + pages * kPageSize));
        arenas_->Free(base, 1);
    }
};

TEST_F(SparseSlicesTest, LeaveThoseWithManyPagesToOthers) {
    char* const full = Take(1);
    char* const few = Take(1);
    char* const behind = Take(1);
    FreeWith(full, kPagesPerSlice);
    FreeWith(few, kSparsePages);
    EXPECT_EQ(arenas_->AllocateSparse(1, kMe), few);
    EXPECT_EQ(arenas_->AllocateSparse(1, kMe), behind + kSliceSize) << "one without pages";
    EXPECT_EQ(Take(1), full);
    EXPECT_EQ(arenas_->warm_slices(), 0u);
}

TEST_F(SparseSlicesTest, ThoseWithManyPagesBeforeNone) {
    char* const first = Take(kSlicesPerArena / 4);
    for (int i = 1; i < 4; ++i) Take(kSlicesPerArena / 4);
    FreeWith(first, kPagesPerSlice);
    EXPECT_EQ(arenas_->AllocateSparse(1, kMe), first) << "rather than a new arena";
    EXPECT_EQ(arenas_->arenas(), 1u);
}

TEST_F(SparseSlicesTest, SeveralSlicesLieTogether) {
    char* const base = Take(6);
    FreeWith(base + 1 * kSliceSize, 1);
    FreeWith(base + 2 * kSliceSize, kSparsePages + 1);
    FreeWith(base + 3 * kSliceSize, 1);
    FreeWith(base + 4 * kSliceSize, 0);
    EXPECT_EQ(arenas_->AllocateSparse(2, kMe), base + 3 * kSliceSize);
    EXPECT_EQ(arenas_->OwnerOf(AddressOf(base + 4 * kSliceSize)), kMe);
}

TEST_F(SparseSlicesTest, MemoryIsShort) {
    faults_.FailFrom(test::kReserve, 1);
    EXPECT_EQ(arenas_->AllocateSparse(1, kMe), nullptr);
}

}  // namespace
}  // namespace strata::arena
