#include "os/thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "os/process.h"

namespace strata::os {
namespace {

struct Exit {
    std::atomic<int> calls{0};
    std::atomic<uintptr_t> thread{0};  // the token of the thread that made the call
};

Exit g_marker;

void OnExit(void* value) noexcept {
    auto* exit = static_cast<Exit*>(value);
    if (exit == nullptr) return;  // Windows tells of threads that have nothing there, too
    exit->calls.fetch_add(1);
    exit->thread.store(ThreadToken());
    // As the cache layer does: whoever comes later on this thread sees a marker.
    SetThreadSlot(&g_marker);
}

// The slot is made once in a process.
class ThreadSlot : public ::testing::Test {
protected:
    static void SetUpTestSuite() {
        static SystemSlot slot = kNoSystemSlot;
        if (slot != kNoSystemSlot) return;
        slot = AllocateSystemSlot();
        ASSERT_NE(slot, kNoSystemSlot);
        UseThreadSlot(slot, &OnExit);
    }
    void TearDown() override { SetThreadSlot(nullptr); }
};

TEST_F(ThreadSlot, StartsEmptyInEveryThread) {
    EXPECT_EQ(GetThreadSlot(), nullptr);
    EXPECT_EQ(TryGetThreadSlot(), nullptr);
    SetThreadSlot(&g_marker);
    std::thread([] {
        EXPECT_EQ(GetThreadSlot(), nullptr);
        EXPECT_EQ(TryGetThreadSlot(), nullptr);
    }).join();
    EXPECT_EQ(GetThreadSlot(), &g_marker);
}

TEST_F(ThreadSlot, EachThreadHasItsOwn) {
    constexpr int kThreads = 8;
    Exit exits[kThreads];
    std::atomic<int> ready{0};
    std::vector<std::thread> threads;
    for (Exit& exit : exits) {
        threads.emplace_back([&] {
            SetThreadSlot(&exit);
            ready.fetch_add(1);
            while (ready.load() < kThreads) std::this_thread::yield();
            for (int i = 0; i < 1000; ++i) ASSERT_EQ(GetThreadSlot(), &exit);
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(GetThreadSlot(), nullptr);
    for (Exit& exit : exits) EXPECT_EQ(exit.calls.load(), 1);
}

TEST_F(ThreadSlot, TryAgreesWhereverItAnswers) {
    SetThreadSlot(&g_marker);
    void* const fast = TryGetThreadSlot();
    EXPECT_TRUE(fast == nullptr || fast == &g_marker);
#ifdef _WIN32
    // A fresh process has slots in the TEB to give.
    EXPECT_NE(g_slot_offset, 0u);
    EXPECT_EQ(fast, &g_marker);
    EXPECT_EQ(GetThreadSlotSlow(), &g_marker);
#endif
}

TEST_F(ThreadSlot, TheLastValueIsHandedOverOnTheEndingThread) {
    Exit first;
    Exit last;
    uintptr_t token = 0;
    std::thread([&] {
        token = ThreadToken();
        SetThreadSlot(&first);
        SetThreadSlot(&last);
    }).join();
    EXPECT_EQ(first.calls.load(), 0);
    EXPECT_EQ(last.calls.load(), 1);
    EXPECT_EQ(last.thread.load(), token);
}

TEST_F(ThreadSlot, AThreadWithoutAValueEndsInSilence) {
    Exit exit;
    std::thread([] {}).join();
    std::thread([&] {
        SetThreadSlot(&exit);
        SetThreadSlot(nullptr);
        EXPECT_EQ(GetThreadSlot(), nullptr);
    }).join();
    EXPECT_EQ(exit.calls.load(), 0);
}

TEST_F(ThreadSlot, TheMarkerOfAnEndedThreadBringsNoCall) {
    const int before = g_marker.calls.load();
    Exit exit;
    std::thread([&] { SetThreadSlot(&exit); }).join();
    EXPECT_EQ(exit.calls.load(), 1);
    EXPECT_EQ(g_marker.calls.load(), before);
}

TEST_F(ThreadSlot, CanBeSetAtTheEnd) {
    std::thread([] {
        EXPECT_TRUE(SetThreadSlotAtEnd(&g_marker));
        EXPECT_EQ(GetThreadSlot(), &g_marker);
#ifdef _WIN32
        SetThreadSlot(nullptr);  // Windows tells of every thread
#endif
    }).join();
    EXPECT_EQ(g_marker.calls.load(), 0) << "nobody is told of it";
}

TEST_F(ThreadSlot, ThreadsComeAndGo) {
    Exit exit;
    for (int i = 0; i < 200; ++i) {
        std::thread([&] {
            EXPECT_EQ(GetThreadSlot(), nullptr) << "left over from another thread";
            SetThreadSlot(&exit);
        }).join();
    }
    EXPECT_EQ(exit.calls.load(), 200);
}

TEST_F(ThreadSlot, ErrorMarksArePreserved) {
    SetLastErrorCode(77);
    SetThreadSlot(&g_marker);
    EXPECT_EQ(GetThreadSlot(), &g_marker);
    EXPECT_EQ(GetLastErrorCode(), 77u);
}

TEST(ThreadToken, TellsLivingThreadsApart) {
    constexpr size_t kThreads = 8;
    std::vector<uintptr_t> tokens(kThreads);
    std::atomic<size_t> ready{0};
    std::vector<std::thread> threads;
    for (uintptr_t& token : tokens) {
        threads.emplace_back([&] {
            token = ThreadToken();
            EXPECT_EQ(token, ThreadToken());
            ready.fetch_add(1);
            while (ready.load() < kThreads) std::this_thread::yield();
        });
    }
    for (std::thread& thread : threads) thread.join();
    tokens.push_back(ThreadToken());
    tokens.push_back(0);
    EXPECT_EQ(std::set<uintptr_t>(tokens.begin(), tokens.end()).size(), kThreads + 2);
}

}  // namespace
}  // namespace strata::os
