// Two threads that free one block within the same nanoseconds may both find it live. What the
// second one does is noticed when one of the two copies leaves its thread (bins.cpp).
//
// The race itself cannot be had at will: the block is made live again between the two frees, which
// leaves the same traces.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "heap/fast_path.h"
#include "support/death.h"
#include "support/heap_fixture.h"

namespace strata::heap {
namespace {

using test::InOtherThread;

constexpr size_t kBytes = 48;
constexpr char kMessage[] = "double free of block 0x.* \\(48 usable bytes\\) in heap";

class RacedFree : public test::DeathTest {};

// What the loser of the race saw.
void MakeLiveAgain(void* block) {
    arena::SliceEntry* entry = nullptr;
    StateByte* state = nullptr;
    if (slab::FindState(block, entry, state)) StoreState(state, static_cast<uint8_t>(State::kLive));
}

// More than a magazine takes: they go to the depot or the slabs.
void FreeMany(const std::vector<void*>& blocks) {
    for (void* block : blocks) FreeFast(block);
}
std::vector<void*> AllocateMany() {
    std::vector<void*> blocks(2000);
    for (void*& block : blocks) block = AllocateFast(kBytes);
    return blocks;
}

TEST_F(RacedFree, IsFoundWhenBothThreadsEnd) {
    EXPECT_FATAL(
        {
            void* const keeps_the_slab = AllocateFast(kBytes);
            void* const block = AllocateFast(kBytes);
            InOtherThread([=] {
                FreeFast(block);
                MakeLiveAgain(block);
                InOtherThread([=] { FreeFast(block); });
            });
            FreeFast(keeps_the_slab);
        },
        kMessage);
}

TEST_F(RacedFree, IsFoundWhenTheMagazineIsFull) {
    EXPECT_FATAL(
        {
            const std::vector<void*> mine = AllocateMany();
            const std::vector<void*> others = AllocateMany();
            std::atomic<int> stage{0};
            std::thread other([&] {
                while (stage.load() != 1) std::this_thread::yield();
                FreeFast(mine[0]);
                stage.store(2);
                while (stage.load() != 3) std::this_thread::yield();
                FreeMany(others);
            });
            FreeFast(mine[0]);
            MakeLiveAgain(mine[0]);
            stage.store(1);
            while (stage.load() != 2) std::this_thread::yield();
            FreeMany({mine.begin() + 1, mine.end()});  // the block is in the depot or a slab now
            stage.store(3);
            other.join();
        },
        kMessage);
}

TEST_F(RacedFree, IsFoundWhereTheBlockWasHandedOutAgain) {
    EXPECT_FATAL(
        {
            void* const keeps_the_slab = AllocateFast(kBytes);
            void* const block = AllocateFast(kBytes);
            InOtherThread([=] {
                FreeFast(block);
                MakeLiveAgain(block);  // by another thread that got it
            });
            FreeFast(keeps_the_slab);
        },
        kMessage);
}

TEST_F(RacedFree, IsFoundInAHeapWithoutMagazines) {
    EXPECT_FATAL(
        {
            const test::TestHeap heap;
            heap.Allocate(kBytes);
            void* const block = heap.Allocate(kBytes);
            heap.Free(block);
            MakeLiveAgain(block);
            heap.Free(block);
        },
        kMessage);
}

TEST_F(RacedFree, IsFoundWhenTheSlabHasEnded) {
    EXPECT_FATAL(
        {
            void* const block = AllocateFast(kBytes);
            InOtherThread([=] {
                FreeFast(block);
                arena::g_slice_map.Clear(RoundDown(AddressOf(block), kSliceSize), 1,
                                         arena::Former::kSlab);
            });
        },
        "double free of block 0x.*: it was freed before");
}

// Blocks that a thread got from the depot and has not used are as they were there.
TEST(Returned, BlocksMayComeAndGoUnused) {
    for (int i = 0; i < 3; ++i) {
        std::vector<void*> blocks = AllocateMany();
        FreeMany(blocks);
        InOtherThread([] { FreeFast(AllocateFast(kBytes)); });
        InOtherThread([] {
            std::vector<void*> more = AllocateMany();
            FreeMany(more);
        });
        PurgeAll();
        EXPECT_TRUE(IsConsistent(*ProcessHeap()));
    }
}

}  // namespace
}  // namespace strata::heap
