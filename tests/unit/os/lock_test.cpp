#include "os/lock.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

#include "os/process.h"
#include "support/free_locking.h"
#include "support/model.h"

namespace strata::os {
namespace {

using std::chrono::milliseconds;
using test::Give;
using test::Take;
using test::TryTake;

static_assert(sizeof(Lock) == 4);

TEST(Lock, TryAcquireTellsHeldFromFree) {
    Lock lock(LockRank::kArenas);
    EXPECT_TRUE(TryTake(lock));
    EXPECT_FALSE(TryTake(lock));
    std::thread([&] { EXPECT_FALSE(TryTake(lock)); }).join();
    Give(lock);
    EXPECT_TRUE(TryTake(lock));
    Give(lock);
    Take(lock);
    EXPECT_FALSE(TryTake(lock));
    Give(lock);
}

TEST(LockGuard, HoldsTheLockWhileItLives) {
    Lock lock(LockRank::kArenas);
    {
        const LockGuard guard(lock);
        EXPECT_FALSE(TryTake(lock));
    }
    EXPECT_TRUE(TryTake(lock));
    Give(lock);
}

// Waits far longer than any spinning: the waiters sleep, and each is woken.
TEST(Lock, WaitersSleepAndAreWoken) {
    Lock lock(LockRank::kArenas);
    int entered = 0;
    Take(lock);
    std::vector<std::thread> waiters;
    for (int i = 0; i < 6; ++i) {
        waiters.emplace_back([&] {
            const LockGuard guard(lock);
            ++entered;
        });
    }
    std::this_thread::sleep_for(milliseconds(30));
    EXPECT_EQ(entered, 0);
    Give(lock);
    for (std::thread& waiter : waiters) waiter.join();
    EXPECT_EQ(entered, 6);
    EXPECT_TRUE(TryTake(lock));
    Give(lock);
}

// Many threads, short and long holds, some of them across a sleep. What the lock guards is no
// atomic: a sanitizer sees a missing happens-before edge, everybody else a lost count.
TEST(Lock, ContentionStorm) {
    constexpr int kThreads = 8;
    constexpr uint64_t kRounds = 6000;
    Lock lock(LockRank::kArenas);
    uint64_t inside = 0;
    uint64_t total = 0;
    bool overlapped = false;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            test::Random random(static_cast<uint64_t>(t));
            for (uint64_t i = 0; i < kRounds; ++i) {
                if (random.OneIn(8)) {
                    if (!TryTake(lock)) Take(lock);
                } else {
                    Take(lock);
                }
                overlapped |= inside++ != 0;
                ++total;
                if (random.OneIn(64)) std::this_thread::yield();
                if (random.OneIn(4096)) std::this_thread::sleep_for(milliseconds(1));
                overlapped |= --inside != 0;
                Give(lock);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_FALSE(overlapped);
    EXPECT_EQ(total, kThreads * kRounds);
    EXPECT_TRUE(TryTake(lock));
    Give(lock);
}

// Two threads that take turns through two locks: one lost wake-up and it never ends.
TEST(Lock, NoWakeUpIsLost) {
    constexpr int kTurns = 2000;
    Lock first(LockRank::kUnordered);
    Lock second(LockRank::kUnordered);
    Take(second);
    int turns = 0;
    // A lock may be released by another thread than the one that acquired it.
    std::thread other([&] {
        for (int i = 0; i < kTurns; ++i) {
            Take(second);
            ++turns;
            Give(first);
        }
    });
    for (int i = 0; i < kTurns; ++i) {
        Take(first);
        ++turns;
        Give(second);
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
