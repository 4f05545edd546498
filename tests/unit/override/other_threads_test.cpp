#include "override/other_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "code_memory.h"
#include "override/redirect.h"

namespace strata::override {
namespace {

constexpr uint32_t kTries = 2000;

uint64_t AddressOf(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

TEST(OtherThreads, NobodyRunsWhileTheyAreHeld) {
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> steps{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; ++i) {
        threads.emplace_back([&] {
            while (!stop) ++steps;
        });
    }
    while (steps < 1000) Sleep(1);
    {
        LARGE_INTEGER frequency;
        LARGE_INTEGER began;
        LARGE_INTEGER ended;
        OtherThreads others;
        QueryPerformanceFrequency(&frequency);
        QueryPerformanceCounter(&began);
        ASSERT_EQ(HoldOutcome::kHeld, others.Hold(nullptr, 0, kTries).outcome);
        QueryPerformanceCounter(&ended);
        const size_t held = others.count();
        const uint64_t before = steps;
        Sleep(50);
        const uint64_t after = steps;
        others.Release();
        std::printf("  %zu busy threads held after %lld us\n", held,
                    static_cast<long long>((ended.QuadPart - began.QuadPart) * 1000000 /
                                           frequency.QuadPart));
        EXPECT_GE(held, 6u);
        EXPECT_EQ(before, after);
        EXPECT_EQ(0u, others.count());
    }
    const uint64_t before = steps;
    while (steps == before) Sleep(1);  // they go on
    stop = true;
    for (std::thread& thread : threads) thread.join();
}

// Threads that start, and those that have ended but are still known by a handle.
TEST(OtherThreads, ThreadsMayComeAndGoMeanwhile) {
    std::atomic<bool> stop{false};
    std::vector<HANDLE> ended;
    for (int i = 0; i < 20; ++i) {
        const HANDLE thread =
            CreateThread(nullptr, 0, [](void*) -> DWORD { return 0; }, nullptr, 0, nullptr);
        ASSERT_NE(nullptr, thread);
        WaitForSingleObject(thread, INFINITE);
        ended.push_back(thread);
    }
    std::thread parent([&] {
        while (!stop) std::thread([] {}).join();
    });
    for (int i = 0; i < 50; ++i) {
        OtherThreads others;
        EXPECT_EQ(HoldOutcome::kHeld, others.Hold(nullptr, 0, kTries).outcome);
        EXPECT_GE(others.count(), 1u);
        others.Release();
        Sleep(0);
    }
    stop = true;
    parent.join();
    for (const HANDLE thread : ended) CloseHandle(thread);
}

TEST(OtherThreads, HoldsMoreThanTheTableHasRoomForAtFirst) {
    std::vector<HANDLE> threads;
    for (int i = 0; i < 600; ++i) {
        const HANDLE thread = CreateThread(
            nullptr, 0x1000, [](void*) -> DWORD { return 0; }, nullptr,
            CREATE_SUSPENDED | STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr);
        if (thread == nullptr) break;
        threads.push_back(thread);
    }
    if (threads.size() < 600) std::puts("  the system gives fewer threads than that");
    {
        OtherThreads others;
        ASSERT_EQ(HoldOutcome::kHeld, others.Hold(nullptr, 0, kTries).outcome);
        EXPECT_GE(others.count(), threads.size());
    }
    for (const HANDLE thread : threads) {
        EXPECT_EQ(1u, ResumeThread(thread));  // as often suspended as before
        WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
    }
}

// A thread that spins at a place of the test's choice.
class Spinner : public testing::Test {
protected:
    void SetUp() override {
        // A loop at 0x80, and "nop; nop; nop; nop; nop; jmp 0x80" at 0.
        code_.Write(0x80, {0xeb, 0xfe});
        code_.Write(0, {0x90, 0x90, 0x90, 0x90, 0x90, 0xe9, 0x76, 0, 0, 0});
        const auto start = reinterpret_cast<LPTHREAD_START_ROUTINE>(AddressOf(code_.at(0x80)));
        thread_ = CreateThread(nullptr, 0, start, nullptr, 0, nullptr);
        ASSERT_NE(nullptr, thread_);
        while (Place() != AddressOf(code_.at(0x80))) Sleep(1);
    }
    void TearDown() override {
        TerminateThread(thread_, 0);
        WaitForSingleObject(thread_, INFINITE);
        CloseHandle(thread_);
    }

    uint64_t Place() const {
        SuspendThread(thread_);
        CONTEXT context;
        context.ContextFlags = CONTEXT_CONTROL;
        GetThreadContext(thread_, &context);
        ResumeThread(thread_);
        return context.Rip;
    }
    // Puts the thread at an offset of the code, and leaves it suspended there.
    void Park(size_t offset) const {
        SuspendThread(thread_);
        CONTEXT context;
        context.ContextFlags = CONTEXT_CONTROL;
        ASSERT_TRUE(GetThreadContext(thread_, &context));
        context.Rip = AddressOf(code_.at(offset));
        ASSERT_TRUE(SetThreadContext(thread_, &context));
    }
    HoldOutcome Hold(uint32_t tries) const {
        const CodeRange ranges[] = {{1, 2}, {AddressOf(code_.at()), AddressOf(code_.at(5))}};
        OtherThreads others;
        return others.Hold(ranges, 2, tries).outcome;
    }

    CodeMemory code_;
    HANDLE thread_ = nullptr;
};

TEST_F(Spinner, IsSeenBehindTheFirstByteOfARange) {
    for (size_t offset = 0; offset < 8; ++offset) {
        Park(offset);
        const bool inside = offset > 0 && offset < 5;
        EXPECT_EQ(inside ? HoldOutcome::kInside : HoldOutcome::kHeld, Hold(3)) << offset;
        Park(0x80);
        ResumeThread(thread_);
        ResumeThread(thread_);
    }
}

TEST_F(Spinner, IsLetOutOfTheRange) {
    Park(2);
    std::thread helper([&] {
        Sleep(50);
        ResumeThread(thread_);
    });
    EXPECT_EQ(HoldOutcome::kHeld, Hold(100000));
    helper.join();
}

int Replacement(int value) { return value + 1000; }

TEST_F(Spinner, KeepsAnEntryFromBeingRedirected) {
    const std::vector<uint8_t> before(code_.at(), code_.at(0x100));
    void* original = nullptr;
    const RedirectRequest request = {"f", code_.at(), reinterpret_cast<const void*>(&Replacement),
                                     &original};
    RedirectOptions options;
    options.tries = 3;
    Park(4);
    const RedirectResult result = RedirectAll(&request, 1, options);
    EXPECT_EQ(Refusal::kThreadInside, result.refusal);
    EXPECT_EQ(nullptr, original);
    EXPECT_EQ(0, std::memcmp(before.data(), code_.at(), before.size()));
    ResumeThread(thread_);
    EXPECT_TRUE(RedirectAll(&request, 1).Done());
    EXPECT_EQ(0xe9, *code_.at());
}

}  // namespace
}  // namespace strata::override
