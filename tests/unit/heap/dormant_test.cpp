// What private heaps leave behind for the next.
#include "heap/dormant.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include "heap/fast_path.h"
#include "os/process.h"
#include "store/registry.h"
#include "support/death.h"
#include "support/heap_fixture.h"

namespace strata::heap {
namespace {

using test::CommittedAfterPurge;
using test::InOtherThread;
using test::TestHeap;

// Some hundred small blocks, so that the thread has bins for the heap.
std::vector<char*> Work(const TestHeap& heap, size_t blocks = 300) {
    std::vector<char*> made;
    for (size_t i = 0; i < blocks; ++i) {
        const size_t bytes = 16 + i % 16 * 16;
        char* const block = static_cast<char*>(heap.Allocate(bytes));
        EXPECT_NE(block, nullptr);
        std::memset(block, 0x5a, bytes);
        made.push_back(block);
    }
    EXPECT_EQ(std::set<char*>(made.begin(), made.end()).size(), made.size());
    EXPECT_TRUE(IsConsistent(*heap));
    return made;
}

struct Dormant : ::testing::Test {
    void SetUp() override { PurgeAll(); }
    void TearDown() override { PurgeAll(); }
};

TEST_F(Dormant, TheNextHeapUsesTheSlabsOfTheLast) {
    {
        const TestHeap warm_up;
        Work(warm_up);
    }
    const size_t commits = arena::g_memory.Counters().commit_calls;
    for (int i = 0; i < 20; ++i) {
        const TestHeap heap;
        for (char* const block : Work(heap)) EXPECT_EQ(Describe(block).heap, heap.get());
    }
    EXPECT_LE(arena::g_memory.Counters().commit_calls, commits + 40);
}

TEST_F(Dormant, AnotherThreadGetsAllBlocks) {
    for (int i = 0; i < 3; ++i) {
        {
            const TestHeap mine;
            Work(mine);
        }
        InOtherThread([] {
            const TestHeap theirs;
            Work(theirs, 2000);
        });
    }
}

TEST_F(Dormant, ZeroedBlocksAreZero) {
    for (int i = 0; i < 3; ++i) {
        const TestHeap heap;
        Work(heap);
        for (size_t bytes = 16; bytes <= 256; bytes += 16) {
            const char* const block = static_cast<char*>(heap.Allocate(bytes, true));
            for (size_t at = 0; at < bytes; ++at) ASSERT_EQ(block[at], 0);
        }
    }
}

TEST_F(Dormant, HeapsOfAnotherKindGetNone) {
    const auto make_and_end = [] {
        const TestHeap heap;
        Work(heap);
    };
    make_and_end();
    {
        const TestHeap checked({.check_tail = true, .check_free = true});
        Work(checked);
        const TestHeap executable({.executable = true});
        Work(executable);
        const TestHeap fixed({.maximum = 1 << 20});
        Work(fixed);
    }
    make_and_end();
}

TEST_F(Dormant, WhatTheyKeepIsBounded) {
    const auto committed = [] { return arena::g_arenas.slice_committed(); };
    const size_t before = committed();
    {
        std::vector<std::unique_ptr<TestHeap>> heaps;
        for (uint32_t i = 0; i < 3 * kDormantHeaps; ++i) {
            heaps.push_back(std::make_unique<TestHeap>());
            Work(*heaps.back(), 5000);
        }
    }
    arena::PurgeEverything();  // what is free, and not what they keep
    EXPECT_LE(committed(), before + kDormantHeaps * kDormantBytes);
    PurgeAll();
    EXPECT_LE(committed(), before);
}

TEST_F(Dormant, TheNextHeapKnowsWhatTheLastWasAskedFor) {
    const SizeClass often = ClassOf(144);
    {
        const TestHeap heap;
        EXPECT_TRUE(heap.get()->home().IsRare(often));
        for (size_t i = 0; i < 300; ++i) ASSERT_NE(heap.Allocate(144), nullptr);
        EXPECT_FALSE(heap.get()->home().IsRare(often));
    }
    {
        const TestHeap next;
        EXPECT_FALSE(next.get()->home().IsRare(often));
        EXPECT_TRUE(next.get()->home().IsRare(ClassOf(176)));
    }
    PurgeAll();
    const TestHeap late;
    EXPECT_TRUE(late.get()->home().IsRare(often)) << "nothing was kept for it";
}

// A heap that ended with slabs too large to keep leaves a bare record, which any heap may get: also
// one that looks at each block, and so must not find the thread's bins of the last.
TEST_F(Dormant, BinsAreNotForAHeapThatChecks) {
    constexpr size_t kLarge = 60'000;
    Heap* record = nullptr;
    {
        const TestHeap heap;
        record = heap.get();
        for (int i = 0; i < 2; ++i) {
            std::vector<void*> blocks;
            for (int j = 0; j < 100; ++j) blocks.push_back(heap.Allocate(kLarge));
            if (i == 0) {
                for (void* block : blocks) heap.Free(block);
            }
        }
    }
    const TestHeap checked({.check_tail = false, .check_free = true});
    ASSERT_EQ(checked.get(), record) << "the test shows nothing";
    std::vector<void*> blocks;
    for (int j = 0; j < 8; ++j) blocks.push_back(checked.Allocate(kLarge));
    for (void* block : blocks) {
        std::memset(block, 0x5a, kLarge);
        if (!FreeIfPrivateFast(checked.get(), block)) checked.Free(block);
    }
    EXPECT_TRUE(IsConsistent(*checked));
}

TEST_F(Dormant, GoBackAfterAWhile) {
    {
        const TestHeap heap;
        Work(heap);
    }
    const uint64_t now = os::Milliseconds();
    ReleaseDormant(now, false);
    const size_t kept = arena::g_arenas.slice_committed();
    ReleaseDormant(now + (kDecayEpochs + 1) * kEpochMilliseconds, false);
    arena::PurgeEverything();
    EXPECT_LT(arena::g_arenas.slice_committed(), kept);
    const TestHeap next;
    Work(next);
}

class DormantDeathTest : public test::DeathTest {};

TEST_F(DormantDeathTest, BlocksOfAHeapThatEndedAreNone) {
    TestHeap heap;
    char* const block = Work(heap).front();
    heap.Destroy();
    EXPECT_EQ(Describe(block).status, BlockStatus::kEnded);
    EXPECT_EQ(HeapOfLiveBlock(block), nullptr);
    EXPECT_FATAL(FreeFast(block), "double free of block");
    const TestHeap next;
    EXPECT_FATAL(FreeFast(block), "free of");  // freed, of the heap that has the slab now
}

}  // namespace
}  // namespace strata::heap
