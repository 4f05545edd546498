// Freed large runs that a thread keeps for its next request.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "heap/fast_path.h"
#include "heap/statistics.h"
#include "heap/walk.h"
#include "store/heap_record.h"
#include "support/death.h"
#include "support/heap_fixture.h"

namespace strata::heap {
namespace {

constexpr size_t kBytes = 200'000;  // four slices

char* Take(size_t bytes, bool zero = false) {
    return static_cast<char*>(Allocate(*ProcessHeap(), bytes, zero));
}
char* TakeQuickly(size_t bytes, bool zero = false) {
    return static_cast<char*>(AllocateSlow(bytes, zero));
}
void Give(void* block) { Free(nullptr, block); }

bool WalkShows(const void* block) {
    WalkEntry entry;
    while (WalkStep(*ProcessHeap(), entry)) {
        if (entry.kind == WalkEntry::Kind::kBusy && entry.address == block) return true;
    }
    return false;
}

struct ParkedRuns : ::testing::Test {
    void SetUp() override { PurgeAll(); }
    void TearDown() override { PurgeAll(); }
};

TEST_F(ParkedRuns, TheNextRequestOfTheLengthGetsTheBlock) {
    char* const block = TakeQuickly(kBytes);
    ASSERT_NE(block, nullptr);
    std::memset(block, 0x5a, kBytes);
    Give(block);
    char* const other = TakeQuickly(kBytes / 2);
    EXPECT_NE(other, block) << "another length";
    Give(other);
    char* const again = TakeQuickly(kBytes - 2000, true);
    EXPECT_EQ(again, block);
    EXPECT_EQ(RequestedSize(again), kBytes - 2000);
    for (size_t i = 0; i < kBytes - 2000; ++i) ASSERT_EQ(again[i], 0);
    Give(again);
}

TEST_F(ParkedRuns, AreFreeToWhoeverLooks) {
    const size_t live = CollectRuns(*ProcessHeap()).live_blocks;
    char* const block = TakeQuickly(kBytes);
    EXPECT_TRUE(WalkShows(block));
    EXPECT_EQ(CollectRuns(*ProcessHeap()).live_blocks, live + 1);
    Give(block);
    EXPECT_FALSE(WalkShows(block));
    EXPECT_EQ(CollectRuns(*ProcessHeap()).live_blocks, live);
    EXPECT_FALSE(IsLiveBlock(*ProcessHeap(), block, nullptr));
    EXPECT_EQ(HeapOfLiveBlock(block), nullptr);
    EXPECT_EQ(Describe(block).status, BlockStatus::kFreed);
    EXPECT_TRUE(IsConsistent(*ProcessHeap()));
}

TEST_F(ParkedRuns, AreBounded) {
    std::vector<char*> blocks;
    for (size_t slices = 2; slices <= 20; ++slices) blocks.push_back(Take(slices * kSliceSize));
    for (char* const block : blocks) Give(block);
    EXPECT_LE(cache::CurrentCache()->parked.bytes, kParkedBytes);
    EXPECT_GT(cache::CurrentCache()->parked.bytes, 0u);
    // Without a word to anybody, the thread's own purge gives them back.
    PurgeAll();
    EXPECT_EQ(cache::CurrentCache()->parked.bytes, 0u);
}

TEST_F(ParkedRuns, TheShortWayDoesTheSame) {
    char* const first = TakeQuickly(kBytes);
    char* const second = TakeQuickly(kBytes);
    FreeSlow(first);
    EXPECT_EQ(cache::CurrentCache()->parked.by_slices[4]->base, first);
    FreeSlow(second);  // no place for it
    EXPECT_EQ(cache::CurrentCache()->parked.by_slices[4]->base, first);
    EXPECT_EQ(Describe(first).status, BlockStatus::kFreed);
    for (uint32_t i = 0; i < 3 * kParksPerTick; ++i) {
        char* const again = TakeQuickly(kBytes);
        ASSERT_EQ(again, first);
        FreeSlow(again);
    }
    EXPECT_TRUE(IsConsistent(*ProcessHeap()));
}

TEST_F(ParkedRuns, WhatCameLastStays) {
    for (size_t slices = 2; slices <= kParkedSlices; ++slices) Give(Take(slices * kSliceSize));
    ASSERT_NE(cache::CurrentCache()->parked.by_slices[kParkedSlices], nullptr);
    EXPECT_EQ(cache::CurrentCache()->parked.bytes, kParkedSlices * kSliceSize);
}

TEST_F(ParkedRuns, GoBackWhenTheThreadEnds) {
    const size_t before = test::CommittedAfterPurge();
    for (int i = 0; i < 10; ++i) {
        test::InOtherThread([] {
            for (size_t slices = 2; slices <= 8; ++slices) Give(TakeQuickly(slices * kSliceSize));
        });
    }
    EXPECT_LE(test::CommittedAfterPurge(), before + kSliceSize);
}

TEST_F(ParkedRuns, FromAnotherThread) {
    char* const block = TakeQuickly(kBytes);
    test::InOtherThread([&] {
        Give(block);
        EXPECT_EQ(TakeQuickly(kBytes), block) << "who frees it has it";
        Give(block);
    });
    EXPECT_TRUE(IsConsistent(*ProcessHeap()));
}

TEST_F(ParkedRuns, PrivateHeapsParkNone) {
    const test::TestHeap heap;
    void* const block = heap.Allocate(kBytes);
    heap.Free(block);
    EXPECT_EQ(cache::CurrentCache() == nullptr ? 0u : cache::CurrentCache()->parked.bytes, 0u);
}

class ParkedRunsDeathTest : public test::DeathTest {};

TEST_F(ParkedRunsDeathTest, ADoubleFreeIsOne) {
    char* const block = TakeQuickly(kBytes);
    Give(block);
    EXPECT_FATAL(Give(block), "double free of block");
    EXPECT_FATAL(FreeSlow(block), "double free of block");
    EXPECT_FATAL(FreeSlow(block + 16), "double free of block");
    EXPECT_FATAL(Give(block + kSliceSize), "double free of block");
}

}  // namespace
}  // namespace strata::heap
