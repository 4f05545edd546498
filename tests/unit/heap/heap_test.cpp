// Life of heaps: handles, creation, destruction, and what becomes of threads' caches.
#include "heap/heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <vector>

#include "cache/thread_cache.h"
#include "heap/fast_path.h"
#include "support/heap_fixture.h"

namespace strata::heap {
namespace {

using test::CommittedAfterPurge;
using test::InOtherThread;
using test::TestHeap;

std::vector<Heap*> AllHeaps() {
    std::vector<Heap*> heaps(ListHeaps(nullptr, 0));
    heaps.resize(std::min(heaps.size(), ListHeaps(heaps.data(), heaps.size())));
    return heaps;
}

TEST(Heap, ProcessHeapIsOne) {
    ASSERT_TRUE(Initialize());
    Heap* const heap = ProcessHeap();
    ASSERT_NE(heap, nullptr);
    EXPECT_EQ(ProcessHeap(), heap);
    EXPECT_TRUE(heap->is_process_heap);
    EXPECT_EQ(FromHandle(heap), heap);
    EXPECT_EQ(AllHeaps().front(), heap);
    InOtherThread([&] { EXPECT_EQ(ProcessHeap(), heap); });
}

TEST(Heap, HandlesAreDistinctAndAligned) {
    const size_t before = AllHeaps().size();
    std::vector<Heap*> heaps;
    for (int i = 0; i < 200; ++i) {
        Heap* const heap = CreateHeap({});
        ASSERT_NE(heap, nullptr);
        EXPECT_EQ(AddressOf(heap) % 65536, 0u);
        EXPECT_EQ(FromHandle(heap), heap);
        EXPECT_FALSE(heap->is_process_heap);
        EXPECT_EQ(std::count(heaps.begin(), heaps.end(), heap), 0);
        heaps.push_back(heap);
    }
    const std::vector<Heap*> listed = AllHeaps();
    ASSERT_EQ(listed.size(), before + heaps.size());
    EXPECT_TRUE(std::equal(heaps.begin(), heaps.end(), listed.end() - 200)) << "creation order";
    // From the middle, to exercise the list.
    for (size_t i = 0; i < heaps.size(); ++i) {
        Heap* const heap = heaps[(i * 77 + 100) % heaps.size()];
        DestroyHeap(heap);
        EXPECT_EQ(FromHandle(heap), nullptr);
    }
    EXPECT_EQ(AllHeaps().size(), before);
}

TEST(Heap, ListStopsAtCapacity) {
    const TestHeap one, two;
    Heap* heaps[2] = {nullptr, &*two};
    EXPECT_GE(ListHeaps(heaps, 1), 3u);
    EXPECT_EQ(heaps[0], ProcessHeap());
    EXPECT_EQ(heaps[1], &*two) << "written behind the end";
}

TEST(Heap, GarbageIsNoHandle) {
    const TestHeap heap;
    char* const handle = reinterpret_cast<char*>(heap.get());
    int on_stack = 0;
    void* const block = heap.Allocate(70000);
    for (void* garbage :
         {static_cast<void*>(nullptr), reinterpret_cast<void*>(1), reinterpret_cast<void*>(-1),
          static_cast<void*>(&on_stack), static_cast<void*>(handle + 1),
          static_cast<void*>(handle + 16), static_cast<void*>(handle + 4096),
          static_cast<void*>(handle + 1000 * kSliceSize),    // in the region, never created
          static_cast<void*>(handle + 100000 * kSliceSize),  // outside
          static_cast<void*>(handle - 100000 * kSliceSize), block,
          reinterpret_cast<void*>(uintptr_t{0x123400000000}),  // aligned, mapped by nobody
          reinterpret_cast<void*>(~uintptr_t{0xFFFF})}) {
        EXPECT_EQ(FromHandle(garbage), nullptr) << garbage;
    }
}

TEST(Heap, OptionsAreKept) {
    const TestHeap heap({.options = 0x10004});
    EXPECT_EQ(heap.get()->options, 0x10004u);
    const TestHeap plain;
    EXPECT_EQ(plain.get()->options, 0u);
}

TEST(Heap, RecordsAreReused) {
    {
        const TestHeap one, two;
    }
    const size_t before = arena::g_memory.Counters().committed;
    for (int i = 0; i < 100; ++i) {
        const TestHeap one, two;
    }
    EXPECT_EQ(arena::g_memory.Counters().committed, before);
}

// One allocation of each kind.
void FillHeap(const TestHeap& heap) {
    for (const size_t bytes : {0, 1, 48, 1000, 5000, 40000, 65536, 65537, 1 << 20, 40 << 20}) {
        void* const block = heap.Allocate(bytes);
        ASSERT_NE(block, nullptr) << bytes;
        std::memset(block, 0xAB, bytes);
    }
}

TEST(Heap, DestroyFreesEverything) {
    {
        const TestHeap warm_up;
        FillHeap(warm_up);
    }
    const size_t before = CommittedAfterPurge();
    const size_t arenas = arena::g_arenas.arenas();
    for (int i = 0; i < 8; ++i) {
        const TestHeap heap;
        FillHeap(heap);
        EXPECT_TRUE(IsConsistent(*heap));
    }
    EXPECT_LE(CommittedAfterPurge(), before);
    EXPECT_LE(arena::g_arenas.arenas(), std::max<size_t>(arenas, 1));
}

TEST(Heap, BlocksOfADestroyedHeapAreNotLive) {
    TestHeap heap;
    void* const small = heap.Allocate(100);
    void* const large = heap.Allocate(100000);
    void* const direct = heap.Allocate(40 << 20);
    heap.Destroy();
    for (void* block : {small, large, direct}) {
        EXPECT_NE(Describe(block).status, BlockStatus::kLive) << block;
        EXPECT_FALSE(IsLiveBlock(*ProcessHeap(), block, nullptr));
    }
}

TEST(Heap, ThousandsAtOnce) {
    constexpr int kHeaps = 3000;  // more than one region of records
    const auto round = [] {
        std::vector<Heap*> heaps;
        for (int i = 0; i < kHeaps; ++i) {
            heaps.push_back(CreateHeap({}));
            ASSERT_NE(heaps.back(), nullptr) << i;
            if (i % 10 == 0) {
                ASSERT_NE(Allocate(*heaps.back(), 100, false), nullptr);
            }
        }
        std::vector<Heap*> sorted = heaps;
        std::sort(sorted.begin(), sorted.end());
        EXPECT_EQ(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end());
        for (Heap* heap : heaps) DestroyHeap(heap);
    };
    round();
    const size_t before = CommittedAfterPurge();
    round();
    EXPECT_EQ(CommittedAfterPurge(), before);
}

TEST(Heap, BlocksAreFreedFromAnyThread) {
    const TestHeap heap;
    for (const size_t bytes : {0, 16, 700, 3000, 60000, 100000, 36 << 20}) {
        void* block = heap.Allocate(bytes);
        InOtherThread([&] {
            std::memset(block, 1, bytes);
            Free(nullptr, block);
            EXPECT_EQ(RequestedSize(block = Allocate(*heap, bytes, false)), bytes);
        });
        heap.Free(block);  // which a thread that is gone now allocated
    }
    EXPECT_TRUE(IsConsistent(*heap));
}

// Works on `heap` until this thread has magazines of it, with blocks inside.
void EarnMagazines(Heap& heap, size_t bytes) {
    for (uint32_t i = 0; i < 3 * kPrivateHeapWarmUp; ++i) {
        void* const one = Allocate(heap, bytes, false);
        void* const two = Allocate(heap, bytes, false);
        ASSERT_NE(two, nullptr);
        Free(&heap, one);
        Free(&heap, two);
    }
}

void DestroyWhileAnotherThreadCaches() {
    TestHeap heap;
    std::atomic<int> step{0};
    std::thread other([&] {
        for (size_t bytes = 16; bytes <= 2048; bytes *= 2) EarnMagazines(*heap, bytes);
        step = 1;
        while (step != 2) std::this_thread::yield();
        // Heaps whose serials fall on the same place in this thread's cache, and on all others.
        for (size_t i = 0; i < 2 * cache::kHeapSlots; ++i) {
            const TestHeap next;
            EarnMagazines(*next, 64);
            EXPECT_TRUE(IsConsistent(*next));
        }
    });
    while (step != 1) std::this_thread::yield();
    heap.Destroy();
    step = 2;
    other.join();
}

TEST(Heap, DestroyWhileOthersCacheItsBlocks) {
    DestroyWhileAnotherThreadCaches();
    const size_t before = CommittedAfterPurge();
    for (int i = 0; i < 20; ++i) DestroyWhileAnotherThreadCaches();
    // A slice of records that is in use keeps the pages it once needed.
    EXPECT_LE(CommittedAfterPurge(), before + kSliceSize);
}

TEST(Heap, TwoLiveHeapsOnOneSlot) {
    // More heaps than a thread has slots: those that get none work without magazines.
    std::vector<std::unique_ptr<TestHeap>> heaps;
    for (size_t i = 0; i < 3 * cache::kHeapSlots; ++i) {
        heaps.push_back(std::make_unique<TestHeap>());
        EarnMagazines(**heaps.back(), 64);
    }
    for (const auto& heap : heaps) {
        EarnMagazines(**heap, 64);
        EXPECT_TRUE(IsConsistent(**heap));
    }
}

TEST(Heap, ThreadsLeaveNoCacheBehind) {
    const TestHeap heap;
    Free(nullptr, AllocateSlow(100, false));
    const size_t caches = cache::ThreadCacheCount();
    for (int i = 0; i < 50; ++i) {
        InOtherThread([&] {
            EarnMagazines(*heap, 200);
            EarnMagazines(*ProcessHeap(), 200);
            EXPECT_EQ(cache::ThreadCacheCount(), caches + 1);
        });
        ASSERT_EQ(cache::ThreadCacheCount(), caches) << i;
    }
    EXPECT_TRUE(IsConsistent(*heap));
    EXPECT_TRUE(IsConsistent(*ProcessHeap()));
}

TEST(Heap, WorksAfterThreadDetach) {
    const TestHeap heap;
    Free(nullptr, AllocateSlow(100, false));
    const size_t caches = cache::ThreadCacheCount();
    void* const block = AllocateSlow(48, false);
    InOtherThread([&] {
        void* const mine = AllocateSlow(48, false);
        void* const own = Allocate(*heap, 48, false);
        ThreadDetach();
        ThreadDetach();  // may come twice
        EXPECT_EQ(cache::ThreadCacheCount(), caches);
        Free(nullptr, mine);
        Free(nullptr, block);
        Free(&*heap, own);
        for (const size_t bytes : {0, 48, 2000, 100000}) {
            for (Heap* target : {ProcessHeap(), &*heap}) {
                void* const later = Allocate(*target, bytes, true);
                ASSERT_NE(later, nullptr);
                EXPECT_EQ(RequestedSize(later), bytes);
                Free(target, later);
            }
        }
        EXPECT_EQ(cache::ThreadCacheCount(), caches);
    });
    EXPECT_EQ(cache::ThreadCacheCount(), caches);
    EXPECT_TRUE(IsConsistent(*heap));
}

// A first call after the thread's end gets no cache: nobody would be told to take it away.
TEST(Heap, AThreadThatIsFirstHeardOfAfterItsEndHasNoCache) {
    const TestHeap heap;
    void* const block = AllocateSlow(48, false);
    const size_t caches = cache::ThreadCacheCount();
    InOtherThread([&] {
        ThreadDetach();
        EXPECT_EQ(cache::CurrentCache(), &cache::g_detached_cache);
        Free(nullptr, block);
        for (const size_t bytes : {0, 48, 2000, 100000}) {
            for (Heap* target : {ProcessHeap(), &*heap}) {
                void* const later = Allocate(*target, bytes, true);
                ASSERT_NE(later, nullptr);
                Free(target, later);
            }
        }
        EXPECT_EQ(cache::ThreadCacheCount(), caches);
        ThreadDetach();
    });
    EXPECT_EQ(cache::ThreadCacheCount(), caches);
    EXPECT_TRUE(IsConsistent(*ProcessHeap()));
}

TEST(Heap, ThreadExitHandsItsBlocksIn) {
    // What one thread cached, the next gets: 200 threads need no more memory than one.
    const auto use = [] {
        for (size_t bytes = 16; bytes <= 32768; bytes *= 2) EarnMagazines(*ProcessHeap(), bytes);
    };
    // As many as fill the depots with what threads hand in.
    for (int i = 0; i < 20; ++i) InOtherThread(use);
    const size_t before = arena::g_memory.Counters().committed;
    for (int i = 0; i < 200; ++i) InOtherThread(use);
    // Some slices more or less, as depots are fuller or emptier, but less than a page for each
    // thread.
    EXPECT_LE(arena::g_memory.Counters().committed, before + 8 * kSliceSize);
}

}  // namespace
}  // namespace strata::heap
