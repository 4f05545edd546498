// Walking a heap: every block once, exact sizes, in order of addresses.
#include "heap/walk.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <vector>

#include "heap_fixture.h"

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
    for (const size_t bytes : {16, 1500, 40000, 100000, 40 << 20}) heap.Allocate(bytes);
    const WalkEntry* region = nullptr;
    size_t regions = 0;
    size_t large = 0;
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
            region = &entry;
            ++regions;
        } else if (entry.region_index == kLargeBlockIndex) {
            EXPECT_EQ(entry.kind, Kind::kBusy);
            EXPECT_EQ(entry.overhead, 0);
            ++large;
        } else {
            ASSERT_NE(region, nullptr);
            EXPECT_EQ(entry.region_index, region->region_index);
            EXPECT_GE(address, AddressOf(region->address));
            EXPECT_LE(address + entry.bytes, AddressOf(region->address) + region->bytes);
        }
        EXPECT_GE(address, previous) << "in order";
        previous = address;
    }
    EXPECT_EQ(regions, 3u);
    EXPECT_EQ(large, 2u) << "have no region entry";
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
