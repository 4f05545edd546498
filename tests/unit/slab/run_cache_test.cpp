#include "slab/run_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "arena/purge_policy.h"
#include "slab/large_run.h"
#include "support/process_fixture.h"

namespace strata::slab {
namespace {

// A cache of the test's own. Runs that it is made to release come from the arenas of the process.
class RunCacheTest : public test::ProcessFixture {
protected:
    void TearDown() override {
        while (LargeRun* run = cache_->TakeExpired(0, true)) ReleaseRun(run);
        arena::g_purge_policy = arena::PurgePolicy{};
        ProcessFixture::TearDown();
    }

    static LargeRun* Make(size_t slices, size_t alignment = 1) {
        LargeRun* const run = AllocateRun(
            {.bytes = slices * kSliceSize, .alignment = alignment, .zero = false, .heap = nullptr});
        EXPECT_NE(run, nullptr);
        EXPECT_EQ(run->slices, slices);
        EXPECT_TRUE(MarkFree(*run));
        return run;
    }

    // Where the runs lie that were put, in their order.
    std::vector<char*> PutMany(size_t count, size_t slices) {
        std::vector<LargeRun*> runs;
        std::vector<char*> bases;
        for (size_t i = 0; i < count; ++i) {
            runs.push_back(Make(slices));
            bases.push_back(runs.back()->base);
        }
        for (LargeRun* run : runs) EXPECT_TRUE(cache_->Put(run));
        return bases;
    }

