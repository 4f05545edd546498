// Pins: who visits a heap without being its user keeps it from ending.
#include "store/registry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "heap/statistics.h"
#include "store/heap_records.h"
#include "support/heap_fixture.h"

namespace strata::heap {
namespace {

using test::TestHeap;

void Pause() { std::this_thread::sleep_for(std::chrono::milliseconds(30)); }

uint64_t SerialOf(const TestHeap& heap) { return (*heap).serial.load(); }

TEST(Registry, SerialsAreNeverUsedTwice) {
    uint64_t last = 0;
    for (int i = 0; i < 50; ++i) {
        const TestHeap heap;
        EXPECT_GT(SerialOf(heap), last);
        last = SerialOf(heap);
    }
}

TEST(Registry, APinnedHeapDoesNotEnd) {
    TestHeap heap;
    Heap* const record = heap.get();
    heap.Allocate(100);
    ASSERT_TRUE(store::Pin(*record, SerialOf(heap)));
    std::atomic<bool> ended{false};
    std::thread other([&] {
        heap.Destroy();
        ended = true;
    });
    Pause();
    EXPECT_FALSE(ended);
    EXPECT_EQ(FromHandle(record), nullptr) << "but nobody gets hold of it any more";
    store::Unpin(*record);
    other.join();
    EXPECT_TRUE(ended);
}

TEST(Registry, PinsAreCounted) {
    TestHeap heap;
    Heap* const record = heap.get();
    ASSERT_TRUE(store::Pin(*record, SerialOf(heap)));
    ASSERT_EQ(store::PinOwner((*heap).owner), record);
    std::atomic<bool> ended{false};
    std::thread other([&] {
        heap.Destroy();
        ended = true;
    });
    Pause();
    store::Unpin(*record);
    Pause();
    EXPECT_FALSE(ended);
    store::Unpin(*record);
    other.join();
}

TEST(Registry, WhatIsGoneCannotBePinned) {
    TestHeap heap;
    Heap* const record = heap.get();
    const uint64_t serial = SerialOf(heap);
    const arena::Owner owner = (*heap).owner;
    EXPECT_FALSE(store::Pin(*record, serial + 1));
    EXPECT_FALSE(store::Pin(*record, 0));
    heap.Destroy();
    EXPECT_FALSE(store::Pin(*record, serial));
    EXPECT_FALSE(store::Pin(*record, 0));
    EXPECT_EQ(store::PinOwner(owner), nullptr);
    EXPECT_EQ(store::PinOwner(0), nullptr);
    const TestHeap next;  // in the same record
    EXPECT_EQ(next.get(), record);
    EXPECT_FALSE(store::Pin(*record, serial));
}

// Serials do not run out, and nobody mistakes one heap for another because of theirs.
TEST(Registry, FourBillionHeapsLater) {
    void* const block = Allocate(*ProcessHeap(), 100, false);
    void* const run = Allocate(*ProcessHeap(), 100000, false);
    {
        const os::LockGuard guard(store::g_registry_lock);
        store::SkipSerialsLocked((uint64_t{1} << 32) - 40);
    }
    for (int i = 0; i < 100; ++i) {
        const TestHeap heap;
        void* const own = heap.Allocate(100);
        ASSERT_EQ(HeapOfLiveBlock(own), heap.get()) << i;
        ASSERT_EQ(HeapOfLiveBlock(block), ProcessHeap()) << i;
        ASSERT_EQ(HeapOfLiveBlock(run), ProcessHeap()) << i;
        ASSERT_TRUE(IsLiveBlock(*ProcessHeap(), block, nullptr));
        ASSERT_FALSE(IsLiveBlock(*heap, block, nullptr));
    }
    Free(nullptr, block);
    Free(nullptr, run);
}

TEST(Registry, PinAfterGoesOnBehindAHeapThatEnded) {
    const TestHeap one;
    TestHeap two;
    const TestHeap three;
    const uint64_t serial = SerialOf(two);
    Heap* const record = two.get();
    for (const bool ended : {false, true}) {
        if (ended) two.Destroy();
        for (Heap* const hint : {record, one.get(), static_cast<Heap*>(nullptr)}) {
            Heap* const next = store::PinAfter(serial, hint);
            ASSERT_EQ(next, three.get());
            store::Unpin(*next);
        }
    }
    EXPECT_EQ(store::PinAfter(SerialOf(three), three.get()), nullptr);
    EXPECT_EQ(store::NewestSerial(), SerialOf(three));
    TestHeap newest;
    Heap* const ending = newest.get();
    const uint64_t last = SerialOf(newest);
    ASSERT_TRUE(store::Pin(*ending, last));
    std::thread other([&] { newest.Destroy(); });
    while (FromHandle(ending) != nullptr) std::this_thread::yield();
    EXPECT_EQ(store::NewestSerial(), last) << "though it is about to end";
    store::Unpin(*ending);
    other.join();
}

TEST(Registry, PinNextVisitsEveryHeapOnce) {
    const TestHeap one, two, three;
    std::vector<Heap*> seen;
    for (Heap* heap = store::PinNext(nullptr); heap != nullptr; heap = store::PinNext(heap))
        seen.push_back(heap);
    EXPECT_EQ(seen.size(), ListHeaps(nullptr, 0));
    for (const TestHeap* heap : {&one, &two, &three}) {
        EXPECT_EQ(std::count(seen.begin(), seen.end(), heap->get()), 1);
        EXPECT_EQ((**heap).pins.load(), 0u) << "unpinned again";
    }
}

TEST(Registry, VisitorsSkipHeapsThatEnd) {
    TestHeap one;
    const TestHeap two;
    Heap* const record = one.get();
    ASSERT_TRUE(store::Pin(*record, SerialOf(one)));
    std::thread other([&] { one.Destroy(); });
    while (FromHandle(record) != nullptr) std::this_thread::yield();
    std::vector<Heap*> seen;
    ForEachHeap([](void* context,
                   Heap& heap) { static_cast<std::vector<Heap*>*>(context)->push_back(&heap); },
                &seen);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), record), 0);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), two.get()), 1);
    store::Unpin(*record);
    other.join();
}

TEST(Registry, ALockedHeapEndsThoughAVisitorWaitsForIt) {
    TestHeap heap;
    heap.Allocate(100);
    LockHeap(*heap);
    std::atomic<bool> visiting{false};
    std::thread visitor([&] {
        visiting = true;
        PurgeAll();  // pins the heap, and waits for its locks
    });
    while (!visiting) std::this_thread::yield();
    Pause();
    heap.Destroy();
    visitor.join();
}

}  // namespace
}  // namespace strata::heap
