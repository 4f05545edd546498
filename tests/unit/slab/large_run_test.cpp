#include "slab/large_run.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "support/model.h"
#include "support/probe.h"
#include "support/process_fixture.h"

namespace strata::slab {
namespace {

using arena::SliceKind;

constexpr size_t kMostShared = kMaxRunSlices * kSliceSize;

class LargeRunTest : public test::ProcessFixture {
protected:
    LargeRun* Make(size_t bytes, size_t alignment = 1, bool zero = false) {
        LargeRun* const run =
            AllocateRun({.bytes = bytes, .alignment = alignment, .zero = zero, .heap = kHeap});
        EXPECT_NE(run, nullptr);
        return run;
    }
    static void End(LargeRun* run) {
        EXPECT_TRUE(MarkFree(*run));
        FreeRun(run);
    }
    static size_t Requested(const LargeRun& run) { return run.requested.load(); }

    // Nobody here asks whose a run is.
    static constexpr store::Heap* kHeap = nullptr;
};

TEST_F(LargeRunTest, IsCommittedToThePage) {
    for (const size_t bytes :
         {size_t{1}, size_t{65'537}, size_t{100'000}, size_t{1} << 20, kMostShared}) {
        Purge();
        LargeRun* const run = Make(bytes);
        EXPECT_EQ(Requested(*run), bytes);
        EXPECT_EQ(run->usable(), RoundUp(bytes, kPageSize));
        EXPECT_EQ(run->slices, DivideUp(bytes, kSliceSize));
        EXPECT_EQ(run->capacity(), RoundUp(bytes, kSliceSize));
        EXPECT_EQ(run->heap, kHeap);
        EXPECT_FALSE(run->direct);
        EXPECT_EQ(Committed(), run->usable());
        EXPECT_TRUE(test::CanWrite(run->base + run->usable() - 1));
        EXPECT_FALSE(test::CanRead(run->base + run->usable()) && run->usable() < run->capacity());
        EXPECT_EQ(test::FindNonZero(run->base, 0, run->usable()), run->usable());
        End(run);
    }
}

TEST_F(LargeRunTest, TheSliceMapKnowsIt) {
    LargeRun* const run = Make(5 * kSliceSize);
    char* const base = run->base;
    for (size_t slice = 0; slice < 5; ++slice) {
        const auto& entry = *EntryOf(base + slice * kSliceSize);
        EXPECT_EQ(entry.kind.load(), slice == 0 ? SliceKind::kRun : SliceKind::kRunInterior);
        EXPECT_EQ(entry.record.load(), run);
        EXPECT_EQ(arena::g_arenas.OwnerOf(AddressOf(base) + slice * kSliceSize), kRunOwner);
    }
    End(run);
    Purge();
    for (size_t slice = 0; slice < 5; ++slice) {
        EXPECT_EQ(KindOf(base + slice * kSliceSize), SliceKind::kNone);
    }
}

TEST_F(LargeRunTest, HonoursEveryAlignment) {
    for (size_t alignment = 1; alignment <= size_t{1} << 32; alignment *= 2) {
        for (const size_t bytes : {size_t{1}, 3 * kSliceSize}) {
            LargeRun* const run = Make(bytes, alignment);
            EXPECT_EQ(AddressOf(run->base) % alignment, 0u) << alignment;
            EXPECT_EQ(run->direct, alignment > kMostShared);
            run->base[bytes - 1] = 1;
            End(run);
        }
    }
}

TEST_F(LargeRunTest, DirectBlocks) {
    const size_t bytes = kMostShared + 1;
    LargeRun* const run = Make(bytes);
    char* const base = run->base;
    EXPECT_TRUE(run->direct);
    EXPECT_EQ(run->capacity(), RoundUp(bytes, kArenaSize));
    EXPECT_EQ(run->usable(), RoundUp(bytes, kPageSize));
    EXPECT_EQ(DirectCommitted(), run->usable());
    EXPECT_EQ(KindOf(base), SliceKind::kRun);
    base[0] = base[bytes - 1] = 1;
    End(run);
    EXPECT_EQ(DirectCommitted(), 0u) << "given back at once";
    EXPECT_EQ(KindOf(base), SliceKind::kNone);
    EXPECT_FALSE(arena::g_slice_map.Knows(AddressOf(base)) && test::CanRead(base));
}

TEST_F(LargeRunTest, AZeroByteRunIsARun) {
    LargeRun* const run = Make(0);
    EXPECT_EQ(Requested(*run), 0u);
    EXPECT_EQ(run->slices, 1u);
    EXPECT_TRUE(ResizeRun(*run, 10, true));
    EXPECT_EQ(test::FindNonZero(run->base, 0, 10), 10u);
    EXPECT_TRUE(ResizeRun(*run, 0, true));
    EXPECT_EQ(Requested(*run), 0u);
    End(run);
}

TEST_F(LargeRunTest, TheImpossibleFails) {
    for (const size_t bytes : {SIZE_MAX, SIZE_MAX - kArenaSize, kMaxRequest,
                               kMaxRequest - kArenaSize, size_t{1} << 60, size_t{1} << 47}) {
        EXPECT_EQ(AllocateRun({.bytes = bytes, .alignment = 1, .zero = false, .heap = nullptr}),
                  nullptr)
            << bytes;
        EXPECT_EQ(AllocateRun({.bytes = bytes, .alignment = 1, .zero = true, .heap = nullptr}),
                  nullptr)
            << bytes;
    }
    EXPECT_EQ(
        AllocateRun({.bytes = 1, .alignment = size_t{1} << 63, .zero = false, .heap = nullptr}),
        nullptr);
    EXPECT_EQ(
        AllocateRun({.bytes = 1, .alignment = size_t{1} << 50, .zero = false, .heap = nullptr}),
        nullptr);
    LargeRun* const run = Make(100'000);
    EXPECT_FALSE(ResizeRun(*run, SIZE_MAX, false));
    EXPECT_FALSE(ResizeRun(*run, kMaxRequest, false));
    EXPECT_EQ(Requested(*run), 100'000u);
    End(run);
}

TEST_F(LargeRunTest, MarkFreeIsTrueOnce) {
    LargeRun* const run = Make(100'000);
    EXPECT_TRUE(MarkFree(*run));
    EXPECT_FALSE(MarkFree(*run));
    FreeRun(run);
    for (int round = 0; round < 50; ++round) {
        LargeRun* const raced = Make(100'000);
        std::atomic<int> winners{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&] { winners += MarkFree(*raced) ? 1 : 0; });
        }
        for (std::thread& thread : threads) thread.join();
        ASSERT_EQ(winners.load(), 1);
        FreeRun(raced);
    }
}

// ---- the cache ----------------------------------------------------------------------------------

TEST_F(LargeRunTest, AFreedRunIsReusedWithoutACall) {
    LargeRun* run = Make(1 << 20);
    char* const base = run->base;
    End(run);
    test::FaultInjector faults(arena::g_memory);
    for (int i = 0; i < 10; ++i) {
        run = Make((1 << 20) - static_cast<size_t>(i) * 1000);
        EXPECT_EQ(run->base, base);
        EXPECT_EQ(Requested(*run), (1u << 20) - static_cast<size_t>(i) * 1000);
        EXPECT_EQ(run->state.load(), RunState::kLive);
        End(run);
    }
    EXPECT_EQ(faults.Calls(), 0u);
}

TEST_F(LargeRunTest, ACachedRunIsZeroWhenAsked) {
    LargeRun* run = Make(300'000);
    char* const base = run->base;
    std::memset(run->base, 0xee, run->usable());
    End(run);
    run = Make(299'000, 1, true);
    ASSERT_EQ(run->base, base);
    EXPECT_EQ(test::FindNonZero(base, 0, 299'000), 299'000u);
    End(run);
}

TEST_F(LargeRunTest, ReusedSlicesAreZeroWhenAsked) {
    LargeRun* run = Make(300'000);
    char* const base = run->base;
    std::memset(run->base, 0xee, run->usable());
    End(run);
    PurgeRuns(os::Milliseconds(), true);  // to the arena, pages and all
    run = Make(150'000, 1, true);
    EXPECT_EQ(run->base, base + 2 * kSliceSize) << "on pages, with a slice without any behind it";
    EXPECT_EQ(test::FindNonZero(run->base, 0, 150'000), 150'000u);
    ASSERT_TRUE(ResizeRun(*run, 300'000, true));
    EXPECT_EQ(test::FindNonZero(run->base, 0, 300'000), 300'000u);
    End(run);
}

// ---- resizing -----------------------------------------------------------------------------------

TEST_F(LargeRunTest, GrowsIntoFreeSlicesBehind) {
    LargeRun* const run = Make(100'000);
    test::FillPattern(run->base, 100'000, 1);
    for (const size_t bytes :
         {size_t{120'000}, size_t{131'072}, size_t{131'073}, size_t{1'000'000}}) {
        const size_t before = Requested(*run);
        ASSERT_TRUE(ResizeRun(*run, bytes, true));
        EXPECT_EQ(Requested(*run), bytes);
        EXPECT_EQ(run->slices, DivideUp(bytes, kSliceSize));
        EXPECT_EQ(test::FindPatternBreak(run->base, before, 1), before);
        EXPECT_EQ(test::FindNonZero(run->base, before, bytes), bytes);
        EXPECT_EQ(KindOf(run->base + bytes - 1), SliceKind::kRunInterior);
        EXPECT_EQ(EntryOf(run->base + bytes - 1)->record.load(), run);
        test::FillPattern(run->base, before, bytes, 1);
    }
    EXPECT_EQ(Committed(), run->usable());
    End(run);
}

TEST_F(LargeRunTest, DoesNotGrowIntoANeighbour) {
    LargeRun* const run = Make(2 * kSliceSize);
    ASSERT_EQ(run->spare, kSpareSlices);
    char* const behind = run->base + (2 + kSpareSlices) * kSliceSize;
    // Earlier tests may have left short gaps before it: those are filled first.
    LargeRun* neighbour = Make(kSliceSize);
    std::vector<LargeRun*> others;
    while (neighbour->base != behind && others.size() < 100) {
        others.push_back(neighbour);
        neighbour = Make(kSliceSize);
    }
    for (LargeRun* const other : others) End(other);
    ASSERT_EQ(neighbour->base, behind);
    const size_t most = (2 + kSpareSlices) * kSliceSize;
    EXPECT_TRUE(ResizeRun(*run, 2 * kSliceSize + 1, true)) << "there is a slice to spare";
    EXPECT_TRUE(ResizeRun(*run, most, true));
    EXPECT_EQ(run->spare, 0u);
    EXPECT_FALSE(ResizeRun(*run, most + 1, true));
    EXPECT_EQ(Requested(*run), most);
    EXPECT_EQ(EntryOf(neighbour->base)->record.load(), neighbour);
    End(neighbour);
    PurgeRuns(os::Milliseconds(), true);
    EXPECT_TRUE(ResizeRun(*run, most + 1, true));
    End(run);
}

// A run owns a slice behind itself, so that its block can grow a little where it is, whoever comes
// next; one that has grown owns more.
TEST_F(LargeRunTest, HasAddressesToGrowInto) {
    std::vector<LargeRun*> runs;
    for (int i = 0; i < 20; ++i) runs.push_back(Make(2 * kSliceSize));
    for (LargeRun* const run : runs) {
        ASSERT_EQ(run->spare, 1u);
        ASSERT_EQ(EntryOf(run->base + 2 * kSliceSize)->kind.load(), arena::SliceKind::kNone);
        ASSERT_TRUE(ResizeRun(*run, 2 * kSliceSize + 512, false));
        ASSERT_EQ(run->slices, 3u);
        ASSERT_EQ(run->spare, 0u);
        ASSERT_EQ(EntryOf(run->base + 2 * kSliceSize)->record.load(), run);
    }
    for (LargeRun* const run : runs) End(run);
    Purge();
    const size_t committed = Committed();
    LargeRun* const grown = AllocateRun({.bytes = 8 * kSliceSize, .grows = true, .heap = nullptr});
    EXPECT_EQ(grown->spare, 11u) << "5/4 of it, and one";
    EXPECT_LE(Committed(), committed + grown->usable()) << "without memory";
    End(grown);
    LargeRun* const direct = AllocateRun({.bytes = kArenaSize, .grows = true, .heap = nullptr});
    EXPECT_GE(direct->capacity(), 2 * kArenaSize);
    EXPECT_EQ(DirectCommitted(), kArenaSize);
    EXPECT_TRUE(ResizeRun(*direct, 2 * kArenaSize, false));
    End(direct);
    PurgeRuns(os::Milliseconds(), true);
    EXPECT_EQ(arena::g_arenas.NextOwned(0, kRunOwner), nullptr) << "spare slices come back";
}

TEST_F(LargeRunTest, ShrinkingGivesSlicesBack) {
    LargeRun* const run = Make(10 * kSliceSize);
    char* const base = run->base;
    test::FillPattern(base, 10 * kSliceSize, 2);
    ASSERT_TRUE(ResizeRun(*run, 3 * kSliceSize + 5, false));
    EXPECT_EQ(run->slices, 4u);
    EXPECT_EQ(KindOf(base + 3 * kSliceSize), SliceKind::kRunInterior);
    EXPECT_EQ(KindOf(base + 4 * kSliceSize), SliceKind::kNone);
    EXPECT_EQ(test::FindPatternBreak(base, 3 * kSliceSize + 5, 2), 3 * kSliceSize + 5);
    // What was cut off is dirty; growing over it again must not show it.
    ASSERT_TRUE(ResizeRun(*run, 10 * kSliceSize, true));
    EXPECT_EQ(test::FindPatternBreak(base, 3 * kSliceSize + 5, 2), 3 * kSliceSize + 5);
    EXPECT_EQ(test::FindNonZero(base, 3 * kSliceSize + 5, 10 * kSliceSize), 10 * kSliceSize);
    End(run);
}

// What the caller wrote between the requested size and the end of the page is not zero later.
TEST_F(LargeRunTest, BytesWrittenIntoTheSlackAreClearedToo) {
    LargeRun* const run = Make(100'001, 1, true);
    std::memset(run->base, 0xee, run->usable());
    ASSERT_TRUE(ResizeRun(*run, 70'000, false));
    std::memset(run->base, 0xee, run->usable());
    ASSERT_TRUE(ResizeRun(*run, 131'000, true));
    EXPECT_EQ(test::FindNonZero(run->base, 70'000, 131'000), 131'000u);
    End(run);
}

TEST_F(LargeRunTest, DirectBlocksResizeInsideTheirReservation) {
    const size_t bytes = kArenaSize / 4 * 3;
    LargeRun* const run = Make(bytes);
    run->base[bytes - 1] = 1;
    ASSERT_TRUE(ResizeRun(*run, kArenaSize, true));
    EXPECT_EQ(DirectCommitted(), kArenaSize);
    EXPECT_EQ(run->base[bytes - 1], 1);
    EXPECT_EQ(test::FindNonZero(run->base, bytes, bytes + kSliceSize), bytes + kSliceSize);
    EXPECT_FALSE(ResizeRun(*run, kArenaSize + 1, true));
    std::memset(run->base + bytes / 4, 0xee, kSliceSize);
    ASSERT_TRUE(ResizeRun(*run, bytes / 4, false));
    EXPECT_EQ(DirectCommitted(), bytes / 4);
    EXPECT_FALSE(test::CanRead(run->base + bytes / 4));
    ASSERT_TRUE(ResizeRun(*run, bytes, true));
    EXPECT_EQ(test::FindNonZero(run->base, bytes / 4, bytes / 4 + kSliceSize),
              bytes / 4 + kSliceSize);
    End(run);
    EXPECT_EQ(DirectCommitted(), 0u);
}

// ---- failures -----------------------------------------------------------------------------------

TEST_F(LargeRunTest, AllocationSurvivesEveryFailure) {
    for (const size_t bytes : {size_t{100'000}, kMostShared, kMostShared + 1, 3 * kArenaSize}) {
        SCOPED_TRACE(bytes);
        Purge();
        test::FaultInjector faults(arena::g_memory);
        LargeRun* run = nullptr;
        test::FailEachInTurn(
            faults, test::kTakingMemory, true,
            [&](size_t) {
                run = AllocateRun({.bytes = bytes, .alignment = 1, .zero = true, .heap = nullptr});
            },
            [&](size_t) {
                if (run != nullptr) return;
                EXPECT_EQ(arena::g_arenas.NextOwned(0, kRunOwner), nullptr) << "slices were lost";
                EXPECT_EQ(DirectCommitted(), 0u);
            });
        ASSERT_NE(run, nullptr);
        run->base[0] = run->base[bytes - 1] = 1;
        End(run);
    }
}

TEST_F(LargeRunTest, ACachedRunThatCannotGrowIsGivenUp) {
    LargeRun* run = Make(17 * kSliceSize - kSliceSize / 2);
    End(run);
    test::FaultInjector faults(arena::g_memory);
    faults.FailNth(test::kCommit, 1);
    run = AllocateRun({.bytes = 17 * kSliceSize, .alignment = 1, .zero = true, .heap = nullptr});
    ASSERT_NE(run, nullptr) << "from the arena instead";
    EXPECT_EQ(faults.Failures(), 1u);
    EXPECT_EQ(test::FindNonZero(run->base, 0, 17 * kSliceSize), 17 * kSliceSize);
    End(run);
}

TEST_F(LargeRunTest, AFailedResizeChangesNothing) {
    for (const bool direct : {false, true}) {
        Purge();
        const size_t bytes = direct ? kMostShared + 1 : 100'000;
        LargeRun* const run = Make(bytes);
        char* const base = run->base;
        test::FillPattern(base, 100'000, 6);
        test::FaultInjector faults(arena::g_memory);
        const size_t wanted = direct ? kMostShared * 2 : 400'000;
        const size_t committed = Committed() + DirectCommitted();
        faults.FailFrom(test::kCommit, 1);
        EXPECT_FALSE(ResizeRun(*run, wanted, true));
        EXPECT_EQ(Requested(*run), bytes);
        EXPECT_EQ(run->usable(), RoundUp(bytes, kPageSize));
        EXPECT_EQ(Committed() + DirectCommitted(), committed);
        EXPECT_EQ(KindOf(base + RoundUp(bytes, kSliceSize)), SliceKind::kNone);
        EXPECT_EQ(arena::g_arenas.OwnerOf(AddressOf(base)), kRunOwner);
        faults.StopFailing();
        ASSERT_TRUE(ResizeRun(*run, wanted, true));
        EXPECT_EQ(test::FindPatternBreak(base, 100'000, 6), 100'000u);
        EXPECT_EQ(test::FindNonZero(base, bytes, wanted), wanted);
        End(run);
    }
}

TEST_F(LargeRunTest, ARefusedDecommitOfATailIsNoFailure) {
    LargeRun* const run = Make(kArenaSize);
    test::FaultInjector faults(arena::g_memory);
    std::memset(run->base + kSliceSize, 0xee, kSliceSize);
    faults.FailNth(test::kDecommit, 1);
    ASSERT_TRUE(ResizeRun(*run, kSliceSize, false));
    EXPECT_EQ(DirectCommitted(), kArenaSize);
    ASSERT_TRUE(ResizeRun(*run, 3 * kSliceSize, true));
    EXPECT_EQ(test::FindNonZero(run->base, kSliceSize, 3 * kSliceSize), 3 * kSliceSize);
    End(run);
    EXPECT_EQ(DirectCommitted(), 0u);
}

}  // namespace
}  // namespace strata::slab
