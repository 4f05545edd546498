// Heaps that cannot grow: of fixed size, and in memory that the caller brings.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "heap/walk.h"
#include "slab/run_cache.h"
#include "store/heap_record.h"
#include "support/death.h"
#include "support/fault_injection.h"
#include "support/heap_fixture.h"

namespace strata::heap {
namespace {

using test::TestHeap;

HeapRequest Fixed(size_t maximum, size_t initial = 0) {
    HeapRequest request;
    request.maximum = maximum;
    request.initial = initial;
    return request;
}

TEST(RegionHeap, ServesBlocksOfAllSizesExactly) {
    const TestHeap heap(Fixed(8 << 20));
    std::map<void*, size_t> blocks;
    for (size_t bytes = 0; bytes < 300'000; bytes = bytes * 9 / 8 + 1) {
        void* const block = heap.Allocate(bytes);
        ASSERT_NE(block, nullptr) << bytes;
        EXPECT_EQ(AddressOf(block) % 16, 0u);
        std::memset(block, 0x5a, bytes);
        blocks[block] = bytes;
    }
    for (const auto& [block, bytes] : blocks) {
        EXPECT_EQ(RequestedSize(block), bytes);
        size_t requested = 1;
        EXPECT_TRUE(IsLiveBlock(*heap, block, &requested));
        EXPECT_EQ(requested, bytes);
        EXPECT_EQ(HeapOfLiveBlock(block), &*heap);
    }
    EXPECT_TRUE(IsConsistent(*heap));
    for (const auto& [block, bytes] : blocks) heap.Free(block);
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST(RegionHeap, NeverGrowsBeyondItsMaximum) {
    for (const size_t maximum : {size_t{4096}, size_t{65536}, size_t{1} << 20, size_t{40} << 20}) {
        const TestHeap heap(Fixed(maximum));
        size_t sum = 0;
        std::vector<void*> blocks;
        std::mt19937 random(7);
        for (int failures = 0; failures < 50;) {
            const size_t bytes = random() % (maximum / 16 < 60'000 ? maximum / 16 : 60'000);
            void* const block = heap.Allocate(bytes);
            if (block == nullptr) {
                ++failures;
                continue;
            }
            std::memset(block, 1, bytes);
            blocks.push_back(block);
            sum += bytes;
        }
        EXPECT_LE(sum, maximum);
        EXPECT_GT(sum, maximum / 2) << maximum;
        EXPECT_LE((*heap).region->committed, maximum);
        for (void* const block : blocks) heap.Free(block);
        EXPECT_TRUE(IsConsistent(*heap));
        Purge(*heap);
        EXPECT_EQ((*heap).region->committed, kPageSize);
        // All of it can be had again.
        const size_t most = maximum - slab::kRegionOverhead;
        void* const whole = heap.Allocate(most < slab::kMaxRegionBlock ? most : 1);
        EXPECT_NE(whole, nullptr);
    }
}

TEST(RegionHeap, BlocksStayBelowOneMegabyte) {
    const TestHeap heap(Fixed(4 << 20));
    EXPECT_NE(heap.Allocate(slab::kMaxRegionBlock), nullptr);
    EXPECT_EQ(heap.Allocate(slab::kMaxRegionBlock + 1), nullptr);
    EXPECT_EQ(heap.Allocate(SIZE_MAX), nullptr);
    EXPECT_EQ(heap.Allocate(SIZE_MAX - 100), nullptr);
}

TEST(RegionHeap, ResizesInPlaceAndByMoving) {
    const TestHeap heap(Fixed(1 << 20));
    char* const first = static_cast<char*>(heap.Allocate(100));
    std::memset(first, 'a', 100);
    void* const second = heap.Allocate(100);
    ResizeOptions in_place;
    in_place.in_place = true;
    in_place.zero = true;
    EXPECT_EQ(Resize(&*heap, first, 112, in_place), first) << "the rest of the granule";
    EXPECT_EQ(first[111], 0);
    EXPECT_EQ(Resize(&*heap, first, 113, in_place), nullptr);
    EXPECT_EQ(RequestedSize(first), 112u);
    char* const moved = static_cast<char*>(Resize(&*heap, first, 5000, {.zero = true}));
    ASSERT_NE(moved, nullptr);
    EXPECT_NE(moved, first);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(moved[i], 'a');
    for (int i = 100; i < 5000; ++i) ASSERT_EQ(moved[i], 0);
    EXPECT_EQ(Resize(&*heap, moved, 400'000, {}), moved) << "the last block grows where it is";
    EXPECT_EQ(Resize(&*heap, moved, slab::kMaxRegionBlock + 1, {}), nullptr);
    EXPECT_EQ(RequestedSize(moved), 400'000u);
    EXPECT_EQ(Resize(&*heap, moved, 0, {}), moved);
    EXPECT_EQ(RequestedSize(moved), 0u);
    heap.Free(second);
    heap.Free(moved);
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST(RegionHeap, AlignedBlocks) {
    const TestHeap heap(Fixed(1 << 20));
    heap.Allocate(1);
    for (size_t alignment = 16; alignment <= 65536; alignment *= 2) {
        void* const block = AllocateAligned(*heap, alignment, 100, true);
        ASSERT_NE(block, nullptr) << alignment;
        EXPECT_EQ(AddressOf(block) % alignment, 0u);
    }
    EXPECT_EQ(AllocateAligned(*heap, size_t{1} << 40, 1, false), nullptr);
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST(RegionHeap, AnAlignedBlockMayEndWithTheRegion) {
    const TestHeap heap(Fixed(65536));
    EXPECT_NE(AllocateAligned(*heap, 4096, 0xF000, false), nullptr);
}

TEST(RegionHeap, BlocksAreFoundByTheirPointersAlone) {
    for (const size_t maximum : {size_t{1} << 20, size_t{32} << 20, size_t{600} << 20}) {
        const TestHeap heap(Fixed(maximum));
        std::vector<void*> blocks;
        while (void* const block = heap.Allocate(900'000)) blocks.push_back(block);
        for (void* const block : blocks) {
            ASSERT_EQ(HeapOfLiveBlock(block), heap.get());
            ASSERT_EQ(HeapOfLiveBlock(static_cast<char*>(block) + 16), nullptr);
            ASSERT_EQ(RequestedSize(block), 900'000u);
        }
        for (void* const block : blocks) Free(nullptr, block);
    }
    // Any address in a direct block, too, behind the slice that has an owner.
    char* const direct = static_cast<char*>(Allocate(*ProcessHeap(), size_t{200} << 20, false));
    EXPECT_EQ(HeapOfLiveBlock(direct), ProcessHeap());
    EXPECT_EQ(HeapOfLiveBlock(direct + (100 << 20)), nullptr);
    Free(nullptr, direct);
}

TEST(RegionHeap, AFailedDecommitLeavesTheBooksRight) {
    for (int round = 0; round < 3; ++round) {
        // Dirty slices that the region gets, and cannot clean.
        char* const run = static_cast<char*>(Allocate(*ProcessHeap(), 1 << 20, false));
        std::memset(run, 0x77, 1 << 20);
        Free(nullptr, run);
        slab::PurgeRuns(0, true);
        test::FaultInjector faults(arena::g_memory);
        faults.FailNth(test::kDecommit, 1);
        if (Heap* const heap = CreateHeap(Fixed(1 << 20))) {
            Free(heap, Allocate(*heap, 500'000, false));
            Purge(*heap);
            DestroyHeap(heap);
        }
        faults.StopFailing();
        for (int i = 0; i < 64; ++i) {
            char* const block = static_cast<char*>(Allocate(*ProcessHeap(), 60'000, true));
            for (size_t k = 0; k < 60'000; ++k) ASSERT_EQ(block[k], 0);
            Free(nullptr, block);
        }
    }
}

TEST(RegionHeap, WalksRegionBlocksAndTheRest) {
    const TestHeap heap(Fixed(1 << 20, 3 * kPageSize));
    void* const block = heap.Allocate(33);
    WalkEntry entry;
    ASSERT_TRUE(WalkStep(*heap, entry));
    EXPECT_EQ(entry.kind, WalkEntry::Kind::kRegion);
    EXPECT_EQ(entry.bytes, size_t{1} << 20);
    EXPECT_EQ(entry.committed_bytes, 3 * kPageSize);
    EXPECT_EQ(entry.first_block, block);
    ASSERT_TRUE(WalkStep(*heap, entry));
    EXPECT_EQ(entry.kind, WalkEntry::Kind::kBusy);
    EXPECT_EQ(entry.address, block);
    EXPECT_EQ(entry.bytes, 33u);
    EXPECT_EQ(entry.overhead, 15);
    ASSERT_TRUE(WalkStep(*heap, entry));
    EXPECT_EQ(entry.kind, WalkEntry::Kind::kFree);
    EXPECT_EQ(entry.bytes, 3 * kPageSize - slab::kRegionOverhead - 48);
    ASSERT_TRUE(WalkStep(*heap, entry));
    EXPECT_EQ(entry.kind, WalkEntry::Kind::kUncommitted);
    EXPECT_EQ(entry.bytes, (size_t{1} << 20) - 3 * kPageSize);
    EXPECT_FALSE(WalkStep(*heap, entry));
}

TEST(RegionHeap, InTheCallersMemoryTouchesNothingElse) {
    constexpr size_t kPages = 40;
    const size_t all = (kPages + 2) * kPageSize;
    os::ReserveRequest reserve;
    reserve.bytes = RoundUp(all, kSliceSize);
    char* const memory = static_cast<char*>(os::SystemMemory::Reserve(reserve));
    ASSERT_TRUE(os::SystemMemory::Commit(memory, all));
    std::memset(memory, 0x77, all);
    char* const inside = memory + kPageSize;
    HeapRequest request;
    request.memory = inside;
    request.maximum = kPages * kPageSize;
    request.initial = kPages * kPageSize;
    {
        const TestHeap heap(request);
        std::vector<char*> blocks;
        while (char* const block = static_cast<char*>(heap.Allocate(blocks.size() * 13 % 3000))) {
            ASSERT_GE(block, inside);
            ASSERT_LT(block, inside + kPages * kPageSize);
            std::memset(block, 0x11, blocks.size() * 13 % 3000);
            blocks.push_back(block);
        }
        EXPECT_GT(blocks.size(), 100u);
        EXPECT_TRUE(IsConsistent(*heap));
        EXPECT_EQ(HeapOfLiveBlock(blocks[1]), heap.get());
        for (size_t i = 0; i < blocks.size(); i += 2) Free(nullptr, blocks[i]);
        EXPECT_FALSE(IsLiveBlock(*heap, blocks[0], nullptr));
        EXPECT_TRUE(IsLiveBlock(*heap, blocks[1], nullptr));
    }
    for (size_t i = 0; i < kPageSize; ++i) {
        ASSERT_EQ(memory[i], 0x77);
        ASSERT_EQ(memory[(kPages + 1) * kPageSize + i], 0x77);
    }
    inside[0] = 1;  // still the caller's
    EXPECT_TRUE(os::SystemMemory::Release(memory, reserve.bytes));
}

TEST(RegionHeap, RandomUseAgreesWithAModel) {
    const TestHeap heap(Fixed(2 << 20));
    std::mt19937 random(11);
    std::map<char*, std::pair<size_t, char>> live;
    for (int step = 0; step < 30'000; ++step) {
        const size_t bytes = random() % (random() % 10 == 0 ? 60'000 : 600);
        const char mark = static_cast<char>(random());
        if (live.size() > 300 || (random() % 3 == 0 && !live.empty())) {
            const auto at = std::next(live.begin(), random() % live.size());
            const auto [size, fill] = at->second;
            for (size_t i = 0; i < size; ++i) ASSERT_EQ(at->first[i], fill);
            char* const block = at->first;
            live.erase(at);
            if (random() % 2 == 0) {
                heap.Free(block);
                continue;
            }
            char* const moved = static_cast<char*>(Resize(&*heap, block, bytes, {.zero = true}));
            if (moved == nullptr) {
                live[block] = {size, fill};
                continue;
            }
            for (size_t i = 0; i < bytes; ++i) ASSERT_EQ(moved[i], i < size ? fill : 0);
            std::memset(moved, mark, bytes);
            live[moved] = {bytes, mark};
        } else if (char* const block = static_cast<char*>(heap.Allocate(bytes))) {
            std::memset(block, mark, bytes);
            ASSERT_EQ(RequestedSize(block), bytes);
            live[block] = {bytes, mark};
        }
        if (step % 500 == 0) {
            ASSERT_TRUE(IsConsistent(*heap));
        }
        if (step % 3000 == 0) Purge(*heap);
    }
}

TEST(RegionHeap, EveryFailingCallLeavesNothingBehind) {
    for (const size_t maximum : {size_t{1} << 20, size_t{40} << 20}) {
        test::FaultInjector faults(arena::g_memory);
        size_t refused = 0;
        const size_t before = test::CommittedAfterPurge();
        for (const bool from_then_on : {false, true}) {
            const size_t runs =
                test::FailEachInTurn(faults, test::kAnyCall, from_then_on, [&](size_t) {
                    Heap* const heap = CreateHeap(Fixed(maximum, 100'000));
                    if (heap == nullptr) {
                        ++refused;
                        return;
                    }
                    std::vector<void*> blocks;
                    for (int i = 0; i < 20; ++i) {
                        if (void* const block = Allocate(*heap, 40'000, true))
                            blocks.push_back(block);
                    }
                    EXPECT_TRUE(IsConsistent(*heap));
                    for (void* const block : blocks) Free(heap, block);
                    Purge(*heap);
                    EXPECT_TRUE(IsConsistent(*heap));
                    DestroyHeap(heap);
                });
            EXPECT_GT(runs, 5u);
        }
        EXPECT_GT(refused, 0u);
        EXPECT_LE(test::CommittedAfterPurge(), before);
    }
}

TEST(RegionHeapDeathTest, MisuseIsNoticed) {
    const TestHeap heap(Fixed(1 << 20));
    const TestHeap other(Fixed(1 << 20));
    char* const block = static_cast<char*>(heap.Allocate(100));
    heap.Allocate(1);
    EXPECT_FATAL(Free(&*heap, block + 16), "free of interior pointer .* into block");
    EXPECT_FATAL(Free(&*other, block), "free to the wrong heap: block .* \\(100 bytes\\)");
    EXPECT_FATAL(Free(ProcessHeap(), block), "free to the wrong heap: block .* \\(100 bytes\\)");
    EXPECT_FATAL(Free(&*heap, block - 64), "free of invalid pointer");
    heap.Free(block);
    EXPECT_FATAL(Free(&*heap, block), "double free of block");
    EXPECT_FATAL(Free(nullptr, block), "double free of block");
    int foreign = 0;
    EXPECT_FATAL(Free(&*heap, &foreign), "free of foreign pointer");
}

}  // namespace
}  // namespace strata::heap
