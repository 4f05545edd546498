// Heaps that fill what is behind blocks, and free blocks, and look at it.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "base/fill.h"
#include "store/heap_record.h"
#include "support/death.h"
#include "support/heap_fixture.h"

namespace strata::heap {
namespace {

using test::TestHeap;

HeapRequest Checks(size_t maximum = 0) {
    HeapRequest request;
    request.check_tail = true;
    request.check_free = true;
    request.maximum = maximum;
    return request;
}

// A small, a medium and a large block, and one in a heap of fixed size.
struct Case {
    size_t bytes;
    size_t maximum;
};
constexpr Case kCases[] = {{0, 0},     {30, 0},      {48, 0},       {5000, 0},
                           {65536, 0}, {300'000, 0}, {100, 1 << 20}};

TEST(CheckedHeap, FillsTailsAndFreeBlocks) {
    for (const Case& c : kCases) {
        const TestHeap heap(Checks(c.maximum));
        char* const block = static_cast<char*>(heap.Allocate(c.bytes));
        EXPECT_EQ(RequestedSize(block), c.bytes);
        for (size_t i = 0; i < 16; ++i) {
            EXPECT_EQ(static_cast<uint8_t>(block[c.bytes + i]), kTailFill) << c.bytes;
        }
        EXPECT_TRUE(IsIntactBlock(*heap, block));
        EXPECT_TRUE(IsConsistent(*heap));
        block[c.bytes] = 1;
        EXPECT_FALSE(IsIntactBlock(*heap, block)) << c.bytes;
        EXPECT_FALSE(IsConsistent(*heap)) << c.bytes;
        block[c.bytes] = static_cast<char>(kTailFill);
        EXPECT_TRUE(IsConsistent(*heap));
        heap.Allocate(c.bytes);  // so that a slab stays
        heap.Free(block);
        EXPECT_TRUE(IsConsistent(*heap));
        if (c.bytes > 60'000) continue;
        EXPECT_EQ(static_cast<uint8_t>(block[0]), 0xEE);
        EXPECT_EQ(static_cast<uint8_t>(block[1]), 0xFE);
        block[1] = 0;
        EXPECT_FALSE(IsConsistent(*heap)) << c.bytes;
        block[1] = static_cast<char>(0xFE);
    }
}

TEST(CheckedHeap, ResizesKeepTheTail) {
    for (const size_t maximum : {size_t{0}, size_t{8} << 20}) {
        const TestHeap heap(Checks(maximum));
        std::mt19937 random(3);
        char* block = static_cast<char*>(heap.Allocate(10, true));
        size_t size = 10;
        for (int i = 0; i < 2000; ++i) {
            const size_t bytes = random() % (i % 10 == 0 ? 400'000 : 3000);
            ResizeOptions options;
            options.zero = true;
            options.in_place = i % 7 == 0;
            char* const moved = static_cast<char*>(Resize(&*heap, block, bytes, options));
            if (moved != nullptr) {
                block = moved;
                for (size_t k = size; k < bytes; ++k) ASSERT_EQ(block[k], 0) << i;
                size = bytes;
                std::memset(block, 0x33, size);
            }
            ASSERT_EQ(RequestedSize(block), size);
            ASSERT_TRUE(IsIntactBlock(*heap, block)) << i;
            if (i % 50 == 0) {
                ASSERT_TRUE(IsConsistent(*heap)) << i;
            }
        }
        heap.Free(block);
    }
}

TEST(CheckedHeap, MemoryOfFormerUsersIsNoChange) {
    // Slices that come back dirty hold no fill pattern.
    for (int round = 0; round < 3; ++round) {
        const TestHeap plain;
        std::vector<void*> blocks;
        for (int i = 0; i < 2000; ++i) {
            blocks.push_back(plain.Allocate(500));
            std::memset(blocks.back(), 0x42, 500);
        }
        for (void* const block : blocks) plain.Free(block);
        const TestHeap heap(Checks());
        for (int i = 0; i < 2000; ++i) ASSERT_NE(heap.Allocate(500), nullptr);
        EXPECT_TRUE(IsConsistent(*heap));
    }
}

TEST(CheckedHeap, TheTailIsNotTheCallers) {
    for (const Case& c : kCases) {
        const TestHeap heap(Checks(c.maximum));
        EXPECT_EQ(UsableSize(heap.Allocate(c.bytes)), c.bytes);
    }
}

TEST(CheckedHeap, IsConsistentWhileOthersUseIt) {
    for (const size_t maximum : {size_t{0}, size_t{8} << 20}) {
        const TestHeap heap(Checks(maximum));
        std::atomic<bool> stop{false};
        std::thread other([&] {
            void* block = heap.Allocate(100);
            for (size_t i = 0; !stop; ++i) {
                block =
                    Resize(&*heap, block, i * 37 % (i % 3 == 0 ? 200'000 : 300), {.zero = true});
                std::memset(block, 0x44, RequestedSize(block));
                heap.Free(heap.Allocate(100));
            }
            heap.Free(block);
        });
        for (int i = 0; i < 3000; ++i) ASSERT_TRUE(IsConsistent(*heap)) << i;
        stop = true;
        other.join();
    }
}

class CheckedHeapDeathTest : public test::DeathTest {};

TEST_F(CheckedHeapDeathTest, AnOverrunIsFatalWhenFreed) {
    for (const Case& c : kCases) {
        const TestHeap heap(Checks(c.maximum));
        char* const block = static_cast<char*>(heap.Allocate(c.bytes));
        block[c.bytes] = 0;
        EXPECT_FATAL(heap.Free(block),
                     "free of overrun block .* bytes requested\\) in heap .*: the bytes behind it "
                     "were overwritten");
        EXPECT_FATAL(Resize(&*heap, block, 7, {}), "realloc of overrun block");
        block[c.bytes] = static_cast<char>(kTailFill);
    }
}

TEST_F(CheckedHeapDeathTest, AWriteAfterFreeIsFatalWhenAllocated) {
    for (const Case& c : kCases) {
        if (c.bytes > 60'000 || c.bytes == 0) continue;
        EXPECT_FATAL(
            {
                const TestHeap heap(Checks(c.maximum));
                char* const block = static_cast<char*>(heap.Allocate(c.bytes));
                heap.Allocate(c.bytes);
                heap.Free(block);
                block[8] = 1;
                for (int i = 0; i < 100; ++i) heap.Allocate(c.bytes);
            },
            "free block .* of heap .* was written to at offset 8 after it was freed");
    }
}

TEST_F(CheckedHeapDeathTest, AWriteAfterFreeIsFatalWhenGrownInto) {
    EXPECT_FATAL(
        {
            const TestHeap heap(Checks(1 << 20));
            void* const first = heap.Allocate(100);
            char* const second = static_cast<char*>(heap.Allocate(500));
            heap.Free(second);
            second[8] = 1;
            Resize(&*heap, first, 300, {.in_place = true});
        },
        "was written to at offset .* after it was freed");
}

TEST_F(CheckedHeapDeathTest, ADoubleFreeIs) {
    const TestHeap heap(Checks());
    void* const block = heap.Allocate(40);
    heap.Allocate(40);
    heap.Free(block);
    EXPECT_FATAL(heap.Free(block), "double free of block");
}

}  // namespace
}  // namespace strata::heap
