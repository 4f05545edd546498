// Nothing is refused as long as something lies idle: under a limit, whatever is idle goes back
// first, whoever keeps it, and whatever the request is for.
#include "heap/reclaim.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "heap/heap.h"
#include "os/process.h"
#include "support/fault_injection.h"
#include "support/heap_fixture.h"

namespace strata::heap {
namespace {

using test::InOtherThread;
using test::TestHeap;

size_t Committed() { return arena::g_memory.Counters().committed; }

// 28 MiB of freed runs that stay in their cache.
void FillRunCache() {
    std::vector<void*> blocks;
    for (int i = 0; i < 14; ++i) blocks.push_back(Allocate(*ProcessHeap(), 2 << 20, false));
    for (void* const block : blocks) Free(nullptr, block);
    ASSERT_GE(arena::g_arenas.idle(), size_t{28} << 20);
}

// Small blocks in the calling thread's magazines and in depots.
void FillMagazines(Heap& heap) {
    std::vector<void*> blocks;
    for (int i = 0; i < 30000; ++i) blocks.push_back(Allocate(heap, 16 + i % 64 * 16, false));
    for (void* const block : blocks) Free(nullptr, block);
}

class Reclaim : public testing::Test {
protected:
    void SetUp() override { PurgeAll(); }
};

TEST_F(Reclaim, SmallRequestsOfAllKinds) {
    const TestHeap plain, checked({.check_tail = true}), hardened({.hardened = true}),
        fixed({.maximum = 8 << 20});
    for (const TestHeap* heap : {&plain, &checked, &hardened, &fixed}) heap->Allocate(10);
    FillRunCache();
    test::FaultInjector faults(arena::g_memory);
    faults.LimitCommit(Committed() + 64 * 1024);
    for (int i = 0; i < 99; ++i) {
        const auto bytes = static_cast<size_t>(100 + i * 600);
        ASSERT_NE(Allocate(*ProcessHeap(), bytes, i % 2 == 0), nullptr) << bytes;
        for (const TestHeap* heap : {&plain, &checked, &fixed}) {
            ASSERT_NE(heap->Allocate(bytes % 3000), nullptr) << bytes;
        }
    }
    faults.LimitCommit(SIZE_MAX / 2);
}

// One request each, with 64 KiB to be had from the system and much more idle.
TEST_F(Reclaim, EveryKindOfRequest) {
    const TestHeap heap, fixed({.maximum = 8 << 20});
    void* const run = heap.Allocate(100'000);
    void* const direct = heap.Allocate(size_t{40} << 20);
    void* const in_region = fixed.Allocate(1000);
    const std::vector<std::pair<const char*, std::function<bool()>>> requests = {
        {"a large run", [&] { return heap.Allocate(1 << 20) != nullptr; }},
        {"a run that grows",
         [&] { return Resize(nullptr, run, 190'000, {.in_place = true}) == run; }},
        {"a direct block that grows",
         [&] {
             return Resize(nullptr, direct, (size_t{40} << 20) + 300'000, {.in_place = true}) ==
                    direct;
         }},
        {"a block in a region that grows",
         [&] { return Resize(nullptr, in_region, 300'000, {.in_place = true}) == in_region; }},
        {"a block in a region", [&] { return fixed.Allocate(500'000) != nullptr; }},
        {"an aligned block",
         [&] { return AllocateAligned(*heap, 1 << 20, 200'000, false) != nullptr; }},
        {"a heap",
         [&] {
             Heap* const made = CreateHeap({.initial = 512 << 10});
             if (made == nullptr) return false;
             DestroyHeap(made);
             return true;
         }},
        {"a fixed heap",
         [&] {
             Heap* const made = CreateHeap({.maximum = 1 << 20, .initial = 512 << 10});
             if (made == nullptr) return false;
             DestroyHeap(made);
             return true;
         }},
    };
    for (const auto& [name, request] : requests) {
        PurgeAll();
        FillRunCache();
        test::FaultInjector faults(arena::g_memory);
        faults.LimitCommit(Committed() + 64 * 1024);
        EXPECT_TRUE(request()) << name;
    }
}

// Whoever keeps it.
TEST_F(Reclaim, FromEveryStore) {
    const TestHeap other;
    const std::vector<std::pair<const char*, std::function<void()>>> stores = {
        {"the thread's magazines and depots", [] { FillMagazines(*ProcessHeap()); }},
        {"another heap's", [&] { FillMagazines(*other); }},
        {"depots that another thread filled",
         [&] { InOtherThread([&] { FillMagazines(*ProcessHeap()); }); }},
        {"a heap that ended",
         [] {
             for (int i = 0; i < 4; ++i) {
                 const TestHeap ended;
                 for (int n = 0; n < 2000; ++n) ended.Allocate(500);
             }
         }},
        {"runs that are parked, and warm slices",
         [] {
             std::vector<void*> blocks;
             for (int i = 0; i < 8; ++i) {
                 blocks.push_back(Allocate(*ProcessHeap(), 66'000 + i * 60'000, false));
             }
             for (void* const block : blocks) Free(nullptr, block);
         }},
    };
    for (const auto& [name, fill] : stores) {
        PurgeAll();
        fill();
        const size_t kept = Committed();
        PurgeAll();
        const size_t idle = kept - Committed();
        ASSERT_GT(idle, 128u * 1024) << name;
        fill();
        test::FaultInjector faults(arena::g_memory);
        faults.LimitCommit(Committed());
        void* const block = Allocate(*ProcessHeap(), idle / 2 + 70'000, false);
        EXPECT_NE(block, nullptr) << name << ": " << idle << " bytes idle";
        if (block != nullptr) Free(nullptr, block);
    }
}

// A heap that another thread has locked is left alone, and not waited for.
TEST_F(Reclaim, DoesNotWaitForALockedHeap) {
    const TestHeap locked, other;
    FillMagazines(*locked);
    LockHeap(*locked);
    InOtherThread([&] {
        test::FaultInjector faults(arena::g_memory);
        faults.LimitCommit(Committed());
        EXPECT_EQ(Allocate(*other, 40 << 20, false), nullptr);
        EXPECT_EQ(os::GetLastErrorCode(), 8u);
    });
    UnlockHeap(*locked);
}

// Nor does who asks for a heap wait for whoever has locked the process heap.
TEST_F(Reclaim, AHeapThatCannotBeMadeWaitsForNobody) {
    LockHeap(*ProcessHeap());
    InOtherThread([&] {
        EXPECT_EQ(CreateHeap({.initial = size_t{1} << 47}), nullptr);
        test::FaultInjector faults(arena::g_memory);
        faults.LimitCommit(Committed());
        EXPECT_EQ(CreateHeap({.maximum = 40 << 20, .initial = 40 << 20}), nullptr);
    });
    UnlockHeap(*ProcessHeap());
}

// At the limit every request is refused, in a process with much to look at: they share that.
TEST_F(Reclaim, ManyRefusalsShareTheWork) {
    const TestHeap heap;
    std::vector<void*> runs;
    for (int i = 0; i < 2000; ++i) runs.push_back(heap.Allocate(66'000));
    test::FaultInjector faults(arena::g_memory);
    faults.LimitCommit(Committed());
    ASSERT_EQ(heap.Allocate(1 << 20), nullptr);
    faults.ResetCounts();
    for (int i = 0; i < 500; ++i) ASSERT_EQ(heap.Allocate(1 << 20), nullptr);
    EXPECT_LT(faults.Calls(test::kDecommit), 1'000u);
}

// ... and a single one gets what any heap keeps, unless the last look was just now: then one a
// little later does.
TEST_F(Reclaim, FromManyHeapsAgainAndAgain) {
    std::vector<std::unique_ptr<TestHeap>> heaps;
    for (int i = 0; i < 50; ++i) heaps.push_back(std::make_unique<TestHeap>());
    test::FaultInjector faults(arena::g_memory);
    for (int round = 0; round < 4; ++round) {
        faults.LimitCommit(SIZE_MAX / 2);
        PurgeAll();
        for (const auto& heap : heaps) FillMagazines(**heap);
        faults.LimitCommit(Committed() + 100'000);
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        void* block = nullptr;
        while (block == nullptr && std::chrono::steady_clock::now() < end) {
            block = Allocate(*ProcessHeap(), 3 << 20, false);
            if (block == nullptr) std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        ASSERT_NE(block, nullptr) << round;
        Free(nullptr, block);
    }
}

// A request that was met at last leaves no error, and no trace of the first try.
TEST_F(Reclaim, LeavesNoError) {
    const TestHeap heap;
    FillRunCache();
    test::FaultInjector faults(arena::g_memory);
    faults.LimitCommit(Committed());
    os::SetLastErrorCode(77);
    errno = 0;
    void* const block = heap.Allocate(1 << 20);
    EXPECT_NE(block, nullptr);
    EXPECT_EQ(os::GetLastErrorCode(), 77u);
    EXPECT_EQ(errno, 0);
    faults.LimitCommit(Committed());
    void* const grown = Resize(nullptr, block, 10 << 20, {});
    if (grown == nullptr) {
        EXPECT_EQ(os::GetLastErrorCode(), 8u);
        EXPECT_EQ(RequestedSize(block), size_t{1} << 20);
    }
}

// A heap of fixed size that is full is full: nothing goes back for that.
TEST_F(Reclaim, AFullHeapIsNoReason) {
    const TestHeap fixed({.maximum = 64 * 1024});
    while (fixed.Allocate(1000) != nullptr) {
    }
    FillRunCache();
    const size_t refusals = arena::g_memory.refusals();
    const size_t idle = arena::g_arenas.idle();
    EXPECT_EQ(fixed.Allocate(1000), nullptr);
    EXPECT_EQ(arena::g_memory.refusals(), refusals);
    if (refusals == 0) {
        EXPECT_EQ(arena::g_arenas.idle(), idle);
    }
}

}  // namespace
}  // namespace strata::heap
