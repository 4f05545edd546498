// Pins: who visits a heap without being its user keeps it from ending.
#include "heap/registry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "heap/statistics.h"
#include "heap_fixture.h"

namespace strata::heap {
namespace {

using test::TestHeap;

void Pause() { std::this_thread::sleep_for(std::chrono::milliseconds(30)); }

uint32_t SerialOf(const TestHeap& heap) { return (*heap).serial.load(); }

TEST(Registry, SerialsAreNeverUsedTwice) {
    uint32_t last = 0;
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
    ASSERT_TRUE(Pin(*record, SerialOf(heap)));
    std::atomic<bool> ended{false};
    std::thread other([&] {
        heap.Destroy();
        ended = true;
    });
    Pause();
    EXPECT_FALSE(ended);
    EXPECT_EQ(FromHandle(record), nullptr) << "but nobody gets hold of it any more";
    Unpin(*record);
    other.join();
    EXPECT_TRUE(ended);
}

TEST(Registry, PinsAreCounted) {
    TestHeap heap;
    Heap* const record = heap.get();
    ASSERT_TRUE(Pin(*record, SerialOf(heap)));
    ASSERT_EQ(PinOwner(SerialOf(heap)), record);
    std::atomic<bool> ended{false};
    std::thread other([&] {
        heap.Destroy();
        ended = true;
    });
    Pause();
    Unpin(*record);
    Pause();
    EXPECT_FALSE(ended);
    Unpin(*record);
    other.join();
}

TEST(Registry, WhatIsGoneCannotBePinned) {
    TestHeap heap;
    Heap* const record = heap.get();
    const uint32_t serial = SerialOf(heap);
    EXPECT_FALSE(Pin(*record, serial + 1));
    EXPECT_FALSE(Pin(*record, 0));
    heap.Destroy();
    EXPECT_FALSE(Pin(*record, serial));
    EXPECT_FALSE(Pin(*record, 0));
    EXPECT_EQ(PinOwner(serial), nullptr);
    EXPECT_EQ(PinOwner(0), nullptr);
    const TestHeap next;  // in the same record
    EXPECT_EQ(next.get(), record);
    EXPECT_FALSE(Pin(*record, serial));
}

TEST(Registry, PinNextVisitsEveryHeapOnce) {
    const TestHeap one, two, three;
    std::vector<Heap*> seen;
    for (Heap* heap = PinNext(nullptr); heap != nullptr; heap = PinNext(heap)) seen.push_back(heap);
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
    ASSERT_TRUE(Pin(*record, SerialOf(one)));
    std::thread other([&] { one.Destroy(); });
    while (FromHandle(record) != nullptr) std::this_thread::yield();
    std::vector<Heap*> seen;
    ForEachHeap([](void* context,
                   Heap& heap) { static_cast<std::vector<Heap*>*>(context)->push_back(&heap); },
                &seen);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), record), 0);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), two.get()), 1);
    Unpin(*record);
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
