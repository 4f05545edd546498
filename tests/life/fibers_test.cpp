// Fibers, which run on whichever thread switches to them, and FLS callbacks, which run at their end
// and at that of threads, after the allocator has heard of it.
#include <gtest/gtest.h>

#include <windows.h>

#include <atomic>
#include <thread>
#include <vector>

#include <strata/strata.h>

namespace strata::life {
namespace {

size_t LiveBlocks() {
    strata_statistics statistics = {};
    statistics.struct_size = sizeof statistics;
    strata_get_statistics(&statistics);
    return statistics.live_blocks;
}

struct FiberState {
    void* back = nullptr;  // the fiber to return to
    std::vector<void*>* blocks = nullptr;
    int rounds = 0;
};

// Allocates some, frees what another fiber left, and goes back; for ever.
void CALLBACK FiberBody(void* parameter) {
    auto& state = *static_cast<FiberState*>(parameter);
    for (;; ++state.rounds) {
        for (void* block : *state.blocks) strata_free(block);
        state.blocks->clear();
        for (size_t i = 0; i < 40; ++i) state.blocks->push_back(strata_malloc(i * 60));
        SwitchToFiber(state.back);
    }
}

TEST(Fibers, BlocksOfOneAreFreedInAnother) {
    const size_t before = LiveBlocks();
    std::vector<void*> blocks;
    FiberState states[3];
    void* fibers[3];
    void* const self = ConvertThreadToFiber(nullptr);
    ASSERT_NE(self, nullptr);
    for (int i = 0; i < 3; ++i) {
        states[i] = {self, &blocks, 0};
        fibers[i] = CreateFiber(0, FiberBody, &states[i]);
        ASSERT_NE(fibers[i], nullptr);
    }
    for (int round = 0; round < 50; ++round) SwitchToFiber(fibers[round % 3]);
    for (void* fiber : fibers) DeleteFiber(fiber);
    ConvertFiberToThread();
    for (void* block : blocks) strata_free(block);
    EXPECT_EQ(LiveBlocks(), before);
}

// A fiber goes on in another thread, in the middle of its work, with that thread's cache.
TEST(Fibers, OneMovesFromThreadToThread) {
    const size_t before = LiveBlocks();
    std::vector<void*> blocks;
    FiberState state = {nullptr, &blocks, 0};
    void* const fiber = CreateFiber(0, FiberBody, &state);
    ASSERT_NE(fiber, nullptr);
    for (int i = 0; i < 10; ++i) {
        std::thread([&] {
            state.back = ConvertThreadToFiber(nullptr);
            SwitchToFiber(fiber);
            ConvertFiberToThread();
        }).join();
    }
    EXPECT_EQ(state.rounds, 9);
    DeleteFiber(fiber);
    for (void* block : blocks) strata_free(block);
    EXPECT_EQ(LiveBlocks(), before);
    EXPECT_EQ(strata_heap_validate(strata_heap_process()), 1);
}

std::atomic<int> g_called{0};

void CALLBACK FreesItsValue(void* value) {
    ++g_called;
    strata_free(value);
    strata_heap* const heap = strata_heap_create();
    strata_heap_malloc(heap, 3000);
    strata_heap_destroy(heap);
    strata_free(strata_realloc(strata_malloc(100), 80'000));
}

TEST(FiberLocalStorage, DestructorsFree) {
    const size_t before = LiveBlocks();
    const DWORD index = FlsAlloc(FreesItsValue);
    ASSERT_NE(index, FLS_OUT_OF_INDEXES);
    g_called = 0;
    for (int i = 0; i < 20; ++i) {
        std::thread([&] {
            for (size_t k = 0; k < 100; ++k) strata_free(strata_malloc(k * 30));
            FlsSetValue(index, strata_malloc(500));
        }).join();
    }
    EXPECT_EQ(g_called, 20);
    // At the end of a fiber.
    void* const self = ConvertThreadToFiber(nullptr);
    static void* back;
    static DWORD slot;
    back = self;
    slot = index;
    void* const fiber = CreateFiber(
        0,
        [](void*) {
            FlsSetValue(slot, strata_malloc(500));
            SwitchToFiber(back);
        },
        nullptr);
    SwitchToFiber(fiber);
    DeleteFiber(fiber);
    ConvertFiberToThread();
    EXPECT_EQ(g_called, 21);
    // And when the index is given back.
    FlsSetValue(index, strata_malloc(500));
    FlsFree(index);
    EXPECT_EQ(g_called, 22);
    EXPECT_EQ(LiveBlocks(), before);
}

}  // namespace
}  // namespace strata::life
