// Walking a heap: every block once, exact sizes, in order of addresses.
#include "heap/walk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <vector>

#include "slab/region.h"
#include "store/heap_record.h"
#include "support/fault_injection.h"
#include "support/heap_fixture.h"
#include "support/probe.h"

namespace strata::heap {
namespace {

using test::TestHeap;
using Kind = WalkEntry::Kind;

std::vector<WalkEntry> Walk(Heap& heap) {
    std::vector<WalkEntry> entries;
    WalkEntry entry;
    while (WalkStep(heap, entry)) entries.push_back(entry);
    return entries;
}

std::map<void*, size_t> BusyBlocks(Heap& heap) {
    std::map<void*, size_t> busy;
    for (const WalkEntry& entry : Walk(heap)) {
        if (entry.kind != Kind::kBusy) continue;
        EXPECT_TRUE(busy.emplace(entry.address, entry.bytes).second) << "twice";
    }
    return busy;
}

TEST(Walk, EmptyHeapHasNoEntries) {
    PurgeAll();  // a new heap may have slabs of one that ended
    const TestHeap heap;
    EXPECT_TRUE(Walk(*heap).empty());
    WalkEntry entry;
    EXPECT_FALSE(WalkStep(*heap, entry));
}

TEST(Walk, FindsEveryBlockOnce) {
    const TestHeap heap, other;
    std::map<void*, size_t> expected;
    for (size_t bytes = 0; bytes < 100000; bytes = bytes * 9 / 8 + 1) {
        for (int i = 0; i < 3; ++i) {
            expected[heap.Allocate(bytes)] = bytes;
            other.Allocate(bytes);
        }
    }
    expected[heap.Allocate(3 << 20)] = 3 << 20;
    expected[heap.Allocate(40 << 20)] = 40 << 20;
    expected[AllocateAligned(*heap, 1 << 20, 5, false)] = 5;
    EXPECT_EQ(BusyBlocks(*heap), expected);
    while (!expected.empty()) {
        auto some = std::next(expected.begin(), static_cast<long>(expected.size() / 2));
        heap.Free(some->first);
        expected.erase(some);
        if (expected.size() % 20 == 0) {
            EXPECT_EQ(BusyBlocks(*heap), expected);
        }
    }
    EXPECT_TRUE(BusyBlocks(*heap).empty());
}

TEST(Walk, CachedBlocksAreFree) {
    // Blocks in a thread's magazines are free to whoever looks.
    const TestHeap heap;
    std::vector<void*> blocks;
    for (int i = 0; i < 500; ++i) blocks.push_back(heap.Allocate(64));
    for (size_t i = 0; i < blocks.size(); i += 2) heap.Free(blocks[i]);
    const std::map<void*, size_t> busy = BusyBlocks(*heap);
    EXPECT_EQ(busy.size(), 250u);
    for (size_t i = 0; i < blocks.size(); ++i) EXPECT_EQ(busy.count(blocks[i]), i % 2) << i;
}

TEST(Walk, RegionsHoldTheirBlocks) {
    PurgeAll();  // or the heap would have slabs of one that ended
    const TestHeap heap;
    for (const size_t bytes : {16, 1500, 40000, 100000, 3 << 20, 40 << 20}) heap.Allocate(bytes);
    const WalkEntry* region = nullptr;
    size_t regions = 0;
    size_t large = 0;
    size_t in_regions = 0;
    const std::vector<WalkEntry> entries = Walk(*heap);
    ASSERT_FALSE(entries.empty());
    uintptr_t previous = 0;
    for (const WalkEntry& entry : entries) {
        const uintptr_t address = AddressOf(entry.address);
        if (entry.kind == Kind::kRegion) {
            EXPECT_GT(address, previous);
            EXPECT_EQ(address % kSliceSize, 0u);
            EXPECT_EQ(entry.committed_bytes + entry.uncommitted_bytes, entry.bytes);
            EXPECT_GT(entry.committed_bytes, 0u);
            EXPECT_EQ(entry.first_block, entry.address);
            EXPECT_EQ(entry.region_index, regions) << "counted from 0";
            EXPECT_EQ(large, 0u) << "regions come first";
            region = &entry;
            ++regions;
        } else if (entry.region_index == kLargeBlockIndex) {
            EXPECT_EQ(entry.kind, Kind::kBusy);
            EXPECT_EQ(entry.overhead, 0);
            if (++large == 1) previous = 0;
        } else {
            ASSERT_NE(region, nullptr);
            EXPECT_EQ(entry.region_index, region->region_index);
            if (entry.kind == Kind::kBusy) ++in_regions;
            EXPECT_GE(address, AddressOf(region->address));
            EXPECT_LE(address + entry.bytes, AddressOf(region->address) + region->bytes);
        }
        EXPECT_GE(address, previous) << "in order";
        previous = address;
    }
    EXPECT_GE(regions, 1u);
    EXPECT_LE(regions, 4u);
    EXPECT_EQ(large, 2u) << "have no region entry";
    EXPECT_EQ(in_regions, 4u);
}

TEST(Walk, FreeBlocksSideBySideAreOneEntry) {
    PurgeAll();
    const TestHeap heap;
    void* const only = heap.Allocate(48);
    EXPECT_LE(Walk(*heap).size(), 4u) << "a region, the block, what is free, what has no memory";
    std::vector<void*> blocks;
    for (int i = 0; i < 20000; ++i) blocks.push_back(heap.Allocate(48));
    const auto free_entries = [&] {
        const std::vector<WalkEntry> entries = Walk(*heap);
        return std::count_if(entries.begin(), entries.end(),
                             [](const WalkEntry& entry) { return entry.kind == Kind::kFree; });
    };
    EXPECT_LE(free_entries(), 3);
    for (size_t i = 0; i < blocks.size(); i += 2) heap.Free(blocks[i]);
    const auto every_other = free_entries();
    EXPECT_GE(every_other, 9'900);
    EXPECT_LE(every_other, 10'010);
    for (size_t i = 1; i < blocks.size(); i += 2) heap.Free(blocks[i]);
    EXPECT_LE(Walk(*heap).size(), 60u) << "what magazines hold";
    EXPECT_EQ(BusyBlocks(*heap), (std::map<void*, size_t>{{only, 48}}));
}

// What is said to be free can be read; pages that were given back are said to have no memory.
TEST(Walk, HolesAreUncommitted) {
    PurgeAll();
    const TestHeap heap;
    std::vector<char*> blocks;
    for (int i = 0; i < 600; ++i) blocks.push_back(static_cast<char*>(heap.Allocate(1000)));
    std::map<void*, size_t> kept;
    for (size_t i = 0; i < blocks.size(); ++i) {
        if (i % 61 == 0) {
            kept[blocks[i]] = 1000;
        } else {
            heap.Free(blocks[i]);
        }
    }
    Purge(*heap);
    const SizeClass size_class = ClassOf(1000);
    slab::SlabSet& slabs = (*heap).home().classes[Index(size_class)].slabs;
    for (uint32_t i = 0; i <= kQuietLooks; ++i) slabs.PurgeSparsePages();
    size_t holes = 0;
    slabs.ForEach([&](const slab::Slab& slab) { holes += slab::HoleBytes(slab); });
    ASSERT_GT(holes, 100'000u);
    size_t free_bytes = 0, uncommitted = 0, region_committed = 0;
    uintptr_t previous_end = 0;
    for (const WalkEntry& entry : Walk(*heap)) {
        const uintptr_t address = AddressOf(entry.address);
        if (entry.kind == Kind::kRegion) {
            region_committed += entry.committed_bytes;
            continue;
        }
        EXPECT_GE(address, previous_end) << "no two overlap";
        previous_end = address + entry.bytes;
        if (entry.kind == Kind::kFree) {
            free_bytes += entry.bytes;
            for (size_t at = 0; at < entry.bytes; at += kPageSize) {
                ASSERT_TRUE(test::CanRead(static_cast<char*>(entry.address) + at));
            }
            ASSERT_TRUE(test::CanRead(static_cast<char*>(entry.address) + entry.bytes - 1));
        } else if (entry.kind == Kind::kUncommitted) {
            uncommitted += entry.bytes;
            ASSERT_FALSE(test::CanRead(static_cast<char*>(entry.address)));
        }
    }
    EXPECT_GE(uncommitted, holes);
    EXPECT_LE(free_bytes, region_committed);
    EXPECT_EQ(BusyBlocks(*heap), kept);
}

// A slab that could neither be made whole nor taken apart is nobody's.
TEST(Walk, PassesSlicesThatAreLost) {
    PurgeAll();
    TestHeap heap;
    std::vector<void*> blocks;
    for (int i = 0; i < 64; ++i) blocks.push_back(heap.Allocate(1000));
    void* const last = heap.Allocate(40000);
    for (size_t i = 1; i < blocks.size(); ++i) heap.Free(blocks[i]);
    Purge(*heap);
    const arena::SliceEntry& slice = *arena::g_slice_map.Find(AddressOf(blocks[0]));
    slab::SlabSet& slabs = (*heap).home().classes[slice.size_class.load()].slabs;
    for (uint32_t i = 0; i <= kQuietLooks; ++i) slabs.PurgeSparsePages();
    {
        test::FaultInjector faults(arena::g_memory);
        faults.FailFrom(test::kCommit | test::kDecommit, 1);
        heap.Free(blocks[0]);
        Purge(*heap);
        EXPECT_GT(faults.Failures(), 1u);
    }
    EXPECT_TRUE(IsConsistent(*heap));
    EXPECT_EQ(BusyBlocks(*heap), (std::map<void*, size_t>{{last, 40000}}));
    EXPECT_EQ(HeapOfLiveBlock(blocks[0]), nullptr);
    EXPECT_NE(arena::g_arenas.NextOwned(0, slab::kLostOwner), nullptr);
    PurgeAll();
    EXPECT_EQ(arena::g_arenas.NextOwned(0, slab::kLostOwner), nullptr) << "until they can be had";
}

// A block that becomes large, or small, under the walker's eyes.
TEST(Walk, BlocksChangeKindBetweenSteps) {
    for (const size_t to : {size_t{2} << 20, size_t{1000}}) {
        const TestHeap heap;
        std::map<void*, size_t> expected;
        const size_t from = to > slab::kMaxRegionBlock ? 0xFEF9B : size_t{2} << 20;
        for (int i = 0; i < 9; ++i) {
            expected[heap.Allocate(from)] = from;
            expected[heap.Allocate(100)] = 100;
        }
        std::map<void*, size_t> seen;
        WalkEntry entry;
        for (int steps = 0; WalkStep(*heap, entry); ++steps) {
            ASSERT_LT(steps, 1000);
            if (entry.kind != Kind::kBusy) continue;
            // One that has become large may come again, as what it is now.
            const bool first = seen.emplace(entry.address, entry.bytes).second;
            EXPECT_TRUE(first || entry.bytes == to) << "twice";
            if (entry.bytes == from) Resize(nullptr, entry.address, to, {.in_place = true});
        }
        EXPECT_EQ(seen.size(), expected.size());
    }
}

// A block that had a reservation of its own keeps it.
TEST(Walk, AShrunkDirectBlockStandsForItself) {
    const TestHeap heap;
    void* const block = heap.Allocate(size_t{100} << 20);
    ASSERT_EQ(Resize(nullptr, block, 1000, {}), block);
    const std::vector<WalkEntry> entries = Walk(*heap);
    const auto last = entries.back();
    EXPECT_EQ(last.address, block);
    EXPECT_EQ(last.bytes, 1000u);
    EXPECT_EQ(last.region_index, kLargeBlockIndex);
    for (const WalkEntry& entry : entries) EXPECT_LT(entry.bytes, size_t{1} << 20);
}

// Runs that lie side by side are one region, with the addresses between them that they may grow
// into.
TEST(Walk, ManyRunsAreFewRegions) {
    PurgeAll();
    const TestHeap heap;
    for (int i = 0; i < 200; ++i) heap.Allocate(100'000);
    const std::vector<WalkEntry> entries = Walk(*heap);
    const auto regions = std::count_if(entries.begin(), entries.end(), [](const WalkEntry& entry) {
        return entry.kind == Kind::kRegion;
    });
    EXPECT_LE(regions, 20);
    EXPECT_EQ(entries.front().region_index, 0);
}

TEST(Walk, IndicesDoNotDependOnWhoElseWalks) {
    PurgeAll();
    const TestHeap heap, other;
    for (int i = 0; i < 300; ++i) {
        heap.Allocate(static_cast<size_t>(i) * 131 % 60000);
        other.Allocate(static_cast<size_t>(i) * 257 % 60000);
    }
    const std::vector<WalkEntry> expected = Walk(*heap);
    WalkEntry slow, quick;
    for (size_t i = 0; WalkStep(*heap, slow); ++i) {
        ASSERT_LT(i, expected.size());
        ASSERT_EQ(slow.address, expected[i].address);
        ASSERT_EQ(slow.region_index, expected[i].region_index) << i;
        for (int n = 0; n < 3 && WalkStep(*heap, quick); ++n) {
        }
    }
}

TEST(Walk, GoesOnWhenBlocksVanishBetweenSteps) {
    const TestHeap heap;
    std::vector<void*> blocks;
    for (int i = 0; i < 300; ++i) blocks.push_back(heap.Allocate(i % 3 == 0 ? 100000 : 5000));
    WalkEntry entry;
    size_t steps = 0;
    while (WalkStep(*heap, entry)) {
        if (!blocks.empty()) {
            heap.Free(blocks.back());
            blocks.pop_back();
        }
        if (steps % 20 == 0) PurgeAll();
        ASSERT_LT(++steps, 100000u);
    }
    for (void* block : blocks) heap.Free(block);
    EXPECT_TRUE(BusyBlocks(*heap).empty());
}

TEST(Walk, WhileOthersWork) {
    const TestHeap heap;
    std::map<void*, size_t> stable;
    for (const size_t bytes : {48, 700, 3000, 20481, 100000, 1 << 20}) {
        stable[heap.Allocate(bytes)] = bytes;
    }
    std::atomic<bool> stop{false};
    std::thread other([&] {
        for (size_t i = 0; !stop; ++i) {
            void* block = heap.Allocate(i * 37 % 5000);
            if (i % 16 == 0) block = Resize(nullptr, block, 200000 + i % 7 * 65536, {});
            if (i % 32 == 0) block = Resize(nullptr, block, 300000, {});
            heap.Free(block);
        }
    });
    for (int i = 0; i < 15; ++i) {
        const std::map<void*, size_t> busy = BusyBlocks(*heap);
        for (const auto& [block, bytes] : stable) {
            const auto found = busy.find(block);
            ASSERT_TRUE(found != busy.end());
            EXPECT_EQ(found->second, bytes);
        }
    }
    stop = true;
    other.join();
}

}  // namespace
}  // namespace strata::heap
