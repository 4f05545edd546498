// Allocation: every size, alignment, zeroing, and clean failure.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <set>
#include <vector>

#include "base/size_classes.h"
#include "heap/fast_path.h"
#include "heap/heap.h"
#include "os/process.h"
#include "support/heap_fixture.h"
#include "support/model.h"
#include "support/sanitizers.h"

namespace strata::heap {
namespace {

using test::FillPattern;
using test::FindNonZero;
using test::FindPatternBreak;
using test::TestHeap;

struct Held {
    void* block;
    size_t bytes;
};

void CheckAndFree(const Held& held) {
    ASSERT_EQ(FindPatternBreak(held.block, held.bytes, held.bytes), held.bytes) << held.bytes;
    ASSERT_EQ(RequestedSize(held.block), held.bytes);
    Free(nullptr, held.block);
}

// A window of live blocks moves over the sizes.
template <typename AllocateFunction>
void CheckManySizes(AllocateFunction allocate) {
    std::deque<Held> window;
    for (size_t bytes = 0; bytes <= 70000; bytes += bytes < 3000 ? 1 : 97) {
        void* const block = allocate(bytes);
        ASSERT_NE(block, nullptr) << bytes;
        ASSERT_EQ(AddressOf(block) % kMinAlignment, 0u) << bytes;
        ASSERT_EQ(RequestedSize(block), bytes);
        FillPattern(block, bytes, bytes);
        window.push_back({block, bytes});
        if (window.size() < 16) continue;
        CheckAndFree(window.front());
        window.pop_front();
    }
    for (const Held& held : window) CheckAndFree(held);
}

TEST(Allocate, EverySizeIsExact) {
    const TestHeap heap;
    for (size_t bytes = 0; bytes <= 70000; ++bytes) {
        void* const block = heap.Allocate(bytes);
        ASSERT_NE(block, nullptr) << bytes;
        ASSERT_EQ(AddressOf(block) % kMinAlignment, 0u) << bytes;
        ASSERT_EQ(RequestedSize(block), bytes);
        ASSERT_GE(UsableSize(block), bytes);
        if (bytes != 0) static_cast<char*>(block)[0] = static_cast<char*>(block)[bytes - 1] = 1;
        ASSERT_EQ(RequestedSize(block), bytes);
        heap.Free(block);
    }
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST(Allocate, ContentsAreKeptBesideNeighbours) {
    const TestHeap heap;
    CheckManySizes([&](size_t bytes) { return heap.Allocate(bytes); });
    EXPECT_TRUE(IsConsistent(*heap));
    CheckManySizes([](size_t bytes) { return AllocateFast(bytes); });
    EXPECT_TRUE(IsConsistent(*ProcessHeap()));
}

TEST(Allocate, ZeroBytesGiveDistinctBlocks) {
    const TestHeap heap;
    std::set<void*> blocks;
    for (int i = 0; i < 5000; ++i) {
        void* const block = i % 2 == 0 ? heap.Allocate(0) : AllocateFast(0);
        EXPECT_TRUE(blocks.insert(block).second);
        EXPECT_EQ(RequestedSize(block), 0u);
    }
    for (void* block : blocks) Free(nullptr, block);
}

TEST(Allocate, EveryAlignment) {
    const TestHeap heap;
    for (size_t alignment = 1; alignment <= size_t{64} << 20; alignment *= 2) {
        for (const size_t bytes : {0, 1, 16, 100, 1025, 4096, 30000, 65536, 65537, 1 << 20}) {
            void* blocks[3];
            for (void*& block : blocks) {
                block = AllocateAligned(*heap, alignment, bytes, false);
                ASSERT_NE(block, nullptr) << alignment << ", " << bytes;
                EXPECT_EQ(AddressOf(block) % alignment, 0u);
                EXPECT_EQ(AddressOf(block) % kMinAlignment, 0u);
                EXPECT_EQ(RequestedSize(block), bytes);
                EXPECT_GE(UsableSize(block), bytes);
                if (bytes != 0) std::memset(block, 0x5A, bytes);
            }
            for (void* block : blocks) heap.Free(block);
        }
    }
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST(Allocate, AlignedBlocksAreZeroedToo) {
    const TestHeap heap;
    for (size_t alignment = 16; alignment <= size_t{1} << 20; alignment *= 2) {
        for (const size_t bytes : {1, 500, 5000, 70000}) {
            for (int round = 0; round < 2; ++round) {
                void* const block = AllocateAligned(*heap, alignment, bytes, true);
                ASSERT_NE(block, nullptr);
                EXPECT_EQ(FindNonZero(block, 0, bytes), bytes) << alignment << ", " << bytes;
                std::memset(block, 0xFF, UsableSize(block));
                heap.Free(block);
            }
        }
    }
}

TEST(Allocate, ImpossibleSizesFailCleanly) {
    const TestHeap heap;
    for (const size_t bytes :
         {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 7, SIZE_MAX - 15, SIZE_MAX - 4095, SIZE_MAX - 65535,
          SIZE_MAX / 2 + 1, SIZE_MAX / 2, SIZE_MAX / 2 - 65535, size_t{1} << 62, size_t{1} << 48}) {
        for (const size_t alignment :
             {size_t{16}, size_t{4096}, size_t{1} << 20, size_t{1} << 40}) {
            EXPECT_EQ(AllocateAligned(*heap, alignment, bytes, true), nullptr) << bytes;
        }
        EXPECT_EQ(heap.Allocate(bytes), nullptr) << bytes;
        EXPECT_EQ(AllocateFast(bytes), nullptr) << bytes;
        EXPECT_EQ(AllocateSlow(bytes, true), nullptr) << bytes;
    }
    EXPECT_TRUE(IsConsistent(*heap));
    EXPECT_NE(heap.Allocate(100000), nullptr);
}

TEST(Allocate, ImpossibleAlignmentsFailCleanly) {
    const TestHeap heap;
    for (int shift = 41; shift < 64; ++shift) {
        EXPECT_EQ(AllocateAligned(*heap, size_t{1} << shift, 100, false), nullptr) << shift;
    }
    EXPECT_NE(heap.Allocate(100), nullptr);
}

TEST(Allocate, ErrorIsSetOnFailureOnly) {
    const TestHeap heap;
    os::SetLastErrorCode(4711);
    errno = 42;
    for (const size_t bytes : {100, 5000, 70000, 40 << 20}) heap.Free(heap.Allocate(bytes));
    EXPECT_EQ(os::GetLastErrorCode(), 4711u);
    EXPECT_EQ(errno, 42);
    EXPECT_EQ(heap.Allocate(SIZE_MAX), nullptr);
    EXPECT_EQ(os::GetLastErrorCode(), 8u) << "ERROR_NOT_ENOUGH_MEMORY";
#ifndef _WIN32
    EXPECT_EQ(errno, ENOMEM);
#endif
}

// Fresh and used memory, from slabs, runs and direct blocks.
TEST(Allocate, ZeroedMemoryIsZero) {
    if (test::kThreadSanitizer) GTEST_SKIP() << "one thread, for long";
    const TestHeap heap;
    for (int round = 0; round < 4; ++round) {
        std::vector<Held> held;
        for (size_t bytes = 1; bytes <= size_t{40} << 20; bytes = bytes * 5 / 4 + 1) {
            void* const block = heap.Allocate(bytes, round % 2 == 0 || bytes % 3 == 0);
            ASSERT_NE(block, nullptr);
            if (round % 2 == 0 || bytes % 3 == 0) {
                ASSERT_EQ(FindNonZero(block, 0, bytes), bytes) << bytes << ", round " << round;
            }
            std::memset(block, 0xFF, UsableSize(block));
            held.push_back({block, bytes});
        }
        for (const Held& each : held) heap.Free(each.block);
        if (round == 1) PurgeAll();
    }
}

TEST(Allocate, ZeroedAfterDirtyReuseByTheWholeHeap) {
    // The slices of a heap full of data go to the next one.
    for (const size_t bytes : {16, 100, 1000, 9000, 50000, 100000}) {
        {
            const TestHeap heap;
            for (size_t used = 0; used < 2'000'000; used += bytes) {
                std::memset(heap.Allocate(bytes), 0xEE, bytes);
            }
        }
        const TestHeap heap;
        for (size_t used = 0; used < 2'000'000; used += bytes) {
            void* const block = heap.Allocate(bytes, true);
            ASSERT_EQ(FindNonZero(block, 0, bytes), bytes) << bytes;
        }
    }
}

TEST(Allocate, FreedMemoryIsUsedAgain) {
    const TestHeap heap;
    for (const size_t bytes : {16, 1000, 50000, 100000, 5 << 20}) {
        std::set<void*> seen;
        for (int i = 0; i < 200; ++i) {
            void* const block = heap.Allocate(bytes);
            seen.insert(block);
            heap.Free(block);
        }
        EXPECT_LT(seen.size(), 80u) << bytes;
    }
}

TEST(Allocate, FreeOfNullIsNothing) {
    FreeFast(nullptr);
    FreeSlow(nullptr);
    EXPECT_FALSE(FreeIfFast(nullptr));
}

}  // namespace
}  // namespace strata::heap
