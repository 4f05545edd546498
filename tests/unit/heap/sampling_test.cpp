// One allocation in N is a guarded block.
#include "cache/sampling.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "heap/fast_path.h"
#include "os/process.h"
#include "slab/guarded_block.h"
#include "support/heap_fixture.h"

namespace strata::heap {
namespace {

bool IsGuarded(const void* block) {
    const arena::SliceEntry* const entry = arena::g_slice_map.Find(AddressOf(block));
    return entry != nullptr && entry->kind.load() == arena::SliceKind::kGuarded;
}

class Sampling : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(Initialize()); }
    void TearDown() override { store::g_modes.sample_period = 0; }

    // How many of `count` blocks are guarded; all are freed afterwards.
    size_t CountGuarded(size_t count, size_t bytes) {
        FreeFast(AllocateFast(10));  // so that the thread has a cache
        std::vector<void*> blocks;
        size_t guarded = 0;
        for (size_t i = 0; i < count; ++i) {
            blocks.push_back(AllocateFast(bytes));
            std::memset(blocks.back(), 0x42, bytes);
            EXPECT_EQ(RequestedSize(blocks.back()), bytes);
            if (IsGuarded(blocks.back())) ++guarded;
        }
        EXPECT_TRUE(IsConsistent(*ProcessHeap()));
        for (void* const block : blocks) FreeFast(block);
        return guarded;
    }
};

TEST_F(Sampling, IsOffByDefault) {
    EXPECT_FALSE(cache::IsSampling());
    EXPECT_EQ(CountGuarded(10'000, 100), 0u);
}

TEST_F(Sampling, TakesSomeOfEverySize) {
    // In threads of their own, whose distances to the first sample are drawn anew. There is a bound
    // on samples in an epoch: when it is reached, the next one helps.
    for (const size_t bytes : {size_t{10}, size_t{100}, size_t{3000}, size_t{100'000}}) {
        store::g_modes.sample_period = 20;
        size_t guarded = 0;
        const size_t count = bytes > 10'000 ? 400 : 4000;
        for (int round = 0; round < 50 && guarded == 0; ++round) {
            test::InOtherThread([&] { guarded = CountGuarded(count, bytes); });
            if (guarded == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        EXPECT_GT(guarded, 0u) << bytes;
        EXPECT_LE(guarded, count / 4) << bytes;
    }
}

TEST_F(Sampling, PairsAreSampledToo) {
    store::g_modes.sample_period = 50;
    size_t guarded = 0;
    for (int i = 0; i < 10'000'000 && guarded == 0; ++i) {
        void* const block = AllocateFast(64);
        if (IsGuarded(block)) ++guarded;
        FreeFast(block);
    }
    EXPECT_GT(guarded, 0u);
}

TEST_F(Sampling, OneInSoManyOfPairs) {
    // Magazines that change places, all counted by their budget. In a fresh epoch, whose bound is
    // far off.
    store::g_modes.sample_period = 100;
    FreeFast(AllocateFast(10));
    for (const size_t bytes : {size_t{64}, size_t{16'384}}) {
        const uint64_t epoch = os::Milliseconds() / kEpochMilliseconds;
        while (os::Milliseconds() / kEpochMilliseconds == epoch) std::this_thread::yield();
        size_t guarded = 0;
        test::InOtherThread([&] {
            for (int i = 0; i < 2000; ++i) {
                void* const block = AllocateFast(bytes);
                if (IsGuarded(block)) ++guarded;
                FreeFast(block);
            }
        });
        EXPECT_GE(guarded, 9u) << bytes;
        EXPECT_LE(guarded, 32u) << bytes;
    }
}

TEST_F(Sampling, PrivateHeapsMadeMeanwhileAreSampled) {
    store::g_modes.sample_period = 20;
    size_t guarded = 0;
    for (int round = 0; round < 50 && guarded == 0; ++round) {
        const test::TestHeap heap;
        std::vector<void*> blocks;
        for (int i = 0; i < 1000; ++i) blocks.push_back(heap.Allocate(200, true));
        for (void* const block : blocks) {
            if (IsGuarded(block)) ++guarded;
            heap.Free(block);
        }
        if (guarded == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
        EXPECT_TRUE(IsConsistent(*heap));
    }
    EXPECT_GT(guarded, 0u);
}

TEST_F(Sampling, AProgramThatAllocatesWithoutPauseIsNotSlowedDown) {
    store::g_modes.sample_period = 1;
    const uint64_t begin = os::Milliseconds() / kEpochMilliseconds;
    const size_t guarded = CountGuarded(20'000, 64);
    const uint64_t epochs = os::Milliseconds() / kEpochMilliseconds - begin + 1;
    EXPECT_LE(guarded, epochs * 32);
}

}  // namespace
}  // namespace strata::heap
