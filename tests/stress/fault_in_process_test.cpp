// Memory that cannot be had at a process's start, and while its threads work.
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>
#include <vector>

#include "arena/process_arenas.h"
#include "support/death.h"
#include "support/fault_injection.h"
#include "support/model.h"

#include <strata/strata.h>

namespace strata {
namespace {

using test::CallSet;
using test::FaultInjector;

// The first calls of a process, in a process of its own each time.
class FaultAtStart : public test::DeathTest {};

// Every call from the kth on fails, with k growing until the first block can be had. What was made
// by an attempt stays for the next.
[[noreturn]] void StartWithFaults(CallSet calls) {
    FaultInjector faults(arena::g_memory);
    bool done = false;
    size_t refused = 0;
    for (size_t k = 1; k < 100 && !done; ++k) {
        faults.FailFrom(calls, k);
        void* const block = strata_malloc(100);
        strata_heap* const heap = strata_heap_create();
        void* const large = strata_calloc(1, 100000);
        refused += block == nullptr;
        if (faults.Failures() == 0) done = block != nullptr && heap != nullptr && large != nullptr;
        strata_free(block);
        strata_free(large);
        if (heap != nullptr) strata_heap_destroy(heap);
        strata_free(nullptr);
        strata_purge();
        static_cast<void>(strata_owns(&faults));
    }
    faults.StopFailing();
    void* const block = strata_malloc(100);
    const bool good =
        done && refused > 0 && block != nullptr && strata_heap_validate(strata_heap_process()) == 1;
    std::_Exit(good ? 0 : 1);
}

TEST_F(FaultAtStart, Reserve) {
    EXPECT_EXIT(StartWithFaults(test::kReserve), testing::ExitedWithCode(0), "");
}
TEST_F(FaultAtStart, Commit) {
    EXPECT_EXIT(StartWithFaults(test::kCommit), testing::ExitedWithCode(0), "");
}
TEST_F(FaultAtStart, Both) {
    EXPECT_EXIT(StartWithFaults(test::kTakingMemory), testing::ExitedWithCode(0), "");
}

TEST(FaultInThreads, WhileMemoryComesAndGoes) {
    // Threads work while calls of all kinds fail now and then.
    strata_heap* const heap = strata_heap_create();
    strata_purge();
    {
        FaultInjector faults(arena::g_memory);
        std::vector<std::thread> threads;
        for (uint64_t seed = 1; seed <= 4; ++seed) {
            threads.emplace_back([&, seed] {
                test::Random random(seed);
                void* held[64] = {};
                for (int i = 0; i < 4000; ++i) {
                    void*& place = held[random.Below(64)];
                    const size_t bytes = random.Skewed(400'000);
                    if (place != nullptr && random.OneIn(3)) {
                        if (void* const block = strata_realloc(place, bytes)) place = block;
                        continue;
                    }
                    strata_free(place);
                    place =
                        random.OneIn(2) ? strata_malloc(bytes) : strata_heap_malloc(heap, bytes);
                    if (place != nullptr) {
                        ASSERT_EQ(strata_requested_size(place), bytes);
                    }
                    if (random.OneIn(100)) strata_purge();
                }
                for (void* block : held) strata_free(block);
            });
        }
        for (int i = 0; i < 200; ++i) {
            faults.FailSome(test::kAnyCall, 3, 20);
            std::this_thread::yield();
        }
        for (std::thread& thread : threads) thread.join();
        faults.StopFailing();
    }
    EXPECT_EQ(strata_heap_validate(heap), 1);
    EXPECT_EQ(strata_heap_validate(strata_heap_process()), 1);
    strata_heap_destroy(heap);
    strata_purge();
}

}  // namespace
}  // namespace strata
