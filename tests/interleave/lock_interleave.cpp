// The lock itself: never two inside, nobody left asleep.
#include "fixture.h"
#include "os/lock.h"

namespace strata::interleave {
namespace {

using LockInterleave = Interleave;

TEST_F(LockInterleave, OneInsideAndNobodyLeftAsleep) {
    static os::Lock lock{os::LockRank::kArenas};
    static int inside = 0;
    const auto body = [] {
        for (int i = 0; i < 2; ++i) {
            lock.Acquire();
            if (inside++ != 0) Fail("two threads hold the lock");
            SystemPoint();
            --inside;
            lock.Release();
        }
    };
    Expect("lock, two threads", {nullptr, {body, body}, nullptr}, With(4, Grain::kAll));
    Expect("lock, three threads", {nullptr, {body, body, body}, nullptr}, With(2, Grain::kAll));
}

TEST_F(LockInterleave, TryAcquireNeverWaits) {
    static os::Lock lock{os::LockRank::kArenas};
    static int inside = 0;
    const auto holder = [] {
        lock.Acquire();
        if (inside++ != 0) Fail("two threads hold the lock");
        SystemPoint();
        --inside;
        lock.Release();
    };
    const auto trier = [] {
        if (!lock.TryAcquire()) return;
        if (inside++ != 0) Fail("two threads hold the lock");
        SystemPoint();
        --inside;
        lock.Release();
    };
    Expect("lock, tried", {nullptr, {holder, trier, holder}, nullptr}, With(3, Grain::kAll));
}

// The check that a scheduler finds what it is there for: a lock without the wake.
TEST_F(LockInterleave, ADeadlockIsFound) {
    static std::atomic<uint32_t> word{0};
    const auto wait = [] {
        while (word.load(std::memory_order_acquire) == 0) os::WaitOnWord(word, 0);
    };
    const auto set = [] { word.store(1, std::memory_order_release); };
    const Result result =
        Explore({[] { word.store(0, std::memory_order_relaxed); }, {wait, set}, nullptr}, {});
    EXPECT_EQ(result.problem.substr(0, 10), "a deadlock");
}

TEST_F(LockInterleave, ALostUpdateIsFound) {
    static std::atomic<uint32_t> word{0};
    const auto add = [] {
        const uint32_t value = word.load(std::memory_order_acquire);
        word.store(value + 1, std::memory_order_release);
    };
    const auto check = [] {
        if (word.load() != 2) Fail("an update was lost");
    };
    const Result result =
        Explore({[] { word.store(0, std::memory_order_relaxed); }, {add, add}, check}, {});
    EXPECT_EQ(result.problem.substr(0, 18), "an update was lost");
}

}  // namespace
}  // namespace strata::interleave
