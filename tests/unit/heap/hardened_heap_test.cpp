// Hardened heaps: random blocks, the quarantine, slack that is checked, guards around slabs and
// large blocks; and that all rules of other heaps hold in them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "base/fill.h"
#include "heap/walk.h"
#include "os/random.h"
#include "store/heap_record.h"
#include "support/death.h"
#include "support/heap_fixture.h"
#include "support/probe.h"

namespace strata::heap {
namespace {

using test::TestHeap;

HeapRequest Hardened() {
    HeapRequest request;
    request.hardened = true;
    return request;
}

char* Bytes(void* block) { return static_cast<char*>(block); }

// With and without slack, at the edges of classes, and large.
constexpr size_t kSizes[] = {0,    1,     15,    16,    17,    48,      100,     1000,
                             4096, 20481, 65520, 65521, 65536, 100'000, 1 << 20, 40'000'000};

TEST(HardenedHeap, SizesAreExactAndBlocksWritable) {
    const TestHeap heap(Hardened());
    for (const size_t size : kSizes) {
        char* const block = Bytes(heap.Allocate(size, true));
        ASSERT_NE(block, nullptr) << size;
        EXPECT_EQ(AddressOf(block) % 16, 0u) << size;
        for (size_t i = 0; i < size; ++i) ASSERT_EQ(block[i], 0) << size;
        std::memset(block, 0x42, size);
        EXPECT_EQ(RequestedSize(block), size);
        EXPECT_EQ(UsableSize(block), size) << "what is behind is not the caller's";
        EXPECT_TRUE(IsIntactBlock(*heap, block)) << size;
        EXPECT_TRUE(IsConsistent(*heap)) << size;
        EXPECT_EQ(HeapOfLiveBlock(block), heap.get());
        heap.Free(block);
        EXPECT_FALSE(IsLiveBlock(*heap, block, nullptr)) << size;
        EXPECT_TRUE(IsConsistent(*heap)) << size;
    }
}

TEST(HardenedHeap, EveryByteBehindABlockShows) {
    const TestHeap heap(Hardened());
    for (const size_t size : {size_t{1}, size_t{16}, size_t{48}, size_t{50}, size_t{1000},
                              size_t{20481}, size_t{100'001}}) {
        char* const block = Bytes(heap.Allocate(size));
        const size_t behind = size == 100'001 ? 15 : 16;
        for (size_t i = size; i < size + behind; ++i) {
            const char kept = block[i];
            for (const int value : {0, 0xAB, 0x41}) {
                if (static_cast<char>(value) == kept) continue;
                block[i] = static_cast<char>(value);
                EXPECT_FALSE(IsIntactBlock(*heap, block)) << size << " at " << i;
                EXPECT_FALSE(IsConsistent(*heap)) << size << " at " << i;
            }
            block[i] = kept;
        }
        EXPECT_TRUE(IsConsistent(*heap)) << size;
        heap.Free(block);
    }
}

TEST(HardenedHeap, ResizesKeepTheRules) {
    const TestHeap heap(Hardened());
    std::mt19937 random(7);
    char* block = Bytes(heap.Allocate(10, true));
    size_t size = 10;
    for (int i = 0; i < 3000; ++i) {
        const size_t bytes = random() % (i % 10 == 0 ? 400'000 : 3000);
        ResizeOptions options;
        options.zero = true;
        options.in_place = i % 7 == 0;
        options.user = i % 50 == 49;
        char* const moved = Bytes(Resize(heap.get(), block, bytes, options));
        if (moved != nullptr) {
            block = moved;
            const size_t kept = std::min(size, bytes);
            for (size_t k = 0; k < kept; ++k) ASSERT_EQ(block[k], i == 0 ? 0 : 0x33) << i;
            for (size_t k = size; k < bytes; ++k) ASSERT_EQ(block[k], 0) << i;
            size = bytes;
            std::memset(block, 0x33, size);
        } else {
            std::memset(block, 0x33, size);
            ASSERT_TRUE(options.in_place);
            ASSERT_GT(bytes, size) << "a block always has room for less";
        }
        ASSERT_EQ(RequestedSize(block), size);
        ASSERT_TRUE(IsIntactBlock(*heap, block)) << i;
        if (i % 100 == 0) {
            ASSERT_TRUE(IsConsistent(*heap)) << i;
        }
    }
    heap.Free(block);
}

TEST(HardenedHeap, AlignmentsAreKept) {
    const TestHeap heap(Hardened());
    for (size_t alignment = 16; alignment <= size_t{4} << 20; alignment *= 2) {
        for (const size_t size : {size_t{0}, size_t{1}, size_t{5000}, size_t{70'000}}) {
            void* const block = AllocateAligned(*heap, alignment, size, true);
            ASSERT_NE(block, nullptr) << alignment << ' ' << size;
            EXPECT_EQ(AddressOf(block) % alignment, 0u) << size;
            EXPECT_EQ(RequestedSize(block), size);
            std::memset(block, 0x55, size);
            EXPECT_TRUE(IsConsistent(*heap)) << alignment << ' ' << size;
            heap.Free(block);
        }
    }
}

TEST(HardenedHeap, TheNextBlockIsHardToGuess) {
    const TestHeap heap(Hardened());
    std::vector<uintptr_t> blocks;
    for (int i = 0; i < 200; ++i) blocks.push_back(AddressOf(heap.Allocate(100)));
    int steps = 0;
    for (size_t i = 1; i < blocks.size(); ++i) {
        if (blocks[i] == blocks[i - 1] + 128) ++steps;
    }
    EXPECT_LT(steps, 20) << "of 199; in order, nearly all would be";
}

TEST(HardenedHeap, AFreedBlockDoesNotComeBackSoon) {
    const TestHeap heap(Hardened());
    heap.Allocate(100);  // so that the slab stays
    for (int round = 0; round < 20; ++round) {
        void* const freed = heap.Allocate(100);
        heap.Free(freed);
        for (int i = 0; i < 100; ++i) {
            void* const next = heap.Allocate(100);
            ASSERT_NE(next, freed) << round << ' ' << i;
            heap.Free(next);
        }
    }
}

TEST(HardenedHeap, NewBlocksDoNotShowOldContents) {
    const TestHeap heap(Hardened());
    for (const size_t size : {size_t{100}, size_t{5000}, size_t{100'000}}) {
        for (int i = 0; i < 2000 && (size < 10'000 || i < 20); ++i) {
            char* const block = Bytes(heap.Allocate(size));
            for (size_t k = 0; k < size; ++k) ASSERT_NE(block[k], 0x5A) << size;
            std::memset(block, 0x5A, size);
            heap.Free(block);
        }
    }
}

TEST(HardenedHeap, SlabsAndLargeBlocksHaveGuardsOnBothSides) {
    const TestHeap heap(Hardened());
    char* const small = Bytes(heap.Allocate(100));
    const auto* const entry = arena::g_slice_map.Find(AddressOf(small));
    const auto& slab = *static_cast<slab::Slab*>(entry->record.load());
    EXPECT_TRUE(test::CanRead(slab.base));
    EXPECT_FALSE(test::CanRead(slab.base - 1));
    EXPECT_FALSE(test::CanRead(slab.base + slab.size()));
    char* const large = Bytes(heap.Allocate(100'000));
    EXPECT_TRUE(test::CanRead(large + 99'999));
    EXPECT_FALSE(test::CanRead(large + RoundUp(100'000, 16)));
    EXPECT_FALSE(
        test::CanRead(reinterpret_cast<char*>(RoundDown(AddressOf(large), kPageSize)) - 1));
    heap.Free(large);
    EXPECT_FALSE(test::CanRead(large)) << "decommitted";
    heap.Free(small);
}

TEST(HardenedHeap, WalksShowEveryBlockOnce) {
    const TestHeap heap(Hardened());
    std::set<void*> expected;
    for (int i = 0; i < 3; ++i) {
        for (const size_t size : kSizes) expected.insert(heap.Allocate(size));
    }
    WalkEntry entry;
    size_t found = 0;
    while (WalkStep(*heap, entry)) {
        if (entry.kind != WalkEntry::Kind::kBusy) continue;
        EXPECT_EQ(expected.count(entry.address), 1u);
        EXPECT_EQ(RequestedSize(entry.address), entry.bytes);
        ++found;
    }
    EXPECT_EQ(found, expected.size());
}

TEST(HardenedHeap, UserRecordsStay) {
    const TestHeap heap(Hardened());
    for (const size_t size : {size_t{10}, size_t{3000}, size_t{70'000}}) {
        UserRecord record = {&record, 0x200, 0};
        AllocateOptions options;
        options.user = &record;
        void* const block = AllocateWith(*heap, size, options);
        UserRecord found = {};
        EXPECT_TRUE(GetUserRecord(*heap, block, found));
        EXPECT_EQ(found.value, &record);
        EXPECT_TRUE(SetUserValue(*heap, block, nullptr));
        EXPECT_TRUE(SetUserFlags(*heap, block, 0x200, 0x400));
        EXPECT_TRUE(GetUserRecord(*heap, block, found));
        EXPECT_EQ(found.value, nullptr);
        EXPECT_EQ(found.flags, 0x400u);
        EXPECT_TRUE(IsConsistent(*heap)) << size;
        heap.Free(block);
    }
}

TEST(HardenedHeap, GivesEverythingBack) {
    const size_t before = test::CommittedAfterPurge();
    {
        const TestHeap heap(Hardened());
        std::vector<void*> blocks;
        for (int i = 0; i < 3000; ++i) blocks.push_back(heap.Allocate(static_cast<size_t>(i)));
        for (void* const block : blocks) heap.Free(block);
        Purge(*heap);
        EXPECT_TRUE(IsConsistent(*heap));
    }
    slab::EmptyGuardedQueue();
    EXPECT_LE(test::CommittedAfterPurge(), before + 64 * 1024);
}

TEST(HardenedHeap, IsConsistentWhileOthersUseIt) {
    const TestHeap heap(Hardened());
    std::atomic<bool> stop{false};
    std::thread other([&] {
        void* block = heap.Allocate(100);
        for (size_t i = 0; !stop; ++i) {
            block =
                Resize(heap.get(), block, i * 37 % (i % 20 == 0 ? 100'000 : 300), {.zero = true});
            std::memset(block, 0x44, RequestedSize(block));
            heap.Free(heap.Allocate(100));
        }
        heap.Free(block);
    });
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(IsConsistent(*heap)) << i;
    stop = true;
    other.join();
}

class HardenedHeapDeathTest : public test::DeathTest {};

TEST_F(HardenedHeapDeathTest, AnOverflowOfOneByteIsFatalWhenFreed) {
    for (const size_t size : {size_t{1}, size_t{48}, size_t{3000}, size_t{100'001}}) {
        const TestHeap heap(Hardened());
        char* const block = Bytes(heap.Allocate(size));
        const char kept = block[size];
        block[size] = 0;
        EXPECT_FATAL(heap.Free(block),
                     "free of overrun block .* bytes requested\\) in heap .*: the "
                     "bytes behind it were overwritten");
        EXPECT_FATAL(Resize(heap.get(), block, 7, {}), "realloc of overrun block");
        block[size] = kept;
        heap.Free(block);
    }
}

TEST_F(HardenedHeapDeathTest, AnUnderflowOfALargeBlockIs) {
    const TestHeap heap(Hardened());
    char* const block = Bytes(heap.Allocate(100'000));
    block[-1] = 0;
    EXPECT_FATAL(heap.Free(block),
                 "free of underrun block .*: the bytes before it were overwritten");
    block[-1] = static_cast<char>(kTailFill);
    heap.Free(block);
}

TEST_F(HardenedHeapDeathTest, AWriteAfterFreeIsFatalWhenItLeavesTheQuarantine) {
    EXPECT_FATAL(
        {
            const TestHeap heap(Hardened());
            char* const block = Bytes(heap.Allocate(100));
            heap.Free(block);
            block[8] = 1;
            for (int i = 0; i < 100'000; ++i) heap.Free(heap.Allocate(100));
        },
        "free block .* of heap .* was written to at offset 8 after it was freed");
}

TEST_F(HardenedHeapDeathTest, AWriteAfterFreeMakesTheHeapInconsistent) {
    const TestHeap heap(Hardened());
    heap.Allocate(100);
    char* const block = Bytes(heap.Allocate(100));
    heap.Free(block);
    const char kept = block[50];
    block[50] = 1;
    EXPECT_FALSE(IsConsistent(*heap)) << "though it is in the quarantine";
    block[50] = kept;
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST_F(HardenedHeapDeathTest, DoubleFreesAreFatal) {
    const TestHeap heap(Hardened());
    for (const size_t size : {size_t{40}, size_t{3000}, size_t{100'000}, size_t{40'000'000}}) {
        void* const block = heap.Allocate(size);
        heap.Free(block);
        EXPECT_FATAL(heap.Free(block), "double free of block") << size;
    }
}

TEST_F(HardenedHeapDeathTest, TouchingAGuardFaults) {
    const TestHeap heap(Hardened());
    volatile char* const large = Bytes(heap.Allocate(100'000));
    EXPECT_FAULT(large[100'000] = 1);
    heap.Free(const_cast<char*>(large));
    EXPECT_FAULT(large[5] = 1);
}

}  // namespace
}  // namespace strata::heap
