// Figures of heaps, and the check of their records.
#include "heap/statistics.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <vector>

#include "base/size_classes.h"
#include "support/heap_fixture.h"

namespace strata::heap {
namespace {

using test::InOtherThread;
using test::TestHeap;

TEST(Statistics, CountLiveBlocks) {
    const TestHeap heap;
    PurgeAll();
    Statistics before;
    Collect(before);
    std::vector<void*> blocks;
    size_t bytes_held = 0;
    for (size_t bytes = 0; bytes <= size_t{40} << 20; bytes = bytes * 3 / 2 + 7) {
        blocks.push_back(heap.Allocate(bytes));
        bytes_held += bytes;
    }
    Statistics held;
    Collect(held);
    EXPECT_EQ(held.live_blocks, before.live_blocks + blocks.size());
    EXPECT_EQ(held.live_bytes, before.live_bytes + bytes_held);
    EXPECT_GE(held.committed, bytes_held);
    EXPECT_GE(held.peak_committed, held.committed);
    EXPECT_GE(held.reserved, held.committed);
    EXPECT_GT(held.metadata, 0u);
    EXPECT_LT(held.metadata, held.committed);
    EXPECT_GT(held.commit_calls, before.commit_calls);
    for (void* block : blocks) heap.Free(block);
    Statistics after;
    Collect(after);
    EXPECT_EQ(after.live_blocks, before.live_blocks);
    EXPECT_EQ(after.live_bytes, before.live_bytes);
}

TEST(Statistics, CountBlocksOfEveryKindOfHeap) {
    HeapRequest fixed, hardened, paged;
    fixed.maximum = 1 << 20;
    hardened.hardened = true;
    paged.page_heap = true;
    for (const HeapRequest& request : {fixed, hardened, paged}) {
        const TestHeap heap(request);
        Statistics before, held;
        Collect(before);
        void* const gone = heap.Allocate(300);
        for (const size_t bytes : {10, 3000, 70'000}) ASSERT_NE(heap.Allocate(bytes), nullptr);
        heap.Free(gone);
        Collect(held);
        EXPECT_EQ(held.live_blocks, before.live_blocks + 3);
        EXPECT_EQ(held.live_bytes, before.live_bytes + 73'010);
        EXPECT_GE(held.committed, 73'010u);
    }
}

TEST(Statistics, CountHeapsAndArenas) {
    Statistics before, after;
    Collect(before);
    {
        const TestHeap one, two;
        one.Allocate(1);
        Collect(after);
        EXPECT_EQ(after.heaps, before.heaps + 2);
        EXPECT_GE(after.arenas, 1u);
    }
    Collect(after);
    EXPECT_EQ(after.heaps, before.heaps);
}

TEST(Statistics, PerClass) {
    const TestHeap heap;
    const size_t index = Index(ClassOf(100));
    for (int i = 0; i < 10; ++i) heap.Allocate(100);
    const ClassStatistics part = CollectClass(*heap, index);
    EXPECT_EQ(part.block_bytes, 112u);
    EXPECT_EQ(part.slabs, 1u);
    EXPECT_EQ(part.live_blocks, 10u);
    EXPECT_EQ(part.live_bytes, 1000u);
    EXPECT_GE(part.committed, 1120u);
    EXPECT_EQ(CollectClass(*heap, index + 1).slabs, 0u);
    EXPECT_EQ(CollectClass(*heap, index + 1).live_blocks, 0u);
}

TEST(Statistics, PerRuns) {
    const TestHeap heap;
    void* const one = heap.Allocate(100000);
    heap.Allocate(40 << 20);
    ClassStatistics part = CollectRuns(*heap);
    EXPECT_EQ(part.slabs, 2u);
    EXPECT_EQ(part.live_blocks, 2u);
    EXPECT_EQ(part.live_bytes, 100000u + (40 << 20));
    EXPECT_GE(part.committed, part.live_bytes);
    heap.Free(one);
    part = CollectRuns(*heap);
    EXPECT_EQ(part.live_blocks, 1u);
}

TEST(Statistics, OfBlocksThatChangeHandsMeanwhile) {
    // Sizes with far slack, whose size is read from the block itself, come and go: the figures are
    // those of some moment, never nonsense.
    const TestHeap heap;
    std::atomic<bool> stop{false};
    std::thread other([&] {
        while (!stop) {
            void* blocks[8];
            for (size_t i = 0; i < 8; ++i) {
                const size_t bytes = i % 2 == 0 ? 20481 : 22528;  // one class
                blocks[i] = heap.Allocate(bytes);
                std::memset(blocks[i], 0xFF, bytes);
            }
            for (void* block : blocks) heap.Free(block);
        }
    });
    for (int i = 0; i < 3000; ++i) {
        const ClassStatistics part = CollectClass(*heap, Index(ClassOf(20481)));
        ASSERT_LE(part.live_blocks, 8u);
        ASSERT_LE(part.live_bytes, part.live_blocks * 22528);
        ASSERT_TRUE(IsConsistent(*heap));
    }
    stop = true;
    other.join();
}

TEST(Statistics, LargestFreeBlock) {
    PurgeAll();  // or the heap would have slabs of one that ended
    const TestHeap heap;
    EXPECT_EQ(LargestFreeBlock(*heap), 0u);
    void* const block = heap.Allocate(3000);
    heap.Allocate(3000);
    EXPECT_GE(LargestFreeBlock(*heap), 0u);
    heap.Free(block);
    EXPECT_EQ(LargestFreeBlock(*heap), 3072u);
}

TEST(Statistics, ForEachHeapGoesByAge) {
    const TestHeap one, two;
    std::vector<Heap*> seen;
    ForEachHeap([](void* context,
                   Heap& heap) { static_cast<std::vector<Heap*>*>(context)->push_back(&heap); },
                &seen);
    ASSERT_GE(seen.size(), 3u);
    EXPECT_EQ(seen.front(), ProcessHeap());
    EXPECT_EQ(seen[seen.size() - 2], one.get());
    EXPECT_EQ(seen.back(), two.get());
}

TEST(Consistency, OfHeapsInAllStates) {
    const TestHeap heap;
    EXPECT_TRUE(IsConsistent(*heap));
    std::vector<void*> blocks;
    for (size_t i = 0; i < 3000; ++i) {
        blocks.push_back(heap.Allocate(i * i % 90000));
        if (i % 3 == 0) {
            heap.Free(blocks[i / 2]);
            blocks[i / 2] = heap.Allocate(i);
        }
        if (i % 100 == 0) {
            ASSERT_TRUE(IsConsistent(*heap)) << i;
        }
    }
    InOtherThread([&] {
        for (void* block : blocks) heap.Free(block);
        EXPECT_TRUE(IsConsistent(*heap));
    });
    EXPECT_TRUE(IsConsistent(*heap));
}

}  // namespace
}  // namespace strata::heap
