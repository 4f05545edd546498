// Heaps: the exchange of magazines, and the ends of heaps and threads against each other and
// against those who look at heaps meanwhile.
#include "fixture.h"
#include "heap/fast_path.h"
#include "heap/walk.h"
#include "store/run_list.h"

namespace strata::interleave {
namespace {

using HeapInterleave = Interleave;

// Of a class with two blocks in a magazine, so that every third call exchanges one.
constexpr size_t kBytes = 12 * 1024;
heap::Heap* g_heap = nullptr;
heap::Heap* g_other = nullptr;

void MakeHeap() { g_heap = heap::CreateHeap({}); }

// On the process heap, with caches: magazines go to the depot and come back from it.
void UseMagazines(size_t self) {
    heap::Heap& heap = *heap::ProcessHeap();
    void* blocks[4];
    for (void*& block : blocks) block = AllocateStamped(heap, kBytes, self);
    for (void* block : blocks) FreeStamped(block, self);
    heap::ThreadDetach();
}

TEST_F(HeapInterleave, DepotExchange) {
    const auto body = [](size_t self) { return [=] { UseMagazines(self); }; };
    Expect("depot exchange, two threads", {nullptr, {body(1), body(2)}, ExpectNothingLeft},
           With(2));
    Expect("depot exchange, three threads",
           {nullptr, {body(1), body(2), body(3)}, ExpectNothingLeft}, With(1));
}

// One allocates, the other frees, both end: what is in magazines comes home from there.
TEST_F(HeapInterleave, HandOverAndThreadsEnd) {
    static std::vector<void*> passed;
    const auto producer = [] {
        for (int i = 0; i < 5; ++i) {
            passed.push_back(AllocateStamped(*heap::ProcessHeap(), kBytes, 7));
            SystemPoint();
        }
        heap::ThreadDetach();
    };
    const auto consumer = [] {
        for (int i = 0; i < 5; ++i) {
            if (passed.empty()) {
                Yield();
                continue;
            }
            void* const block = passed.back();
            passed.pop_back();
            FreeStamped(block, 7);
        }
        heap::ThreadDetach();
    };
    const auto check = [] {
        for (void* block : passed) FreeStamped(block, 7);
        passed.clear();
        ExpectNothingLeft();
    };
    Expect("hand-over", {[] { passed.reserve(16); }, {producer, consumer}, check}, With(2));
}

// A thread that has magazines of a private heap.
void EarnBins(heap::Heap& heap) {
    for (uint32_t i = 0; i < kPrivateHeapWarmUp + 4; ++i) {
        heap::Free(nullptr, heap::Allocate(heap, kBytes, false));
    }
}

TEST_F(HeapInterleave, ThreadExitAgainstHeapDestroy) {
    const auto prepare = [] {
        MakeHeap();
        AsThread(1, [] { EarnBins(*g_heap); });
        for (const size_t bytes : {size_t{100}, kBytes, size_t{70'000}}) {
            static_cast<void>(heap::Allocate(*g_heap, bytes, false));
        }
    };
    const auto destroy = [] { heap::DestroyHeap(g_heap); };
    const auto exit = [] { heap::ThreadDetach(); };
    Expect("thread exit against HeapDestroy", {prepare, {destroy, exit}, ExpectNothingLeft},
           With(3));
    Expect("the same, all accesses", {prepare, {destroy, exit}, ExpectNothingLeft},
           With(1, Grain::kAll));
}

// A thread whose magazines are of a heap that just ends comes with another heap, or with the
// record's next.
TEST_F(HeapInterleave, HeapDestroyAgainstALateFree) {
    static std::vector<heap::Heap*> between;
    const auto prepare = [] {
        MakeHeap();
        // The next heap with the same place in a thread's cache.
        for (;;) {
            g_other = heap::CreateHeap({});
            if (AddressOf(g_other) % (kSliceSize * cache::kHeapSlots) ==
                AddressOf(g_heap) % (kSliceSize * cache::kHeapSlots)) {
                break;
            }
            between.push_back(g_other);
        }
        AsThread(1, [] { EarnBins(*g_heap); });
    };
    const auto replace = [] {
        heap::DestroyHeap(g_heap);
        g_heap = heap::CreateHeap({});
        FreeStamped(AllocateStamped(*g_heap, kBytes, 1), 1);
        heap::ThreadDetach();
    };
    const auto late = [] {
        for (int i = 0; i < 2; ++i) FreeStamped(AllocateStamped(*g_other, kBytes, 2), 2);
        heap::ThreadDetach();
    };
    const auto check = [] {
        for (heap::Heap* each : between) heap::DestroyHeap(each);
        between.clear();
        EXPECT_TRUE(heap::IsConsistent(*g_heap));
        EXPECT_TRUE(heap::IsConsistent(*g_other));
        heap::DestroyHeap(g_heap);
        heap::DestroyHeap(g_other);
        ExpectNothingLeft();
    };
    Expect("HeapDestroy against a late free", {prepare, {replace, late}, check}, With(2));
}

TEST_F(HeapInterleave, HeapDestroyAgainstVisitors) {
    const auto prepare = [] {
        MakeHeap();
        for (const size_t bytes : {kBytes, size_t{70'000}}) {
            static_cast<void>(heap::Allocate(*g_heap, bytes, false));
        }
    };
    const auto destroy = [] { heap::DestroyHeap(g_heap); };
    const auto purge = [] { heap::PurgeAll(); };
    const auto look = [] {
        heap::Statistics statistics;
        heap::Collect(statistics);
        if (statistics.live_blocks > 2) Fail("blocks that are not there are counted");
    };
    Expect("HeapDestroy against a purge", {prepare, {destroy, purge}, ExpectNothingLeft}, With(2));
    Expect("HeapDestroy against statistics", {prepare, {destroy, look}, ExpectNothingLeft},
           With(2));
}

// The last block of a slab comes home while another thread wants one.
TEST_F(HeapInterleave, SlabEndAgainstAllocation) {
    const auto body = [](size_t self) {
        return [=] {
            for (int i = 0; i < 2; ++i) FreeStamped(AllocateStamped(*g_heap, kBytes, self), self);
            heap::ThreadDetach();
        };
    };
    const auto check = [] {
        EXPECT_TRUE(heap::IsConsistent(*g_heap));
        heap::DestroyHeap(g_heap);
        ExpectNothingLeft();
    };
    Expect("slab end against allocation", {MakeHeap, {body(1), body(2)}, check}, With(3));
}

// Large blocks: parked and cached runs against a walk and a thread's end.
TEST_F(HeapInterleave, LargeRunsAgainstAWalk) {
    const auto use = [](size_t self) {
        return [=] {
            for (int i = 0; i < 2; ++i) {
                FreeStamped(AllocateStamped(*heap::ProcessHeap(), 70'000, self), self);
            }
            heap::ThreadDetach();
        };
    };
    const auto walk = [] {
        heap::WalkEntry entry;
        size_t busy = 0;
        while (heap::WalkStep(*heap::ProcessHeap(), entry)) {
            if (entry.kind != heap::WalkEntry::Kind::kBusy) continue;
            if (entry.bytes != 70'000) Fail("a walk saw a block that is not there");
            ++busy;
        }
        if (busy > 2) Fail("a walk saw a block twice");
        heap::ThreadDetach();
    };
    Expect("large runs, two threads", {nullptr, {use(1), use(2)}, ExpectNothingLeft}, With(2));
    Expect("large runs against a walk", {nullptr, {use(1), walk}, ExpectNothingLeft}, With(2));
}

// Who looks for pages behind the ends of large blocks, against those who free, park and take them
// again: blocks keep their pages, none is freed in vain, and none is lost.
TEST_F(HeapInterleave, TrimmedRunsAgainstTheirOwners) {
    static void* block = nullptr;
    const auto prepare = [] {
        // On slices that had pages before: committed behind its end.
        char* const warm = arena::g_arenas.Allocate(2, 1, 77);
        ASSERT_TRUE(arena::g_arenas.Commit(warm, warm + 2 * kSliceSize));
        arena::g_arenas.Free(warm, 2);
        block = AllocateStamped(*heap::ProcessHeap(), 70'000, 1);
    };
    const auto trim = [] {
        store::PurgeRunTails(heap::ProcessHeap()->home(), true);
        store::PurgeRunTails(heap::ProcessHeap()->home(), true);
    };
    const auto replace = [] {
        FreeStamped(block, 1);
        // The same one, which this thread has parked, if it still has all its pages.
        auto* const larger = static_cast<char*>(heap::AllocateSlow(130'000, false));
        SystemPoint();
        larger[129'999] = 1;
        EXPECT_EQ(heap::Resize(nullptr, larger, 80'000, {}), larger);
        EXPECT_EQ(heap::Resize(nullptr, larger, 131'000, {}), larger);
        larger[130'999] = 1;
        heap::Free(nullptr, larger);
        heap::ThreadDetach();
    };
    const auto free = [] {
        FreeStamped(block, 1);
        heap::ThreadDetach();
    };
    Expect("trimmed runs against their owner", {prepare, {trim, replace}, ExpectNothingLeft},
           With(2));
    Expect("the same, all accesses", {prepare, {trim, free}, ExpectNothingLeft},
           With(2, Grain::kAll));
}

// Every lock at once, as for a fork, against heaps that come, go and are purged: no deadlock.
TEST_F(HeapInterleave, LockOrder) {
    const auto everything = [] {
        heap::LockEverything();
        SystemPoint();
        heap::UnlockEverything();
    };
    const auto come_and_go = [] {
        heap::Heap* const heap = heap::CreateHeap({});
        static_cast<void>(AllocateStamped(*heap, kBytes, 1));
        heap::DestroyHeap(heap);
        heap::ThreadDetach();
    };
    const auto purge = [] { heap::PurgeAll(); };
    Expect("every lock against heaps that come and go",
           {nullptr, {everything, come_and_go}, ExpectNothingLeft}, With(2));
    Expect("every lock against a purge", {nullptr, {everything, purge}, ExpectNothingLeft},
           With(2));
    Expect("all three", {nullptr, {everything, come_and_go, purge}, ExpectNothingLeft}, With(1));
}

}  // namespace
}  // namespace strata::interleave
