// What may lie idle when memory is committed: ArenaSet::Excess.
#include <gtest/gtest.h>

#include "os/process.h"
#include "support/arena_fixture.h"

namespace strata::arena {
namespace {

class ExcessTest : public ArenaFixture {
protected:
    static constexpr size_t kMany = 400;
    // Frees what is in use as a user of the set does.
    void FreeNoted(char* base, size_t slices) {
        arenas_->NoteUse(os::Milliseconds());
        arenas_->Free(base, slices);
    }
    static constexpr size_t Allowed(size_t used) {
        return used + used / kFreeCommitShare + kFreeCommitFloor;
    }
};

TEST_F(ExcessTest, AShareOfWhatIsInUseMayBeIdle) {
    char* const base = Take(kMany);
    CommitAll(base, kMany);
    EXPECT_EQ(arenas_->Excess(0), 0u);
    arenas_->Free(base, kMany);  // nobody noted that it was in use
    EXPECT_EQ(arenas_->Excess(0), kMany * kSliceSize - Allowed(0));
    EXPECT_EQ(arenas_->Excess(kSliceSize), (kMany + 1) * kSliceSize - Allowed(kSliceSize));
}

TEST_F(ExcessTest, WhatWasInUseJustNowMayAllBeIdle) {
    char* const base = Take(kMany);
    CommitAll(base, kMany);
    FreeNoted(base, kMany);
    EXPECT_EQ(arenas_->Excess(0), 0u);
    const size_t room = Allowed(kMany * kSliceSize) - kMany * kSliceSize;
    EXPECT_EQ(arenas_->Excess(room), 0u);
    EXPECT_EQ(arenas_->Excess(room + kSliceSize), kSliceSize);
}

// Most of the free slices do not suit: they go as far as needed, so that the sum stays in its
// bound.
TEST_F(ExcessTest, CommittingMakesRoomInTheBound) {
    char* const base = Take(kMany);
    char* const other = Take(kMany);
    CommitAll(base, kMany);
    FreeNoted(base, kMany);
    CommitAll(other, kMany);
    EXPECT_EQ(arenas_->slice_committed(), Allowed(kMany * kSliceSize) / kSliceSize * kSliceSize);
    arenas_->Free(other, kMany);
}

TEST_F(ExcessTest, CountsWhatLiesElsewhere) {
    char* const base = Take(kMany);
    CommitAll(base, kMany);
    arenas_->Free(base, kMany);
    const size_t before = arenas_->Excess(0);
    arenas_->CountOutside(64 * kSliceSize, 0);
    EXPECT_EQ(arenas_->outside(), 64 * kSliceSize);
    EXPECT_EQ(arenas_->Excess(0), before - 64 * kSliceSize / kFreeCommitShare) << "in use";
    arenas_->CountCached(64 * kSliceSize, 0);
    EXPECT_EQ(arenas_->Excess(0), before + 64 * kSliceSize) << "idle";
    arenas_->CountCached(0, 64 * kSliceSize);
    arenas_->CountOutside(0, 64 * kSliceSize);
    EXPECT_EQ(arenas_->Excess(0), before);
}

}  // namespace
}  // namespace strata::arena
