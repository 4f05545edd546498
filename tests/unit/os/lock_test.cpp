#include "os/lock.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

#include "os/process.h"
#include "support/model.h"

namespace strata::os {
namespace {

using std::chrono::milliseconds;

static_assert(sizeof(Lock) == 4);

TEST(Lock, TryAcquireTellsHeldFromFree) {
    Lock lock;
    EXPECT_TRUE(lock.TryAcquire());
    EXPECT_FALSE(lock.TryAcquire());
    std::thread([&] { EXPECT_FALSE(lock.TryAcquire()); }).join();
    lock.Release();
    EXPECT_TRUE(lock.TryAcquire());
    lock.Release();
    lock.Acquire();
    EXPECT_FALSE(lock.TryAcquire());
    lock.Release();
}

TEST(LockGuard, HoldsTheLockWhileItLives) {
    Lock lock;
    {
        const LockGuard guard(lock);
        EXPECT_FALSE(lock.TryAcquire());
    }
    EXPECT_TRUE(lock.TryAcquire());
    lock.Release();
}

// Waits far longer than any spinning: the waiters sleep, and each is woken.
TEST(Lock, WaitersSleepAndAreWoken) {
    Lock lock;
    int entered = 0;
    lock.Acquire();
    std::vector<std::thread> waiters;
    for (int i = 0; i < 6; ++i) {
        waiters.emplace_back([&] {
            const LockGuard guard(lock);
            ++entered;
        });
    }
    std::this_thread::sleep_for(milliseconds(30));
    EXPECT_EQ(entered, 0);
    lock.Release();
    for (std::thread& waiter : waiters) waiter.join();
    EXPECT_EQ(entered, 6);
    EXPECT_TRUE(lock.TryAcquire());
}

// Many threads, short and long holds, some of them across a sleep. What the lock guards is no atomic:
// a sanitizer sees a missing happens-before edge, everybody else a lost count.
TEST(Lock, ContentionStorm) {
    constexpr int kThreads = 8;
    constexpr uint64_t kRounds = 6000;
    Lock lock;
    uint64_t inside = 0;
    uint64_t total = 0;
    bool overlapped = false;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            test::Random random(static_cast<uint64_t>(t));
            for (uint64_t i = 0; i < kRounds; ++i) {
                if (random.OneIn(8)) {
                    if (!lock.TryAcquire()) lock.Acquire();
                } else {
                    lock.Acquire();
                }
                overlapped |= inside++ != 0;
                ++total;
                if (random.OneIn(64)) std::this_thread::yield();
                if (random.OneIn(4096)) std::this_thread::sleep_for(milliseconds(1));
                overlapped |= --inside != 0;
                lock.Release();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_FALSE(overlapped);
    EXPECT_EQ(total, kThreads * kRounds);
    EXPECT_TRUE(lock.TryAcquire());
}

// Two threads that take turns through two locks: one lost wake-up and it never ends.
TEST(Lock, NoWakeUpIsLost) {
    constexpr int kTurns = 2000;
    Lock first;
    Lock second;
    second.Acquire();
    int turns = 0;
    // A lock may be released by another thread than the one that acquired it.
    std::thread other([&] {
        for (int i = 0; i < kTurns; ++i) {
            second.Acquire();
            ++turns;
            first.Release();
        }
    });
    for (int i = 0; i < kTurns; ++i) {
        first.Acquire();
        ++turns;
        second.Release();
    }
    other.join();
    EXPECT_EQ(turns, 2 * kTurns);
}

TEST(WaitOnWord, ReturnsWhenTheWordDiffers) {
    std::atomic<uint32_t> word{1};
    EXPECT_TRUE(WaitOnWord(word, 0));
}

TEST(WaitOnWord, SleepsUntilWoken) {
    std::atomic<uint32_t> word{0};
    std::thread waiter([&] {
        while (word.load() == 0) EXPECT_TRUE(WaitOnWord(word, 0));
    });
    std::this_thread::sleep_for(milliseconds(10));
    word.store(1);
    WakeOneOnWord(word);
    waiter.join();
}

TEST(WaitOnWord, PreservesErrorMarks) {
    std::atomic<uint32_t> word{1};
    SetLastErrorCode(4321);
    errno = EDOM;
    WaitOnWord(word, 0);
    WakeOneOnWord(word);
    EXPECT_EQ(errno, EDOM);
    EXPECT_EQ(GetLastErrorCode(), 4321u);
}

}  // namespace
}  // namespace strata::os
