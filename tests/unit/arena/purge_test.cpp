// ArenaSet::Purge: what is decommitted, when, and what happens when the system refuses.
#include <gtest/gtest.h>

#include "arena/arena_set.h"
#include "arena/purge_policy.h"
#include "base/bits.h"
#include "os/process.h"
#include "support/arena_fixture.h"
#include "support/model.h"
#include "support/probe.h"

namespace strata::arena {
namespace {

class PurgeTest : public ArenaFixture {
protected:
    void TearDown() override { g_purge_policy = PurgePolicy{}; }

    // `count` committed slices that were just freed.
    char* Warm(size_t count) {
        char* const base = Take(count);
        CommitAll(base, count);
        arenas_->Free(base, count);
        return base;
    }
    // A moment `epochs` epochs from now.
    static uint64_t After(uint64_t epochs) {
        return os::Milliseconds() + epochs * kEpochMilliseconds;
    }
    size_t Committed() const { return arenas_->slice_committed(); }
};

TEST_F(PurgeTest, EverythingMeansEverything) {
    char* const base = Warm(20);
    char* const used = Take(1);
    CommitAll(used, 1);
    EXPECT_EQ(Committed(), (used == base ? 20u : 21u) * kSliceSize);
    const size_t calls = faults_.Calls(test::kDecommit);
    PurgeAll();
    EXPECT_EQ(Committed(), kSliceSize) << "what is in use stays";
    EXPECT_TRUE(test::CanWrite(used));
    EXPECT_FALSE(test::CanRead(base + 19 * kSliceSize));
    EXPECT_EQ(faults_.Calls(test::kDecommit), calls + 1) << "neighbours go in one call";
}

TEST_F(PurgeTest, PurgedSlicesAreZeroAndNotDirty) {
    char* const base = Take(2);
    CommitAll(base, 2);
    test::FillPattern(base, 2 * kSliceSize, 1);
    arenas_->Free(base, 2);
    PurgeAll();
    ASSERT_EQ(Take(2), base);
    EXPECT_FALSE(arenas_->IsDirty(base, 2));
    EXPECT_EQ(arenas_->CommittedPrefix(base, 2), 0u);
    CommitAll(base, 2);
    EXPECT_EQ(test::FindNonZero(base, 0, 2 * kSliceSize), 2 * kSliceSize);
}

TEST_F(PurgeTest, CommittingAnewGivesBackWhatIsFreeElsewhere) {
    constexpr size_t kFloor = kFreeCommitFloor / kSliceSize;
    // Free, and in pieces: a run of two slices finds no place in it.
    char* const base = Take(4 * kFloor);
    CommitAll(base, 4 * kFloor);
    for (size_t i = 0; i < 4 * kFloor; i += 2) arenas_->Free(base + i * kSliceSize, 1);
    const size_t before = Committed();
    char* const run = Take(2);
    ASSERT_GE(run, base + 4 * kFloor * kSliceSize);
    CommitAll(run, 2);
    EXPECT_EQ(Committed(), before) << "as much as is new went back";
    for (size_t i = 0; i < 4 * kFloor; ++i) CommitAll(Take(2), 2);
    EXPECT_GE(arenas_->warm_slices() * kSliceSize, kFreeCommitFloor);
    EXPECT_LE(arenas_->warm_slices() * kSliceSize,
              kFreeCommitFloor + Committed() / kFreeCommitShare + kSliceSize);
    faults_.FailFrom(test::kDecommit, 1);
    CommitAll(Take(2), 2);
}

TEST_F(PurgeTest, YoungSlicesKeepTheirPages) {
    Warm(100);
    arenas_->Purge(After(0), false);
    arenas_->Purge(After(kDecayEpochs - 2), false);
    EXPECT_EQ(Committed(), 100 * kSliceSize);
}

TEST_F(PurgeTest, DecayedSlicesGoExceptTheRetained) {
    Warm(100);
    EXPECT_TRUE(arenas_->WantsPurge(After(kDecayEpochs + 1)));
    arenas_->Purge(After(kDecayEpochs + 1), false);
    EXPECT_EQ(Committed(), kRetainedSlices * kSliceSize);
    arenas_->Purge(After(kDecayEpochs + 20), false);
    EXPECT_EQ(Committed(), kRetainedSlices * kSliceSize);
    EXPECT_FALSE(arenas_->WantsPurge(After(kDecayEpochs + 30))) << "nothing above what is retained";
}

TEST_F(PurgeTest, AFewSlicesAreLeftForGood) {
    Warm(kRetainedSlices);
    EXPECT_FALSE(arenas_->WantsPurge(After(100)));
    arenas_->Purge(After(100), false);
    EXPECT_EQ(Committed(), kRetainedSlices * kSliceSize);
}

TEST_F(PurgeTest, ThePolicyCanBeSet) {
    g_purge_policy = {.decay_epochs = 20, .retained_slices = 3};
    Warm(10);
    arenas_->Purge(After(18), false);
    EXPECT_EQ(Committed(), 10 * kSliceSize);
    arenas_->Purge(After(22), false);
    EXPECT_EQ(Committed(), 3 * kSliceSize);
    g_purge_policy = {.decay_epochs = 0, .retained_slices = 0};
    arenas_->Purge(After(23), false);
    EXPECT_EQ(Committed(), 0u);
}

TEST_F(PurgeTest, OncePerEpoch) {
    const uint64_t now = RoundUp(After(50), kEpochMilliseconds);
    arenas_->Purge(now, false);
    EXPECT_FALSE(arenas_->WantsPurge(now));
    Warm(50);
    arenas_->Purge(now + 1, false);
    EXPECT_FALSE(arenas_->WantsPurge(now + 1));
    EXPECT_EQ(Committed(), 50 * kSliceSize);
    EXPECT_TRUE(arenas_->WantsPurge(now + kEpochMilliseconds));
    arenas_->Purge(now + kEpochMilliseconds, false);
    EXPECT_EQ(Committed(), kRetainedSlices * kSliceSize);
}

// Slices taken again in time are not purged, and start to decay anew when they come back.
TEST_F(PurgeTest, ReusedSlicesStay) {
    char* const base = Warm(40);
    ASSERT_EQ(Take(40), base);
    arenas_->Purge(After(100), true);
    EXPECT_EQ(Committed(), 40 * kSliceSize);
    arenas_->Free(base, 40);
    arenas_->Purge(After(1), false);
    EXPECT_EQ(Committed(), 40 * kSliceSize);
}

TEST_F(PurgeTest, PartlyCommittedSlicesAreCountedExactly) {
    char* const base = Take(6);
    for (size_t slice = 0; slice < 6; ++slice) {
        char* const at = base + slice * kSliceSize;
        ASSERT_TRUE(arenas_->Commit(at, at + (slice + 1) * kPageSize));
    }
    const size_t before = memory_.Counters().committed;
    EXPECT_EQ(Committed(), 21 * kPageSize);
    arenas_->Free(base, 6);
    PurgeAll();
    EXPECT_EQ(Committed(), 0u);
    EXPECT_EQ(memory_.Counters().committed, before - 21 * kPageSize);
}

TEST_F(PurgeTest, ARefusedDecommitChangesNothing) {
    char* const base = Warm(20);
    const size_t before = memory_.Counters().committed;
    faults_.FailFrom(test::kDecommit, 1);
    PurgeAll();
    EXPECT_EQ(faults_.Failures(), 1u) << "no second try in one purge";
    EXPECT_EQ(memory_.Counters().committed, before);
    EXPECT_EQ(Committed(), 20 * kSliceSize);
    EXPECT_TRUE(test::CanRead(base + 19 * kSliceSize));
    faults_.StopFailing();
    ASSERT_EQ(Take(20), base) << "the slices are free again";
    EXPECT_EQ(arenas_->CommittedPrefix(base, 20), 20 * kSliceSize);
    EXPECT_TRUE(arenas_->IsDirty(base, 20));
    arenas_->Free(base, 20);
    PurgeAll();
    EXPECT_EQ(Committed(), 0u);
}

TEST_F(PurgeTest, EmptyArenasAreReleasedExceptOne) {
    const size_t reserved = memory_.Counters().reserved;
    char* runs[3 * kRunsPerArena];
    for (char*& run : runs) run = Take(kMaxRunSlices);
    EXPECT_EQ(arenas_->arenas(), 3u);
    for (char* run : runs) arenas_->Free(run, kMaxRunSlices);
    arenas_->Purge(After(10), false);
    EXPECT_EQ(arenas_->arenas(), 1u);
    EXPECT_EQ(memory_.Counters().reserved, reserved + kArenaSize);
}

TEST_F(PurgeTest, ARefusedReleaseKeepsTheArena) {
    char* runs[3 * kRunsPerArena];
    for (char*& run : runs) run = Take(kMaxRunSlices);
    for (char* run : runs) arenas_->Free(run, kMaxRunSlices);
    faults_.FailFrom(test::kRelease, 1);
    PurgeAll();
    faults_.StopFailing();
    EXPECT_EQ(arenas_->arenas(), 3u);
    for (char*& run : runs) {
        run = Take(kMaxRunSlices);
        EXPECT_TRUE(map_->Knows(AddressOf(run)));
        CommitAll(run, 1);
    }
    EXPECT_EQ(arenas_->arenas(), 3u) << "all of them are usable";
    for (char* run : runs) arenas_->Free(run, kMaxRunSlices);
    PurgeAll();
    EXPECT_EQ(arenas_->arenas(), 1u);
}

TEST_F(PurgeTest, AnArenaInUseIsKept) {
    char* const base = Take(1);
    for (size_t i = 0; i < kRunsPerArena; ++i) Take(kMaxRunSlices, 1, kOther);
    arenas_->Purge(After(100), true);
    EXPECT_EQ(arenas_->arenas(), 2u);
    EXPECT_TRUE(map_->Knows(AddressOf(base)));
}

}  // namespace
}  // namespace strata::arena
