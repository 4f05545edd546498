// HeapLock: keeps others out of the slow paths, and is recursive.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <vector>

#include "heap/heap.h"
#include "heap/statistics.h"
#include "heap/walk.h"
#include "store/heap_record.h"
#include "support/heap_fixture.h"

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

// HEAP_NO_SERIALIZE: the call goes past the lock, of all kinds of blocks.
TEST(HeapLock, GuestsDoNotWait) {
    const HeapRequest requests[] = {
        {}, {.maximum = 4 << 20}, {.check_tail = true}, {.hardened = true}};
    for (const HeapRequest& request : requests) {
        const TestHeap heap(request);
        void* const old = heap.Allocate(100);
        LockHeap(*heap);
        InOtherThread([&] {
            for (const size_t bytes : {0, 100, 5000, 100000}) {
                const GuestCall call(*heap);
                void* const block = heap.Allocate(bytes);
                ASSERT_NE(block, nullptr);
                EXPECT_TRUE(IsLiveBlock(*heap, block, nullptr));
                EXPECT_TRUE(IsIntactBlock(*heap, block));
                heap.Free(Resize(heap.get(), block, bytes + 5000, {}));
            }
            const GuestCall call(*heap);
            heap.Free(old);
            EXPECT_TRUE(IsConsistent(*heap));
        });
        EXPECT_TRUE(UnlockHeap(*heap));
    }
}

// Guests of one heap wait for others like anybody, and when their call is over, for this one.
TEST(HeapLock, AGuestIsOneForACall) {
    const TestHeap heap, other;
    LockHeap(*heap);
    std::atomic<int> done{0};
    std::thread thread([&] {
        {
            const GuestCall call(*heap);
            heap.Free(heap.Allocate(100));
        }
        done = 1;
        const GuestCall call(*other);
        heap.Free(heap.Allocate(100));
        done = 2;
    });
    while (done == 0) std::this_thread::yield();
    Pause();
    EXPECT_EQ(done, 1);
    UnlockHeap(*heap);
    thread.join();
    EXPECT_EQ(done, 2);
}

TEST(HeapLock, ManyGuestsAtOnce) {
    const TestHeap heap;
    LockHeap(*heap);
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            for (size_t round = 0; round < 300; ++round) {
                const GuestCall call(*heap);
                heap.Free(heap.Allocate(round * 50));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(IsConsistent(*heap));
    UnlockHeap(*heap);
}

// A thread may end, and be waited for, whoever has locked what it used.
TEST(HeapLock, ThreadsEndUnderIt) {
    const TestHeap heap;
    LockHeap(*ProcessHeap());
    std::thread thread([&] {
        for (int i = 0; i < 200; ++i) heap.Free(heap.Allocate(100));
        LockHeap(*heap);
        UnlockHeap(*heap);
    });
    thread.join();
    std::atomic<bool> filled{false}, locked{false};
    std::thread user([&] {
        for (int i = 0; i < 200; ++i) heap.Free(heap.Allocate(100));
        filled = true;
        while (!locked) std::this_thread::yield();
    });
    while (!filled) std::this_thread::yield();
    LockHeap(*heap);
    locked = true;
    user.join();
    UnlockHeap(*heap);
    UnlockHeap(*ProcessHeap());
}

// Whoever was inside when the lock was asked for is done when it is given.
TEST(HeapLock, NothingChangesUnderIt) {
    const TestHeap heap;
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&, i] {
            std::vector<void*> blocks;
            for (size_t n = 0; !stop; ++n) {
                blocks.push_back(heap.Allocate(n * 37 % 3000 + (n % 50 == 0 ? 100000 : 0)));
                if (blocks.size() < 40) continue;
                for (void* const block : blocks) heap.Free(block);
                blocks.clear();
            }
            for (void* const block : blocks) heap.Free(block);
            (void)i;
        });
    }
    const auto slabs_and_runs = [&] {
        size_t count = 0;
        for (store::ClassStore& part : (*heap).home().classes) {
            part.slabs.ForEach([&](const slab::Slab& slab) { count += slab.limit; });
        }
        for (const slab::LargeRun* run = (*heap).home().runs; run != nullptr; run = run->next)
            ++count;
        return count;
    };
    for (int i = 0; i < 200; ++i) {
        LockHeap(*heap);
        const size_t before = slabs_and_runs();
        std::this_thread::yield();
        EXPECT_EQ(slabs_and_runs(), before);
        UnlockHeap(*heap);
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
}

// Figures are no change: nobody has to wait for them.
TEST(HeapLock, StatisticsDoNotWait) {
    const TestHeap heap;
    heap.Allocate(100);
    LockHeap(*heap);
    InOtherThread([&] {
        Statistics statistics;
        Collect(statistics);
        EXPECT_GE(statistics.live_blocks, 1u);
    });
    UnlockHeap(*heap);
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
    Purge(*heap);
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
