// HeapLock: keeps others out of the slow paths, and is recursive.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <vector>

#include "heap/heap.h"
#include "heap/walk.h"
#include "heap_fixture.h"

namespace strata::heap {
namespace {

using test::InOtherThread;
using test::TestHeap;

void Pause() { std::this_thread::sleep_for(std::chrono::milliseconds(30)); }

TEST(HeapLock, OthersWait) {
    const TestHeap heap;
    for (const size_t bytes : {100, 100000}) {  // a class lock, the lock of the runs
        LockHeap(*heap);
        std::atomic<bool> done{false};
        std::thread other([&] {
            void* const block = heap.Allocate(bytes);
            done = true;
            heap.Free(block);
        });
        Pause();
        EXPECT_FALSE(done) << bytes;
        EXPECT_TRUE(UnlockHeap(*heap));
        other.join();
        EXPECT_TRUE(done);
    }
}

TEST(HeapLock, OtherHeapsGoOn) {
    const TestHeap heap, another;
    LockHeap(*heap);
    InOtherThread([&] {
        another.Free(another.Allocate(100));
        Free(nullptr, Allocate(*ProcessHeap(), 200000, false));
        EXPECT_TRUE(IsConsistent(*another));
    });
    EXPECT_TRUE(UnlockHeap(*heap));
}

TEST(HeapLock, TheHolderGoesOn) {
    const TestHeap heap;
    LockHeap(*heap);
    for (const size_t bytes : {0, 100, 5000, 100000, 40 << 20}) {
        for (int i = 0; i < 200; ++i) {
            void* const block = heap.Allocate(bytes, i % 2 == 0 && bytes < 200000);
            ASSERT_NE(block, nullptr);
            if (bytes < 200000) {
                ASSERT_TRUE(IsLiveBlock(*heap, block, nullptr));
            }
            heap.Free(Resize(heap.get(), block, bytes / 2, {}));
        }
    }
    EXPECT_TRUE(IsConsistent(*heap));
    Trim(*heap);
    WalkEntry entry;
    while (WalkStep(*heap, entry)) {
    }
    EXPECT_TRUE(UnlockHeap(*heap));
    EXPECT_FALSE(UnlockHeap(*heap)) << "the walk leaves the lock as it was";
}

TEST(HeapLock, IsRecursive) {
    const TestHeap heap;
    for (int i = 0; i < 5; ++i) LockHeap(*heap);
    std::atomic<bool> done{false};
    std::thread other([&] {
        heap.Free(heap.Allocate(100));
        done = true;
    });
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(UnlockHeap(*heap));
    Pause();
    EXPECT_FALSE(done) << "still held once";
    EXPECT_TRUE(UnlockHeap(*heap));
    other.join();
    EXPECT_FALSE(UnlockHeap(*heap));
}

TEST(HeapLock, OnlyTheHolderUnlocks) {
    const TestHeap heap;
    EXPECT_FALSE(UnlockHeap(*heap));
    LockHeap(*heap);
    InOtherThread([&] { EXPECT_FALSE(UnlockHeap(*heap)); });
    EXPECT_TRUE(UnlockHeap(*heap));
}

TEST(HeapLock, LockersTakeTurns) {
    const TestHeap heap;
    int inside = 0;  // guarded by the heap's lock
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int round = 0; round < 300; ++round) {
                LockHeap(*heap);
                EXPECT_EQ(++inside, 1);
                heap.Free(heap.Allocate(static_cast<size_t>(round) * 50));
                --inside;
                UnlockHeap(*heap);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
}

TEST(HeapLock, DestroyedWhileHeld) {
    TestHeap heap;
    heap.Allocate(100);
    LockHeap(*heap);
    heap.Destroy();
    // The record may serve a new heap, which nobody holds.
    const TestHeap next;
    InOtherThread([&] { next.Free(next.Allocate(100)); });
    EXPECT_FALSE(UnlockHeap(*next));
}

TEST(HeapLock, EverythingForFork) {
    const TestHeap heap;
    heap.Allocate(100);
    LockEverything();
    UnlockEverything();
    InOtherThread([&] {
        heap.Free(heap.Allocate(100000));
        const TestHeap next;
        next.Allocate(100);
    });
    PurgeAll();
}

TEST(HeapLock, HolderMayListAndCreateHeapsWhileOthersPurge) {
    const TestHeap heap;
    std::atomic<bool> stop{false};
    std::thread other([&] {
        while (!stop) PurgeAll();
    });
    for (int i = 0; i < 300; ++i) {
        LockHeap(*heap);
        heap.Allocate(100);
        EXPECT_GE(ListHeaps(nullptr, 0), 2u);
        const TestHeap another;
        UnlockHeap(*heap);
    }
    stop = true;
    other.join();
}

}  // namespace
}  // namespace strata::heap
