// Giving memory back: on request, and by age.
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <vector>

#include "heap/heap.h"
#include "os/memory.h"
#include "support/heap_fixture.h"

namespace strata::heap {
namespace {

using test::CommittedAfterPurge;
using test::InOtherThread;
using test::TestHeap;

size_t Committed() { return arena::g_memory.Counters().committed; }

void FillAndEmpty(const TestHeap& heap, size_t bytes, size_t total) {
    std::vector<void*> blocks;
    for (size_t used = 0; used < total; used += bytes) {
        blocks.push_back(heap.Allocate(bytes));
        std::memset(blocks.back(), 1, bytes);
    }
    for (void* block : blocks) heap.Free(block);
}

TEST(Trim, CommitGoesBack) {
    const TestHeap heap;
    FillAndEmpty(heap, 64, 100000);  // so that this thread has its magazines
    const size_t before = CommittedAfterPurge();
    for (const size_t bytes : {16, 100, 1000, 5000, 50000, 65536, 100000, 1 << 20, 8 << 20}) {
        FillAndEmpty(heap, bytes, size_t{16} << 20);
        // A few records more than before may stay: the first slices of a metadata size.
        EXPECT_LE(CommittedAfterPurge(), before + 256 * 1024) << bytes;
    }
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST(Trim, TheSecondTimeExactly) {
    const TestHeap heap;
    const auto round = [&] {
        for (const size_t bytes : {16, 100, 1000, 5000, 50000, 100000, 8 << 20, 40 << 20}) {
            FillAndEmpty(heap, bytes, size_t{4} << 20);
        }
    };
    round();
    const size_t first = CommittedAfterPurge();
    round();
    EXPECT_EQ(CommittedAfterPurge(), first);
}

TEST(Trim, PurgedMemoryIsUsableAgain) {
    const TestHeap heap;
    for (int i = 0; i < 5; ++i) {
        FillAndEmpty(heap, 3000, 1 << 20);
        FillAndEmpty(heap, 300000, 1 << 20);
        PurgeAll();
    }
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST(Trim, LiveBlocksAreKept) {
    const TestHeap heap;
    std::vector<char*> live;
    for (size_t i = 0; i < 5000; ++i) {
        char* const block = static_cast<char*>(heap.Allocate(100 + i % 3000));
        std::memset(block, static_cast<int>(i), 100);
        if (i % 50 == 0) {
            live.push_back(block);
        } else {
            heap.Free(block);
        }
    }
    PurgeAll();
    for (size_t i = 0; i < live.size(); ++i) {
        for (size_t k = 0; k < 100; ++k) ASSERT_EQ(live[i][k], static_cast<char>(i * 50));
        heap.Free(live[i]);
    }
}

TEST(Trim, OneHeapOnly) {
    const TestHeap heap, other;
    void* const block = other.Allocate(5000);
    FillAndEmpty(heap, 5000, 1 << 20);
    Purge(*heap);
    Purge(*other);
    EXPECT_TRUE(IsLiveBlock(*other, block, nullptr));
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST(Trim, OtherThreadsMagazinesStay) {
    const TestHeap heap;
    std::thread([&] {
        FillAndEmpty(heap, 64, 100000);
        InOtherThread([&] { PurgeAll(); });
        FillAndEmpty(heap, 64, 100000);
        EXPECT_TRUE(IsConsistent(*heap));
    }).join();
}

TEST(Trim, AgedMemoryGoesByItself) {
    const TestHeap heap;
    PurgeAll();
    FillAndEmpty(heap, 40000, size_t{32} << 20);
    Purge(*heap);
    const size_t full = Committed();
    // Any activity after the decay lets it go.
    std::this_thread::sleep_for(std::chrono::milliseconds((kDecayEpochs + 2) * kEpochMilliseconds));
    heap.Free(heap.Allocate(100000));
    std::this_thread::sleep_for(std::chrono::milliseconds(2 * kEpochMilliseconds));
    heap.Free(heap.Allocate(100000));
    EXPECT_LT(Committed(), full - (size_t{24} << 20));
}

TEST(Trim, CachedRunsGoByThemselves) {
    const TestHeap heap;
    PurgeAll();
    const size_t before = Committed();
    heap.Free(heap.Allocate(8 << 20));
    EXPECT_GE(Committed(), before + (size_t{8} << 20)) << "kept for the next";
    for (int i = 0; i < 2; ++i) {
        std::this_thread::sleep_for(
            std::chrono::milliseconds((kDecayEpochs + 2) * kEpochMilliseconds));
        heap.Free(heap.Allocate(70000));
    }
    EXPECT_LT(Committed(), before + (size_t{2} << 20));
}

}  // namespace
}  // namespace strata::heap
