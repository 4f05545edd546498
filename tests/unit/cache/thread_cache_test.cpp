#include "cache/thread_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "arena/process_arenas.h"
#include "os/process.h"
#include "support/process_fixture.h"

namespace strata::cache {
namespace {

void OnExit(void* value) noexcept {
    if (value == nullptr || value == &g_detached_cache) return;
    DestroyThreadCache(static_cast<ThreadCache*>(value));
}

// No magazine in any of them.
template <size_t kCount>
bool AllEmpty(const Bin (&bins)[kCount]) {
    for (const Bin& bin : bins) {
        if (bin.alloc_magazine() != nullptr || bin.free_magazine() != nullptr) return false;
        if (!bin.IsAllocEmpty() || bin.free_top != bin.free_end) return false;
    }
    return true;
}

// Nothing in it.
bool IsNew(const ThreadCache& cache) {
    for (const HeapSlot& slot : cache.slots) {
        if (slot.heap != nullptr || slot.serial != 0) return false;
        if (slot.bins != nullptr) return false;
    }
    for (const slab::LargeRun* run : cache.parked.by_slices) {
        if (run != nullptr) return false;
    }
    return AllEmpty(cache.bins) && cache.empty_bin.free_top == nullptr &&
           cache.empty_bin.free_end == nullptr && cache.parked.bytes == 0 &&
           cache.spares.size() == 0;
}

class ThreadCacheTest : public test::ProcessFixture {
protected:
    void SetUp() override {
        ProcessFixture::SetUp();
        static os::SystemSlot slot = os::kNoSystemSlot;
        if (slot != os::kNoSystemSlot) return;
        slot = os::AllocateSystemSlot();
        ASSERT_NE(slot, os::kNoSystemSlot);
        os::UseThreadSlot(slot, &OnExit);
    }
};

TEST_F(ThreadCacheTest, IsNewAndInItsSlot) {
    std::thread([] {
        EXPECT_EQ(CurrentCache(), nullptr);
        // Memory that was used before: what is in a new cache is made, not found.
        void* const chunk = arena::g_metadata.Allocate(sizeof(ThreadCache));
        std::memset(chunk, 0xee, sizeof(ThreadCache));
        arena::g_metadata.Free(chunk, sizeof(ThreadCache));
        ThreadCache* const cache = CreateThreadCache();
        ASSERT_NE(cache, nullptr);
        EXPECT_EQ(CurrentCache(), cache);
        EXPECT_TRUE(IsNew(*cache));
        ThreadCache* const fast = TryCurrentCache();
        EXPECT_TRUE(fast == cache || fast == nullptr);
    }).join();
}

// A thread's first slow path need not look through all its bins, which have nothing.
TEST_F(ThreadCacheTest, StartsAsIfItsBinsWereJustClosed) {
    std::thread([] {
        const uint64_t before = os::Milliseconds();
        const ThreadCache* const cache = CreateThreadCache();
        ASSERT_NE(cache, nullptr);
        EXPECT_LE(cache->slow_paths.pass - static_cast<uint32_t>(before), kPassMilliseconds);
        const uint32_t epoch = cache->slow_paths.pass_epoch.load();
        EXPECT_GE(epoch, static_cast<uint32_t>(before / kEpochMilliseconds));
        EXPECT_LE(epoch, static_cast<uint32_t>(os::Milliseconds() / kEpochMilliseconds));
        EXPECT_EQ(cache->slow_paths.pass_warm, arena::g_arenas.warm_slices());
        EXPECT_EQ(cache->closed.uses, nullptr);
    }).join();
}

TEST_F(ThreadCacheTest, IsCountedWhileItsThreadLives) {
    const size_t before = ThreadCacheCount();
    std::thread([&] {
        ASSERT_NE(CreateThreadCache(), nullptr);
        EXPECT_EQ(ThreadCacheCount(), before + 1);
    }).join();
    EXPECT_EQ(ThreadCacheCount(), before);
}

TEST_F(ThreadCacheTest, ADestroyedCacheLeavesTheMarker) {
    std::thread([] {
        ThreadCache* const cache = CreateThreadCache();
        ASSERT_NE(cache, nullptr);
        DestroyThreadCache(cache);
        EXPECT_EQ(CurrentCache(), &g_detached_cache);
        FreeBlock block = {};
        int nothing = 0;
        StateByte state = 0;
        for (size_t i = 0; i < kSizeClasses; ++i) {
            EXPECT_FALSE(CurrentCache()->bins[i].Pop(block));
            EXPECT_FALSE(CurrentCache()->bins[i].Push(&nothing, &state));
        }
        EXPECT_TRUE(IsNew(g_detached_cache)) << "never written";
    }).join();
}

TEST_F(ThreadCacheTest, EachThreadHasItsOwn) {
    const size_t before = ThreadCacheCount();
    constexpr size_t kThreads = 8;
    std::vector<ThreadCache*> caches(kThreads);
    std::atomic<size_t> ready{0};
    std::vector<std::thread> threads;
    for (ThreadCache*& cache : caches) {
        threads.emplace_back([&] {
            cache = CreateThreadCache();
            ready.fetch_add(1);
            while (ready.load() < kThreads) std::this_thread::yield();
            EXPECT_EQ(CurrentCache(), cache);
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(std::set<ThreadCache*>(caches.begin(), caches.end()).size(), kThreads);
    EXPECT_EQ(ThreadCacheCount(), before);
}

TEST_F(ThreadCacheTest, SurvivesEveryFailure) {
    const size_t before = ThreadCacheCount();
    test::FaultInjector faults(arena::g_memory);
    std::thread([&] {
        ThreadCache* cache = nullptr;
        test::FailEachInTurn(
            faults, test::kTakingMemory, true, [&](size_t) { cache = CreateThreadCache(); },
            [&](size_t) { EXPECT_EQ(CurrentCache(), cache); });
        EXPECT_NE(cache, nullptr);
    }).join();
    EXPECT_EQ(ThreadCacheCount(), before);
}

TEST(ThreadCacheLayout, OffsetsLeadToTheBins) {
    const auto cache = std::make_unique<ThreadCache>();
    std::set<uint16_t> offsets;
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const uint16_t offset = store::BinOffset(static_cast<SizeClass>(i));
        EXPECT_EQ(&cache->BinAt(offset), &cache->bins[i]);
        offsets.insert(offset);
    }
    EXPECT_EQ(&cache->BinAt(store::kNoBinOffset), &cache->empty_bin);
    offsets.insert(store::kNoBinOffset);
    EXPECT_EQ(offsets.size(), kSizeClasses + 1);
}

TEST(ThreadCacheLayout, HeapsTakeTurnsOnTheSlots) {
    const auto cache = std::make_unique<ThreadCache>();
    // Records lie 64 KiB apart. Any value has a slot.
    const auto slot = [&](uintptr_t record) {
        return &cache->SlotOf(reinterpret_cast<const void*>(record * kSliceSize));
    };
    for (uintptr_t record = 0; record < kHeapSlots; ++record) {
        for (uintptr_t other = 0; other < record; ++other) EXPECT_NE(slot(record), slot(other));
        EXPECT_EQ(slot(record), slot(record + kHeapSlots));
    }
    HeapSlot* const last = &cache->SlotOf(reinterpret_cast<const void*>(UINTPTR_MAX));
    EXPECT_GE(last, cache->slots);
    EXPECT_LT(last, cache->slots + kHeapSlots);
}

class HeapBinsTest : public test::ProcessFixture {};

TEST_F(HeapBinsTest, AreNew) {
    void* const chunk = arena::g_metadata.Allocate(sizeof(HeapBins));
    std::memset(chunk, 0xee, sizeof(HeapBins));
    arena::g_metadata.Free(chunk, sizeof(HeapBins));
    HeapBins* const bins = CreateHeapBins();
    ASSERT_NE(bins, nullptr);
    EXPECT_TRUE(AllEmpty(bins->bins));
    DestroyHeapBins(bins);
}

TEST_F(HeapBinsTest, SurviveEveryFailure) {
    test::FaultInjector faults(arena::g_memory);
    HeapBins* bins = nullptr;
    test::FailEachInTurn(faults, test::kTakingMemory, true,
                         [&](size_t) { bins = CreateHeapBins(); });
    ASSERT_NE(bins, nullptr);
    DestroyHeapBins(bins);
}

}  // namespace
}  // namespace strata::cache
