// Page heaps: every block against a guard page, freed blocks inaccessible.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "base/fill.h"
#include "heap/walk.h"
#include "store/heap_record.h"
#include "store/modes.h"
#include "support/death.h"
#include "support/heap_fixture.h"
#include "support/probe.h"

namespace strata::heap {
namespace {

using test::CanRead;
using test::TestHeap;

HeapRequest Paged() {
    HeapRequest request;
    request.page_heap = true;
    return request;
}
char* Bytes(void* block) { return static_cast<char*>(block); }

constexpr size_t kSizes[] = {0, 1, 16, 48, 100, 4095, 4096, 4097, 70'000, 17'000'000};

TEST(PageHeap, BlocksEndAtAGuard) {
    const TestHeap heap(Paged());
    for (const size_t size : kSizes) {
        char* const block = Bytes(heap.Allocate(size, true));
        ASSERT_NE(block, nullptr);
        EXPECT_EQ(RequestedSize(block), size);
        EXPECT_FALSE(CanRead(block + RoundUp(size, 16))) << size;
        if (size != 0) {
            EXPECT_TRUE(CanRead(block + size - 1)) << size;
        }
        for (size_t i = 0; i < size; ++i) ASSERT_EQ(block[i], 0) << size;
        EXPECT_TRUE(IsConsistent(*heap)) << size;
        heap.Free(block);
        EXPECT_FALSE(CanRead(block)) << size;
    }
}

TEST(PageHeap, OrBeginAtOne) {
    store::g_modes.guard_before = true;
    const TestHeap heap(Paged());
    for (const size_t size : kSizes) {
        if (size == 0) continue;
        char* const block = Bytes(heap.Allocate(size));
        EXPECT_FALSE(CanRead(block - 1)) << size;
        EXPECT_TRUE(CanRead(block)) << size;
        EXPECT_TRUE(IsConsistent(*heap)) << size;
        heap.Free(block);
    }
    store::g_modes.guard_before = false;
}

TEST(PageHeap, ResizesPutBlocksAgainstTheGuard) {
    const TestHeap heap(Paged());
    std::mt19937 random(5);
    char* block = Bytes(heap.Allocate(1, true));
    size_t size = 1;
    for (int i = 0; i < 500; ++i) {
        const size_t bytes = 1 + random() % 20'000;
        block = Bytes(Resize(heap.get(), block, bytes, {.zero = true}));
        for (size_t k = size; k < bytes; ++k) ASSERT_EQ(block[k], 0) << i;
        size = bytes;
        std::memset(block, 0x33, size);
        ASSERT_FALSE(CanRead(block + RoundUp(size, 16))) << i;
        ASSERT_TRUE(IsIntactBlock(*heap, block)) << i;
    }
    EXPECT_EQ(Resize(heap.get(), block, size / 2, {.in_place = true}), block);
    EXPECT_EQ(RequestedSize(block), size / 2);
    EXPECT_TRUE(IsIntactBlock(*heap, block));
    heap.Free(block);
}

TEST(PageHeap, WalksShowEveryBlockOnce) {
    const TestHeap heap(Paged());
    std::set<void*> expected;
    for (const size_t size : kSizes) expected.insert(heap.Allocate(size));
    WalkEntry entry;
    size_t found = 0;
    while (WalkStep(*heap, entry)) {
        EXPECT_EQ(entry.kind, WalkEntry::Kind::kBusy);
        EXPECT_EQ(expected.count(entry.address), 1u);
        EXPECT_EQ(RequestedSize(entry.address), entry.bytes);
        ++found;
    }
    EXPECT_EQ(found, expected.size());
}

TEST(PageHeap, AddressesComeBackLate) {
    const TestHeap heap(Paged());
    slab::EmptyGuardedQueue();
    void* const first = heap.Allocate(100);
    heap.Free(first);
    for (int i = 0; i < 1000; ++i) {
        void* const next = heap.Allocate(100);
        ASSERT_NE(next, first);
        heap.Free(next);
    }
}

TEST(PageHeap, AtTheLimitBlocksAreCheckedOnes) {
    const TestHeap heap(Paged());
    slab::LimitGuardedBlocks(slab::LiveGuardedBlocks() + 2);
    for (int i = 0; i < 2; ++i) heap.Allocate(100);
    char* const block = Bytes(heap.Allocate(100));
    EXPECT_TRUE(CanRead(block + 100));
    EXPECT_EQ(static_cast<uint8_t>(block[100]), kTailFill);
    slab::LimitGuardedBlocks(SIZE_MAX);
    EXPECT_FALSE(CanRead(Bytes(heap.Allocate(100)) + 112));
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST(PageHeap, EndsWithAllItsBlocks) {
    const size_t live = slab::LiveGuardedBlocks();
    char* block;
    {
        const TestHeap heap(Paged());
        for (int i = 0; i < 100; ++i) block = Bytes(heap.Allocate(100));
        EXPECT_EQ(slab::LiveGuardedBlocks(), live + 100);
    }
    EXPECT_EQ(slab::LiveGuardedBlocks(), live);
    EXPECT_FALSE(CanRead(block));
}

class PageHeapDeathTest : public test::DeathTest {};

TEST_F(PageHeapDeathTest, MisuseIsFatal) {
    const TestHeap heap(Paged());
    char* const block = Bytes(heap.Allocate(100));
    EXPECT_FATAL(heap.Free(block + 16), "free of interior pointer");
    EXPECT_FATAL(heap.Free(block - 16), "free of invalid pointer");
    const TestHeap other(Paged());
    EXPECT_FATAL(other.Free(block), "free to the wrong heap");
    block[100] = 1;  // in the slack
    EXPECT_FATAL(heap.Free(block), "free of overrun block");
    block[100] = static_cast<char>(kTailFill);
    heap.Free(block);
    // One line each: the patterns of a death test on Windows know no more.
    for (const char* const line :
         {"double free of block", "bytes requested, freed, of heap .*page heap",
          "allocated by thread", "freed by thread", "found by thread"}) {
        EXPECT_FATAL(heap.Free(block), line);
    }
}

TEST_F(PageHeapDeathTest, FaultsAreReported) {
    const TestHeap heap(Paged());
    volatile char* const block = Bytes(heap.Allocate(100));
    for (const char* const line :
         {"strata: overflow: write to .*, offset 200 of block .*100 bytes requested",
          "accessed by thread", "allocated by thread"}) {
        EXPECT_DEATH(block[200] = 1, line);
    }
    heap.Free(const_cast<char*>(block));
    for (const char* const line : {"strata: use after free: read of .*, offset 5 of freed block",
                                   "accessed by", "allocated by", "freed by"}) {
        EXPECT_DEATH(static_cast<void>(block[5]), line);
    }
}

}  // namespace
}  // namespace strata::heap