    std::unique_ptr<RunCache> cache_ = std::make_unique<RunCache>();
};

TEST_F(RunCacheTest, GivesBackWhatFits) {
    EXPECT_EQ(cache_->Take(1, 1), nullptr);
    LargeRun* const run = Make(16);
    ASSERT_TRUE(cache_->Put(run));
    EXPECT_EQ(cache_->Take(17, 1), nullptr) << "too small";
    EXPECT_EQ(cache_->Take(14, 1), nullptr) << "more than an eighth would be wasted";
    EXPECT_EQ(cache_->Take(15, 1), run);
    EXPECT_EQ(cache_->Take(15, 1), nullptr) << "only once";
    ReleaseRun(run);
}

TEST_F(RunCacheTest, PrefersTheSmallestAndThenTheNewest) {
    LargeRun* const old = Make(17);
    LargeRun* const large = Make(18);
    LargeRun* const young = Make(17);
    for (LargeRun* run : {old, large, young}) ASSERT_TRUE(cache_->Put(run));
    EXPECT_EQ(cache_->Take(16, 1), young);
    EXPECT_EQ(cache_->Take(16, 1), old);
    EXPECT_EQ(cache_->Take(16, 1), large);
    for (LargeRun* run : {old, large, young}) ReleaseRun(run);
}

TEST_F(RunCacheTest, HonoursAlignment) {
    LargeRun* const aligned = Make(2, 8 * kSliceSize);
    LargeRun* const other = Make(2);
    ASSERT_NE(AddressOf(other->base) % (8 * kSliceSize), 0u);
    ASSERT_TRUE(cache_->Put(aligned));
    ASSERT_TRUE(cache_->Put(other));
    EXPECT_EQ(cache_->Take(2, 8 * kSliceSize), aligned);
    EXPECT_EQ(cache_->Take(2, 8 * kSliceSize), nullptr);
    EXPECT_EQ(cache_->Take(2, kSliceSize), other);
    ReleaseRun(aligned);
    ReleaseRun(other);
}

TEST_F(RunCacheTest, TheOldestMakesRoomForTheNewest) {
    const std::vector<char*> bases = PutMany(kRunCacheEntries + 3, 1);
    for (size_t i = 0; i < bases.size(); ++i) {
        EXPECT_EQ(KindOf(bases[i]), i < 3 ? arena::SliceKind::kNone : arena::SliceKind::kRun) << i;
    }
}

TEST_F(RunCacheTest, KeepsABoundedNumberOfBytes) {
    constexpr size_t kSlices = kRunCacheBytes / 4 / kSliceSize;
    constexpr size_t kFit = kRunCacheBytes / (kSlices * kSliceSize);
    const std::vector<char*> bases = PutMany(kFit + 2, kSlices);
    for (size_t i = 0; i < bases.size(); ++i) {
        EXPECT_EQ(KindOf(bases[i]), i < 2 ? arena::SliceKind::kNone : arena::SliceKind::kRun) << i;
    }
    // What was taken out makes room again.
    LargeRun* const taken = cache_->Take(kSlices, 1);
    ASSERT_NE(taken, nullptr);
    ASSERT_TRUE(cache_->Put(taken));
    EXPECT_EQ(KindOf(bases[2]), arena::SliceKind::kRun) << "nothing had to go";
}

TEST_F(RunCacheTest, RefusesWhatWouldFillHalfOfIt) {
    LargeRun large{};
    large.committed = kRunCacheBytes / 2 + kPageSize;
    EXPECT_FALSE(cache_->Put(&large));
    EXPECT_EQ(cache_->TakeExpired(0, true), nullptr);
}

TEST_F(RunCacheTest, ExpiresTheOldestAfterDecay) {
    LargeRun* const first = Make(1);
    LargeRun* const second = Make(1);
    ASSERT_TRUE(cache_->Put(first));
    ASSERT_TRUE(cache_->Put(second));
    const uint64_t now = os::Milliseconds();
    EXPECT_EQ(cache_->TakeExpired(now, false), nullptr);
    EXPECT_EQ(cache_->TakeExpired(now + (kDecayEpochs - 2) * kEpochMilliseconds, false), nullptr);
    const uint64_t later = now + (kDecayEpochs + 1) * kEpochMilliseconds;
    EXPECT_EQ(cache_->TakeExpired(later, false), first);
    arena::g_purge_policy.decay_epochs = kDecayEpochs + 100;
    EXPECT_EQ(cache_->TakeExpired(later, false), nullptr);
    EXPECT_EQ(cache_->TakeExpired(later, true), second);
    EXPECT_EQ(cache_->TakeExpired(later, true), nullptr);
    ReleaseRun(first);
    ReleaseRun(second);
}

// The cache of the process, through the functions that everybody uses.
// Memory is to be committed: what the process's cache holds comes first.
TEST_F(RunCacheTest, GivesUpWhatOthersNeed) {
    PurgeRuns(0, true);
    arena::g_arenas.Purge(0, true);
    LargeRun* const run = Make(4);
    const char* const base = run->base;
    FreeRun(run);
    ASSERT_EQ(KindOf(base), arena::SliceKind::kRun) << "cached";
    ReleaseRunsToArenas(0);
    EXPECT_EQ(KindOf(base), arena::SliceKind::kRun) << "nobody needs it, and it is not much";
    ReleaseRunsToArenas(1);
    EXPECT_EQ(KindOf(base), arena::SliceKind::kNone);
    EXPECT_GE(arena::g_arenas.warm_slices(), 4u);
}

TEST_F(RunCacheTest, GivesUpWhatIsMoreThanMayBeIdle) {
    PurgeRuns(0, true);
    std::vector<LargeRun*> runs;
    for (int i = 0; i < 4; ++i) runs.push_back(Make(16));
    for (LargeRun* run : runs) FreeRun(run);
    ASSERT_GT(g_run_cache.bytes(), arena::g_arenas.AllowedIdle());
    ReleaseRunsToArenas(0);
    EXPECT_LE(g_run_cache.bytes(), arena::g_arenas.AllowedIdle());
}

// Of runs that the cache takes, and of such as are too large for it.
TEST_F(RunCacheTest, WhatIsFreedNowMayAllBeIdle) {
    for (const size_t slices : {kRunCacheBytes / 2 / kSliceSize, kMaxRunSlices}) {
        SCOPED_TRACE(slices);
        PurgeRuns(0, true);
        arena::g_arenas.Purge(0, true);
        std::vector<LargeRun*> runs;
        // More each time than was in use in any test before.
        for (size_t left = kSlicesPerArena * (slices == kMaxRunSlices ? 8 : 4); left != 0;) {
            runs.push_back(Make(slices));
            left -= slices;
        }
        for (LargeRun* run : runs) FreeRun(run);
        EXPECT_EQ(arena::g_arenas.Excess(0), 0u);
    }
}

TEST_F(RunCacheTest, PurgeRunsReleasesDecayedRuns) {
    LargeRun* const run =
        AllocateRun({.bytes = kSliceSize, .alignment = 1, .zero = false, .heap = nullptr});
    char* const base = run->base;
    ASSERT_TRUE(MarkFree(*run));
    FreeRun(run);
    PurgeRuns(os::Milliseconds(), false);
    EXPECT_EQ(KindOf(base), arena::SliceKind::kRun);
    PurgeRuns(os::Milliseconds() + (kDecayEpochs + 1) * kEpochMilliseconds, false);
    EXPECT_EQ(KindOf(base), arena::SliceKind::kNone);
    EXPECT_EQ(&RunCacheLock(), &g_run_cache.lock());
}

}  // namespace
}  // namespace strata::slab
