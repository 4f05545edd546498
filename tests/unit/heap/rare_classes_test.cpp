// Classes that are asked for rarely, and what lies idle in magazines and depots.
#include <gtest/gtest.h>

#include <vector>

#include "cache/thread_cache.h"
#include "heap/statistics.h"
#include "store/heap_record.h"
#include "support/heap_fixture.h"

namespace strata::heap {
namespace {

using test::InOtherThread;
using test::TestHeap;

size_t ClassesInUse(Heap& heap) {
    size_t count = 0;
    for (size_t i = 0; i < kSizeClasses; ++i) count += heap.home().Uses(i) ? 1 : 0;
    return count;
}

TEST(RareClasses, ShareTheBlocksOfACoarserOne) {
    PurgeAll();  // no record of a heap that ended, with slabs in it
    const TestHeap heap;
    std::vector<void*> blocks;
    for (size_t bytes = 1; bytes <= kMaxSlabBlock; bytes += bytes < 1024 ? 16 : bytes / 8) {
        blocks.push_back(heap.Allocate(bytes));
        ASSERT_EQ(RequestedSize(blocks.back()), bytes);
    }
    // Eight up to 128 bytes, then four per doubling, of which there are nine.
    EXPECT_LE(ClassesInUse(*heap), 8u + 4u * 9u);
    for (void* block : blocks) heap.Free(block);
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST(RareClasses, GetSlabsWhenTheyAreAskedForOften) {
    PurgeAll();  // no record of a heap that ended, with slabs in it
    const TestHeap heap;
    const SizeClass own = ClassOf(144);
    std::vector<void*> blocks;
    for (int i = 0; i < kRareUses; ++i) blocks.push_back(heap.Allocate(144));
    EXPECT_FALSE((*heap).home().Uses(Index(own)));
    EXPECT_EQ(CollectClass(*heap, Index(CoarseClassOf(own))).live_blocks, blocks.size());
    blocks.push_back(heap.Allocate(144));
    EXPECT_TRUE((*heap).home().Uses(Index(own)));
    EXPECT_EQ(CollectClass(*heap, Index(own)).live_blocks, 1u);
    for (void* block : blocks) heap.Free(block);
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST(RareClasses, ACoarseClassIsItsOwn) {
    PurgeAll();  // no record of a heap that ended, with slabs in it
    const TestHeap heap;
    void* const block = heap.Allocate(160);
    EXPECT_TRUE((*heap).home().Uses(Index(ClassOf(160))));
    EXPECT_EQ(ClassesInUse(*heap), 1u);
    heap.Free(block);
}

// Bytes that free blocks of the process heap keep from everybody else, about.
size_t IdleInSlabs() {
    size_t idle = 0;
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const ClassStatistics found = CollectClass(*ProcessHeap(), i);
        idle += found.committed - found.live_blocks * found.block_bytes;
    }
    return idle;
}

// One thread's blocks, freed by another: what lies in magazines and depots after that is bounded by
// what the process has committed, not by the number of classes.
TEST(IdleBlocks, AreBoundedForAllClassesTogether) {
    PurgeAll();
    std::vector<void*> blocks;
    for (int round = 0; round < 300; ++round) {
        for (size_t bytes = 500; bytes <= 8192; bytes += bytes < 1024 ? 16 : bytes / 8) {
            blocks.push_back(Allocate(*ProcessHeap(), bytes, false));
        }
    }
    size_t idle = 0;
    InOtherThread([&] {
        for (void* block : blocks) Free(nullptr, block);
        const size_t allowed = arena::g_arenas.AllowedIdle();
        EXPECT_LE(ProcessHeap()->home().depot_bytes.load(),
                  allowed / kDepotShare + 50 * kLeastDepotBytes);
        EXPECT_LE(cache::CurrentCache()->room, allowed / kRoomShare + 2 * 50 * kLeastRoom);
        idle = IdleInSlabs();
    });
    EXPECT_LT(idle, size_t{40} << 20);
    PurgeAll();
    EXPECT_EQ(ProcessHeap()->home().depot_bytes.load(), 0u);
    EXPECT_TRUE(IsConsistent(*ProcessHeap()));
}

TEST(IdleBlocks, TheRoomOfMagazinesIsCountedExactly) {
    PurgeAll();
    const cache::ThreadCache& cache = *cache::CurrentCache();
    EXPECT_EQ(cache.room, 0u);
    std::vector<void*> blocks;
    for (int i = 0; i < 1000; ++i) {
        blocks.push_back(Allocate(*ProcessHeap(), 64, false));
        blocks.push_back(Allocate(*ProcessHeap(), 3000, false));
    }
    for (void* block : blocks) Free(nullptr, block);
    size_t room = 0;
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const cache::Bin& bin = cache.bins[i];
        for (const cache::Magazine* magazine : {bin.alloc_magazine(), bin.free_magazine()}) {
            if (magazine != nullptr) room += magazine->capacity * kClassTable[i].spacing;
        }
    }
    EXPECT_EQ(cache.room, room);
    PurgeAll();
    EXPECT_EQ(cache.room, 0u);
}

}  // namespace
}  // namespace strata::heap
