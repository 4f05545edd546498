// Locks out of order end the process, where ranks are checked (preset native-debug).
#include "os/lock_rank.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "os/lock.h"
#include "support/death.h"
#include "support/free_locking.h"

namespace strata::os {
namespace {

class LockRankDeathTest : public test::DeathTest {
protected:
    void SetUp() override {
        if (!kCheckLockRanks) GTEST_SKIP() << "ranks are not checked in this build";
        test::DeathTest::SetUp();
    }
    Lock runs_{LockRank::kRuns};
    Lock arenas_{LockRank::kArenas};
    Lock metadata_{LockRank::kMetadata};
};

TEST_F(LockRankDeathTest, AnOuterLockUnderAnInnerOne) {
    EXPECT_FATAL_TEXT(
        {
            const LockGuard inner(metadata_);
            const LockGuard outer(runs_);
        },
        "strata: fatal: the lock of a heap's runs is taken by a thread that holds the lock of "
        "metadata\n");
}

TEST_F(LockRankDeathTest, TwoOfOneRank) {
    Lock others(LockRank::kRuns);
    EXPECT_FATAL_TEXT(
        {
            const LockGuard first(runs_);
            const LockGuard second(others);
        },
        "strata: fatal: the lock of a heap's runs is taken by a thread that holds the lock of a "
        "heap's runs\n");
}

TEST_F(LockRankDeathTest, TheSameLockTwice) {
    EXPECT_FATAL_TEXT(
        {
            test::Take(arenas_);
            test::Take(arenas_);
        },
        "strata: fatal: the lock of the arenas is taken by a thread that holds the lock of the "
        "arenas\n");
}

TEST_F(LockRankDeathTest, ALockThatAnotherThreadHolds) {
    EXPECT_FATAL_TEXT(test::Give(runs_),
                      "strata: fatal: the lock of a heap's runs is given back by a thread that "
                      "does not hold it\n");
}

// What a thread has taken by TryAcquire counts; what it tries does not, as it would not wait for
// it.
TEST_F(LockRankDeathTest, TryAcquire) {
    EXPECT_FATAL_TEXT(
        if (metadata_.TryAcquire()) {
            const LockGuard outer(arenas_);
            metadata_.Release();
        },
        "strata: fatal: the lock of the arenas is taken by a thread that holds the lock of "
        "metadata\n");
    const LockGuard inner(metadata_);
    EXPECT_TRUE(test::TryTake(arenas_));
    test::Give(arenas_);
}

// Allowed for ranks of the range, and for as long as the allowance lives.
TEST_F(LockRankDeathTest, SeveralOfOneRank) {
    Lock others(LockRank::kRuns);
    Lock size_class(LockRank::kClass);
    EXPECT_FATAL_TEXT(
        {
            const SeveralLocks several(LockRank::kClass, LockRank::kRuns);
            const LockGuard first(runs_);
            const LockGuard second(others);
            const LockGuard third(size_class);
            const LockGuard inner(arenas_);
            test::Take(size_class);
        },
        "strata: fatal: the lock of a heap's size class is taken by a thread that holds the lock "
        "of the arenas\n");
    EXPECT_FATAL_TEXT(
        {
            {
                const SeveralLocks several(LockRank::kRuns, LockRank::kRuns);
            }
            const LockGuard first(runs_);
            const LockGuard second(others);
        },
        "strata: fatal: the lock of a heap's runs is taken by a thread that holds the lock of a "
        "heap's runs\n");
}

TEST(LockRank, InOrder) {
    Lock gate(LockRank::kGate);
    Lock runs(LockRank::kRuns);
    Lock closed(LockRank::kClosedBins);
    for (int i = 0; i < 3; ++i) {
        const LockGuard outer(gate);
        const LockGuard middle(runs);
        const LockGuard inner(closed);
        // Another thread holds nothing.
        std::thread([] {
            Lock own(LockRank::kGate);
            const LockGuard guard(own);
        }).join();
    }
    // Not in the order in which they were taken.
    runs.Acquire();
    closed.Acquire();
    runs.Release();
    closed.Release();
    const LockGuard outer(gate);
}

// Who waited in the kernel holds the lock like one who got it at once.
TEST(LockRank, AfterAWait) {
    Lock runs(LockRank::kRuns);
    Lock arenas(LockRank::kArenas);
    runs.Acquire();
    std::thread waiter([&] {
        const LockGuard outer(runs);
        const LockGuard inner(arenas);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    runs.Release();
    waiter.join();
    const LockGuard guard(runs);
}

TEST(LockRank, ALockOfAThreadThatIsGone) {
    Lock gate(LockRank::kGate);
    std::thread([&] { test::Take(gate); }).join();
    test::GiveOfGone(gate);
    const LockGuard guard(gate);
}

}  // namespace
}  // namespace strata::os
