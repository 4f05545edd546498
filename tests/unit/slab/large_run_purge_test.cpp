// PurgeRunTail: pages behind the end of a live run.
#include <gtest/gtest.h>

#include "slab/large_run.h"
#include "support/model.h"
#include "support/probe.h"
#include "support/process_fixture.h"

namespace strata::slab {
namespace {

constexpr size_t kBytes = 70'000;  // 18 pages of two slices
constexpr size_t kUsed = RoundUp(kBytes, kPageSize);

class PurgeRunTailTest : public test::ProcessFixture {
protected:
    // On slices that have all their pages, which hold data.
    static LargeRun* MakeOnWarmSlices() {
        char* const warm = arena::g_arenas.Allocate(2, 1, 77);
        EXPECT_TRUE(arena::g_arenas.Commit(warm, warm + 2 * kSliceSize));
        for (size_t at = 0; at < 2 * kSliceSize; at += kPageSize) warm[at] = 1;
        arena::g_arenas.Free(warm, 2);
        LargeRun* const run = AllocateRun({.bytes = kBytes, .zero = true, .heap = nullptr});
        EXPECT_EQ(run->base, warm);
        EXPECT_EQ(run->Committed(), 2 * kSliceSize);
        test::FillPattern(run->base, kBytes, 3);
        return run;
    }
    static void End(LargeRun* run) {
        EXPECT_TRUE(MarkFree(*run));
        FreeRun(run);
    }
};

TEST_F(PurgeRunTailTest, GoesBackWhenTheSizeStayed) {
    LargeRun* const run = MakeOnWarmSlices();
    PurgeRunTail(*run, false);
    EXPECT_EQ(Committed(), 2 * kSliceSize) << "the first look";
    PurgeRunTail(*run, false);
    EXPECT_EQ(Committed(), kUsed);
    EXPECT_EQ(run->Committed(), kUsed);
    EXPECT_TRUE(run->IsLive());
    EXPECT_TRUE(test::CanWrite(run->base + kUsed - 1));
    EXPECT_FALSE(test::CanRead(run->base + kUsed));
    EXPECT_EQ(test::FindPatternBreak(run->base, kBytes, 3), kBytes);
    End(run);
}

TEST_F(PurgeRunTailTest, StaysWhileTheSizeChanges) {
    LargeRun* const run = MakeOnWarmSlices();
    for (size_t bytes = kBytes; bytes < kBytes + 5; ++bytes) {
        ASSERT_TRUE(ResizeRun(*run, bytes, false));
        PurgeRunTail(*run, false);
        EXPECT_EQ(Committed(), 2 * kSliceSize);
    }
    PurgeRunTail(*run, true);
    EXPECT_EQ(Committed(), kUsed) << "at once";
    End(run);
}

TEST_F(PurgeRunTailTest, ComesBackAsZeroesWhenTheRunGrows) {
    LargeRun* const run = MakeOnWarmSlices();
    PurgeRunTail(*run, true);
    ASSERT_TRUE(ResizeRun(*run, 2 * kSliceSize, true));
    EXPECT_EQ(test::FindPatternBreak(run->base, kBytes, 3), kBytes);
    EXPECT_EQ(test::FindNonZero(run->base, kBytes, 2 * kSliceSize), 2 * kSliceSize);
    EXPECT_EQ(Committed(), 2 * kSliceSize);
    End(run);
    Purge();
    EXPECT_EQ(Committed(), 0u);
}

// The run itself knows only of the pages that it had to have.
TEST_F(PurgeRunTailTest, BehindAGapGoesBackWhole) {
    char* const warm = arena::g_arenas.Allocate(3, 1, 77);
    ASSERT_TRUE(arena::g_arenas.Commit(warm, warm + 3 * kSliceSize));
    for (size_t at = 0; at < 3 * kSliceSize; at += kPageSize) warm[at] = 1;
    ASSERT_TRUE(arena::g_arenas.Decommit(warm + kSliceSize, warm + 2 * kSliceSize));
    arena::g_arenas.Free(warm, 3);
    LargeRun* const run =
        AllocateRun({.bytes = 2 * kSliceSize + 20'000, .zero = true, .heap = nullptr});
    ASSERT_EQ(run->base, warm);
    ASSERT_TRUE(ResizeRun(*run, 2 * kSliceSize + 5'000, false));
    ASSERT_EQ(Committed(), 3 * kSliceSize);
    PurgeRunTail(*run, true);
    EXPECT_EQ(Committed(), 2 * kSliceSize + 2 * kPageSize);
    ASSERT_TRUE(ResizeRun(*run, 3 * kSliceSize, true));
    EXPECT_EQ(test::FindNonZero(run->base, 2 * kSliceSize + 5'000, 3 * kSliceSize), 3 * kSliceSize);
    End(run);
}

TEST_F(PurgeRunTailTest, OfAFreeRunIsLeftAlone) {
    LargeRun* const run = MakeOnWarmSlices();
    ASSERT_TRUE(MarkFree(*run));
    PurgeRunTail(*run, true);
    EXPECT_EQ(run->Committed(), 2 * kSliceSize);
    EXPECT_FALSE(run->IsLive());
    ReviveRun(*run, 2 * kSliceSize, false);
    PurgeRunTail(*run, true);
    EXPECT_EQ(run->Committed(), 2 * kSliceSize) << "all of it is asked for";
    End(run);
}

TEST_F(PurgeRunTailTest, OfADirectBlockGoesBack) {
    const size_t large = kMaxRunSlices * kSliceSize + 1'000'000;
    LargeRun* const run = AllocateRun({.bytes = large, .heap = nullptr});
    ASSERT_TRUE(run->direct);
    ASSERT_TRUE(ResizeRun(*run, large - 500'000, false));
    const size_t before = DirectCommitted();
    PurgeRunTail(*run, true);
    EXPECT_EQ(DirectCommitted(), RoundUp(large - 500'000, kPageSize));
    EXPECT_LT(DirectCommitted(), before);
    End(run);
    EXPECT_EQ(DirectCommitted(), 0u);
}

TEST_F(PurgeRunTailTest, StaysWhenTheSystemRefuses) {
    LargeRun* const run = MakeOnWarmSlices();
    {
        test::FaultInjector faults(arena::g_memory);
        faults.FailFrom(test::kDecommit, 1);
        PurgeRunTail(*run, true);
        EXPECT_EQ(faults.Failures(), 1u);
    }
    EXPECT_EQ(Committed(), 2 * kSliceSize);
    EXPECT_TRUE(run->IsLive());
    PurgeRunTail(*run, true);
    EXPECT_EQ(Committed(), kUsed);
    End(run);
}

}  // namespace
}  // namespace strata::slab
