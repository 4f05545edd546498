// What goes back while a program does next to nothing.
#include "heap/purge.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "cache/closed_bins.h"
#include "heap/fast_path.h"
#include "support/heap_fixture.h"

namespace strata::heap {
namespace {

using std::chrono::milliseconds;

constexpr size_t kSmallCall = 48;

size_t Committed() {
    return arena::g_arenas.slice_committed() + arena::g_metadata_arenas.slice_committed();
}

// One small pair of malloc and free every 50 ms, until `done` or for ten seconds.
template <typename F>
bool IdleUntil(F done) {
    for (int i = 0; i < 200; ++i) {
        std::this_thread::sleep_for(milliseconds(50));
        FreeFast(AllocateFast(kSmallCall));
        if (done()) return true;
    }
    return false;
}

// Blocks of many sizes, `bytes` in all, made and freed.
void Spike(size_t bytes) {
    std::vector<void*> blocks;
    for (size_t size = 16; bytes > size; size = size < 5'000 ? size + 112 : 16) {
        blocks.push_back(AllocateFast(size));
        ASSERT_NE(blocks.back(), nullptr);
        bytes -= size;
    }
    for (void* block : blocks) FreeFast(block);
}

TEST(Tick, MemoryGoesBackWithOneSmallCallNowAndThen) {
    PurgeAll();
    const size_t before = Committed();
    Spike(16 << 20);
    ASSERT_GT(Committed(), before + (4 << 20));
    // What is retained for good, and the slices of records that stay in use.
    const size_t bound = before + kRetainedSlices * 2 * kSliceSize + (256 << 10);
    EXPECT_TRUE(IdleUntil([&] { return Committed() <= bound; })) << Committed() - before;
    EXPECT_TRUE(IsConsistent(*ProcessHeap()));
}

size_t BlocksInBins(const cache::ThreadCache& cache) {
    size_t count = 0;
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const cache::Bin& bin = cache.bins[i];
        if (cache::IsClosed(cache, static_cast<SizeClass>(i))) {
            for (const cache::Magazine* magazine : {bin.alloc_magazine(), bin.free_magazine()}) {
                if (magazine != nullptr) count += magazine->count;
            }
        } else {
            count += bin.alloc_count() + bin.free_count();
        }
    }
    return count;
}

TEST(Tick, BinsThatNobodyUsesAreEmptied) {
    PurgeAll();
    Spike(1 << 20);
    const cache::ThreadCache& cache = *cache::CurrentCache();
    ASSERT_GT(BlocksInBins(cache), 100u);
    EXPECT_TRUE(IdleUntil([&] { return BlocksInBins(cache) < 50; })) << BlocksInBins(cache);
}

TEST(Tick, SleepersGiveUpWhatTheyDidNotUseLast) {
    PurgeAll();
    std::atomic<int> step{0};
    cache::ThreadCache* sleeper = nullptr;
    size_t at_first = 0;
    std::thread other([&] {
        Spike(1 << 20);
        at_first = BlocksInBins(*cache::CurrentCache());
        // Some epochs on, it does one more thing, and that is what it keeps.
        std::this_thread::sleep_for(milliseconds(2 * kEpochMilliseconds));
        FreeFast(AllocateFast(kSmallCall));
        PurgeTick(*ProcessHeap());
        FreeFast(AllocateFast(kSmallCall));
        sleeper = cache::CurrentCache();
        step = 1;
        while (step != 2) std::this_thread::sleep_for(milliseconds(5));
        Spike(1 << 20);
    });
    while (step != 1) std::this_thread::sleep_for(milliseconds(5));
    ASSERT_GT(at_first, 100u);
    const auto left = [&] {
        const os::LockGuard guard(sleeper->closed.lock);
        return BlocksInBins(*sleeper);
    };
    EXPECT_TRUE(IdleUntil([&] { return left() < 64; })) << left();
    step = 2;
    other.join();
    EXPECT_TRUE(IsConsistent(*ProcessHeap()));
}

TEST(Tick, LargeBlocksGiveUpWhatLiesBehindThem) {
    PurgeAll();
    ASSERT_NE(ProcessHeap(), nullptr);  // makes it, and the arenas
    // More than are looked at at once, each on slices that just had all their pages.
    constexpr size_t kBlocks = kRunLooks + kRunLooks / 2;
    // So long that they go where the pages are.
    constexpr size_t kSlices = kRoomySlices + 2;
    constexpr size_t kBytes = (kSlices - 1) * kSliceSize + 1;
    std::vector<void*> blocks;
    const size_t before = Committed();
    for (size_t i = 0; i < kBlocks; ++i) {
        char* const warm = arena::g_arenas.Allocate(kSlices, 1, 77);
        ASSERT_TRUE(arena::g_arenas.Commit(warm, warm + kSlices * kSliceSize));
        arena::g_arenas.Free(warm, kSlices);
        blocks.push_back(Allocate(*ProcessHeap(), kBytes, false));
        ASSERT_EQ(blocks.back(), warm);
    }
    const size_t used = kBlocks * RoundUp(kBytes, kPageSize);
    ASSERT_GE(Committed(), before + kBlocks * kSlices * kSliceSize);
    const size_t bound = before + used + kRetainedSlices * 2 * kSliceSize + (256 << 10);
    EXPECT_TRUE(IdleUntil([&] { return Committed() <= bound; })) << Committed() - before - used;
    EXPECT_TRUE(IsConsistent(*ProcessHeap()));
    for (void* block : blocks) Free(nullptr, block);
    PurgeAll();
}

TEST(Tick, ABusyBinStaysOpen) {
    PurgeAll();
    FreeFast(AllocateFast(kSmallCall));
    const SizeClass size_class = ClassOf(kSmallCall);
    cache::ThreadCache& cache = *cache::CurrentCache();
    std::this_thread::sleep_for(milliseconds(2 * kPassMilliseconds));
    PurgeTick(*ProcessHeap());
    EXPECT_TRUE(cache::IsClosed(cache, size_class));
    for (int i = 0; i < 10'000 && cache::IsClosed(cache, size_class); ++i) {
        FreeFast(AllocateFast(kSmallCall));
    }
    EXPECT_FALSE(cache::IsClosed(cache, size_class));
}

TEST(Tick, PairsThatNeverLeaveTheirMagazinesLookAtTheClock) {
    PurgeAll();
    FreeFast(AllocateFast(kSmallCall));
    cache::ThreadCache& cache = *cache::CurrentCache();
    const uint32_t pass = cache.slow_paths.pass;
    std::this_thread::sleep_for(milliseconds(2 * kPassMilliseconds));
    cache::OpenAll(cache);
    for (uint32_t i = 0; i < 4 * kSwapsPerTick * kMaxMagazineEntries; ++i) {
        FreeFast(AllocateFast(kSmallCall));
    }
    EXPECT_NE(cache.slow_paths.pass, pass);
}

}  // namespace
}  // namespace strata::heap
