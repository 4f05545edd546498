#include "observe/block_ids.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <unordered_map>
#include <vector>

#include "support/fault_injection.h"

namespace strata::observe {
namespace {

const void* At(uintptr_t number) { return reinterpret_cast<const void*>(number); }

class BlockIdsTest : public testing::Test {
protected:
    ~BlockIdsTest() override { ids_.Clear(); }

    os::Memory memory_{os::kCallsOf<os::SystemMemory>};
    BlockIds ids_{memory_};
};

TEST_F(BlockIdsTest, FindsWhatWasSet) {
    EXPECT_EQ(ids_.Find(At(16)).id, 0u);
    EXPECT_EQ(ids_.Remove(At(16)).id, 0u);
    ASSERT_TRUE(ids_.Set(At(16), {7, 3}));
    EXPECT_EQ(ids_.Find(At(16)).id, 7u);
    EXPECT_EQ(ids_.Find(At(16)).heap, 3u);
    ASSERT_TRUE(ids_.Set(At(16), {8, 0}));
    EXPECT_EQ(ids_.Count(), 1u);
    EXPECT_EQ(ids_.Remove(At(16)).id, 8u);
    EXPECT_EQ(ids_.Find(At(16)).id, 0u);
    EXPECT_EQ(ids_.Count(), 0u);
}

// Long runs of neighbours, in which a removal has to move others up.
TEST_F(BlockIdsTest, AgreesWithAMap) {
    std::mt19937_64 random(5);
    std::unordered_map<uintptr_t, uint64_t> expected;
    for (uint64_t step = 1; step <= 400'000; ++step) {
        const uintptr_t address = (1 + random() % 150'000) * 16;
        if (random() % 3 != 0) {
            ASSERT_TRUE(ids_.Set(At(address), {step, 0}));
            expected[address] = step;
        } else {
            const auto found = expected.find(address);
            ASSERT_EQ(ids_.Remove(At(address)).id, found == expected.end() ? 0 : found->second);
            if (found != expected.end()) expected.erase(found);
        }
    }
    EXPECT_EQ(ids_.Count(), expected.size());
    for (const auto& [address, id] : expected) ASSERT_EQ(ids_.Find(At(address)).id, id);
}

TEST_F(BlockIdsTest, WithoutMemoryWhatIsThereStays) {
    test::FaultInjector faults(memory_);
    for (const auto kind : {test::kReserve, test::kCommit}) {
        faults.FailFrom(kind, 1);
        uintptr_t failed = 0;
        for (uintptr_t i = 1; failed == 0; ++i) {
            if (!ids_.Set(At(i * 16), {i, 0})) failed = i;
        }
        for (uintptr_t i = 1; i < failed; ++i) ASSERT_EQ(ids_.Find(At(i * 16)).id, i);
        EXPECT_EQ(ids_.Find(At(failed * 16)).id, 0u);
        faults.StopFailing();
        for (uintptr_t i = failed; i < failed + 10'000; ++i)
            ASSERT_TRUE(ids_.Set(At(i * 16), {i, 0}));
    }
}

TEST_F(BlockIdsTest, ThreadsDoNotDisturbEachOther) {
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (uintptr_t t = 0; t < 3; ++t) {
        threads.emplace_back([&, t] {
            for (uintptr_t i = 1; i <= 20'000; ++i) {
                const uintptr_t address = (i * 3 + t) * 16;
                if (!ids_.Set(At(address), {i, 0})) ++wrong;
                if (i > 50 && ids_.Remove(At(address - 50 * 48)).id != i - 50) ++wrong;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(ids_.Count(), 150u);
}

}  // namespace
}  // namespace strata::observe
