// What stands at a pointer: Describe, IsLiveBlock, Owns, sizes.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "heap/fast_path.h"
#include "heap/heap.h"
#include "support/heap_fixture.h"
#include "support/model.h"

namespace strata::heap {
namespace {

using test::InOtherThread;
using test::TestHeap;

constexpr size_t kSizes[] = {1, 16, 17, 500, 1024, 1025, 4000, 65536, 65537, 1 << 20, 40 << 20};

TEST(Blocks, LiveBlockIsDescribed) {
    const TestHeap heap;
    for (const size_t bytes : kSizes) {
        void* const block = heap.Allocate(bytes);
        const BlockInfo info = Describe(block);
        EXPECT_EQ(info.status, BlockStatus::kLive) << bytes;
        EXPECT_EQ(info.heap, heap.get());
        EXPECT_EQ(info.block, block);
        EXPECT_EQ(info.requested, bytes);
        EXPECT_GE(info.usable, bytes);
        EXPECT_TRUE(Owns(block));
        EXPECT_EQ(RequestedSize(block), bytes);
        EXPECT_GE(UsableSize(block), bytes);
        size_t requested = 0;
        EXPECT_TRUE(IsLiveBlock(*heap, block, &requested));
        EXPECT_EQ(requested, bytes);
        EXPECT_TRUE(IsLiveBlock(*heap, block, nullptr));
    }
}

TEST(Blocks, UsableBytesAreTheCallers) {
    // Writing all of them harms neither the size nor the neighbours.
    const TestHeap heap;
    for (size_t bytes = 0; bytes <= 70000; bytes += 61) {
        void* const blocks[3] = {heap.Allocate(bytes), heap.Allocate(bytes), heap.Allocate(bytes)};
        const size_t usable = UsableSize(blocks[1]);
        ASSERT_GE(usable, bytes);
        std::memset(blocks[1], 0xFF, usable);
        EXPECT_EQ(UsableSize(blocks[1]), usable) << bytes;
        for (void* block : blocks) {
            ASSERT_EQ(RequestedSize(block), bytes);
            heap.Free(block);
        }
    }
    EXPECT_TRUE(IsConsistent(*heap));
}

TEST(Blocks, InteriorPointersAreNot) {
    const TestHeap heap;
    for (const size_t bytes : {size_t{48}, size_t{1000}, size_t{5000}, size_t{100000}}) {
        char* const block = static_cast<char*>(heap.Allocate(bytes));
        for (const size_t offset : {size_t{1}, size_t{8}, size_t{16}, bytes / 2, bytes - 1}) {
            const BlockInfo info = Describe(block + offset);
            EXPECT_EQ(info.status, BlockStatus::kInterior) << bytes << " + " << offset;
            EXPECT_EQ(info.block, block);
            EXPECT_EQ(info.heap, heap.get());
            EXPECT_FALSE(IsLiveBlock(*heap, block + offset, nullptr));
            EXPECT_TRUE(Owns(block + offset));
        }
    }
}

TEST(Blocks, InteriorOfADirectBlock) {
    const TestHeap heap;
    char* const block = static_cast<char*>(heap.Allocate(40 << 20));
    EXPECT_EQ(Describe(block + 16).status, BlockStatus::kInterior);
    for (const size_t offset : {size_t{65536}, size_t{1} << 20, (size_t{40} << 20) - 1}) {
        EXPECT_NE(Describe(block + offset).status, BlockStatus::kLive);
        EXPECT_NE(Describe(block + offset).status, BlockStatus::kForeign);
        EXPECT_FALSE(IsLiveBlock(*heap, block + offset, nullptr));
    }
}

TEST(Blocks, EveryOffsetOfASlabIsToldApart) {
    const TestHeap heap;
    for (const size_t bytes : {16, 112, 1280, 40960}) {
        char* const first = static_cast<char*>(heap.Allocate(bytes));
        const size_t step = bytes < 1000 ? 1 : 16;
        for (size_t offset = 0; offset < 65536; offset += step) {
            ASSERT_EQ(Describe(first + offset).status == BlockStatus::kInterior,
                      offset % bytes != 0 && Describe(first + offset).block != nullptr)
                << bytes << " + " << offset;
        }
        heap.Free(first);
    }
}

TEST(Blocks, FreedBlocks) {
    const TestHeap heap;
    for (const size_t bytes : {size_t{48}, size_t{3000}, size_t{65536}}) {
        void* const keeps_the_slab = heap.Allocate(bytes);
        void* const block = heap.Allocate(bytes);
        heap.Free(block);
        EXPECT_EQ(Describe(block).status, BlockStatus::kFreed) << bytes;
        EXPECT_FALSE(IsLiveBlock(*heap, block, nullptr));
        EXPECT_TRUE(IsLiveBlock(*heap, keeps_the_slab, nullptr));
    }
    void* const run = heap.Allocate(1 << 20);
    heap.Free(run);
    EXPECT_EQ(Describe(run).status, BlockStatus::kFreed) << "kept in the cache of runs";
    PurgeAll();
    EXPECT_EQ(Describe(run).status, BlockStatus::kEnded);
    void* const direct = heap.Allocate(40 << 20);
    heap.Free(direct);
    EXPECT_EQ(Describe(direct).status, BlockStatus::kForeign) << "its addresses are gone";
    for (void* block : {run, direct}) EXPECT_FALSE(IsLiveBlock(*heap, block, nullptr));
}

TEST(Blocks, ForeignPointers) {
    static int in_data = 0;
    int on_stack = 0;
    void* const from_crt = std::malloc(100);
    ASSERT_TRUE(Initialize());
    for (const void* pointer :
         {static_cast<const void*>(nullptr), static_cast<const void*>(&in_data),
          static_cast<const void*>(&on_stack), static_cast<const void*>("text"),
          static_cast<const void*>(from_crt), reinterpret_cast<const void*>(1),
          reinterpret_cast<const void*>(0x1000), reinterpret_cast<const void*>(-1),
          reinterpret_cast<const void*>(-16), reinterpret_cast<const void*>(0x8000000000000000),
          reinterpret_cast<const void*>(0xFFFF800000000000),
          reinterpret_cast<const void*>(0x1234567890ABCDEF),
          reinterpret_cast<const void*>(0x00007FFFFFFFFFF0)}) {
        EXPECT_EQ(Describe(pointer).status, BlockStatus::kForeign) << pointer;
        EXPECT_EQ(Describe(pointer).heap, nullptr);
        EXPECT_FALSE(Owns(pointer)) << pointer;
        EXPECT_FALSE(IsLiveBlock(*ProcessHeap(), pointer, nullptr)) << pointer;
    }
    std::free(from_crt);
}

TEST(Blocks, EveryArenaIndexBitPattern) {
    // Addresses that differ from a block's in one bit only: other arenas, other tags.
    const TestHeap heap;
    void* const block = heap.Allocate(100000);
    for (int bit = 26; bit < 64; ++bit) {
        const auto* other = reinterpret_cast<const void*>(AddressOf(block) ^ (uintptr_t{1} << bit));
        EXPECT_NE(Describe(other).status, BlockStatus::kLive) << bit;
        EXPECT_FALSE(IsLiveBlock(*heap, other, nullptr)) << bit;
    }
}

TEST(Blocks, LiveBlockOfAnotherHeap) {
    const TestHeap one, two;
    for (const size_t bytes : kSizes) {
        void* const block = one.Allocate(bytes);
        EXPECT_TRUE(IsLiveBlock(*one, block, nullptr));
        EXPECT_FALSE(IsLiveBlock(*two, block, nullptr)) << bytes;
        EXPECT_FALSE(IsLiveBlock(*ProcessHeap(), block, nullptr)) << bytes;
    }
}

TEST(Blocks, HeapOfALiveBlock) {
    TestHeap one;
    const TestHeap two;
    void* const direct = one.Allocate(40 << 20);
    char* const slab_block = static_cast<char*>(one.Allocate(300));
    for (const size_t bytes : kSizes) {
        void* const block = one.Allocate(bytes);
        EXPECT_EQ(HeapOfLiveBlock(block), one.get()) << bytes;
        EXPECT_EQ(HeapOfLiveBlock(static_cast<char*>(block) + 1), nullptr);
        one.Free(block);
        EXPECT_EQ(HeapOfLiveBlock(block), nullptr);
    }
    EXPECT_EQ(HeapOfLiveBlock(two.Allocate(10)), two.get());
    EXPECT_EQ(HeapOfLiveBlock(AllocateSlow(10, false)), ProcessHeap());
    for (const void* pointer :
         {static_cast<const void*>(nullptr), reinterpret_cast<const void*>(-1),
          static_cast<const void*>(&one)}) {
        EXPECT_EQ(HeapOfLiveBlock(pointer), nullptr);
    }
    one.Destroy();
    EXPECT_EQ(HeapOfLiveBlock(direct), nullptr);
    EXPECT_EQ(HeapOfLiveBlock(slab_block), nullptr);
}

TEST(Blocks, AnyAddressMayBeProbedWhileOthersFree) {
    const TestHeap heap;
    std::atomic<bool> stop{false};
    std::thread other([&] {
        for (size_t i = 0; !stop; ++i) {
            void* blocks[64];
            for (void*& block : blocks) block = heap.Allocate((i % 40 + 1) * 1000);
            for (void* block : blocks) heap.Free(block);
            if (i % 64 == 0) PurgeAll();
        }
    });
    char* const block = static_cast<char*>(heap.Allocate(500));
    test::Random random(1);
    for (int i = 0; i < 20000; ++i) {
        char* const address = block + random.Below(4 << 20);
        EXPECT_EQ(HeapOfLiveBlock(block), heap.get());
        static_cast<void>(HeapOfLiveBlock(address));
        static_cast<void>(IsLiveBlock(*heap, address, nullptr));
        static_cast<void>(IsLiveBlock(*ProcessHeap(), address, nullptr));
    }
    stop = true;
    other.join();
}

TEST(Blocks, LiveInAnyThread) {
    const TestHeap heap;
    void* const block = heap.Allocate(300);
    InOtherThread([&] {
        size_t requested = 0;
        EXPECT_TRUE(IsLiveBlock(*heap, block, &requested));
        EXPECT_EQ(requested, 300u);
        EXPECT_EQ(RequestedSize(block), 300u);
    });
}

TEST(Blocks, OverrunOfFarSlackIsNoLiveBlock) {
    // 255 as state byte: the slack stands in the last 4 bytes of the block.
    const TestHeap heap;
    char* const block = static_cast<char*>(heap.Allocate(20481));
    const size_t usable = Describe(block).usable;
    ASSERT_GT(usable - 20481, 252u);
    uint32_t slack;
    std::memcpy(&slack, block + usable - 4, 4);
    EXPECT_EQ(slack, usable - 20481);
    const uint32_t wrong = 0x41414141;
    std::memcpy(block + usable - 4, &wrong, 4);
    EXPECT_FALSE(IsLiveBlock(*heap, block, nullptr));
    EXPECT_FALSE(IsConsistent(*heap));
    std::memcpy(block + usable - 4, &slack, 4);
    EXPECT_TRUE(IsLiveBlock(*heap, block, nullptr));
    EXPECT_TRUE(IsConsistent(*heap));
}

}  // namespace
}  // namespace strata::heap
