#include "os/process.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>

#include "os/lock.h"
#include "os/memory.h"
#include "support/death.h"
#include "support/environment.h"

namespace strata::os {
namespace {

constexpr char kName[] = "STRATA_TEST_OPTION";

// The option's value; "(none)" when it cannot be had.
template <size_t N = 64>
std::string Option(const char* name = kName) {
    char buffer[N];
    buffer[0] = '#';
    return GetOption(name, buffer, N) ? buffer : "(none)";
}

class GetOptionTest : public ::testing::Test {
protected:
    void TearDown() override { test::UnsetVariable(kName); }
};

TEST_F(GetOptionTest, TellsUnsetFromEmpty) {
    test::UnsetVariable(kName);
    EXPECT_EQ(Option(), "(none)");
    test::SetVariable(kName, "1");
    EXPECT_EQ(Option(), "1");
    test::SetVariable(kName, "");
    EXPECT_EQ(Option(), "");
    test::UnsetVariable(kName);
    EXPECT_EQ(Option(), "(none)");
}

TEST_F(GetOptionTest, SeesTheLatestValue) {
    test::SetVariable(kName, "first");
    EXPECT_EQ(Option(), "first");
    test::SetVariable(kName, "second, with = and spaces ~");
    EXPECT_EQ(Option(), "second, with = and spaces ~");
}

TEST_F(GetOptionTest, NeedsRoomForTheWholeValue) {
    test::SetVariable(kName, "1234567");
    EXPECT_EQ(Option<8>(), "1234567");
    EXPECT_EQ(Option<7>(), "(none)");
    EXPECT_EQ(Option<1>(), "(none)");
    test::SetVariable(kName, std::string(5000, 'x').c_str());
    EXPECT_EQ(Option<4096>(), "(none)");
}

TEST_F(GetOptionTest, RefusesWhatIsNotAscii) {
    test::SetVariable(kName, "caf\xc3\xa9");
    EXPECT_EQ(Option(), "(none)");
}

TEST_F(GetOptionTest, PreservesErrorMarks) {
    test::UnsetVariable(kName);
    errno = EDOM;
    SetLastErrorCode(99);
    EXPECT_EQ(Option(), "(none)");
    EXPECT_EQ(GetLastErrorCode(), 99u);
    EXPECT_EQ(errno, EDOM);
}

TEST(Milliseconds, RunsAtTheRightSpeed) {
    const auto clock = [] { return std::chrono::steady_clock::now(); };
    const uint64_t before = Milliseconds();
    const auto start = clock();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const uint64_t after = Milliseconds();
    const auto real =
        std::chrono::duration_cast<std::chrono::milliseconds>(clock() - start).count();
    EXPECT_GE(after - before, 80u);
    EXPECT_LE(after - before, static_cast<uint64_t>(real) + 40);
}

TEST(Milliseconds, NeverGoesBack) {
    uint64_t last = Milliseconds();
    for (int i = 0; i < 100'000; ++i) {
        const uint64_t now = Milliseconds();
        ASSERT_GE(now, last);
        last = now;
    }
}

TEST(RandomBits, DifferEveryTime) {
    std::set<uint64_t> seen;
    uint64_t ones = 0;
    uint64_t zeros = 0;
    for (int i = 0; i < 200; ++i) {
        const uint64_t bits = RandomBits();
        seen.insert(bits);
        ones |= bits;
        zeros |= ~bits;
    }
    EXPECT_EQ(seen.size(), 200u);
    EXPECT_EQ(ones, UINT64_MAX) << "a bit is never set";
    EXPECT_EQ(zeros, UINT64_MAX) << "a bit is always set";
}

TEST(LastError, OneForEachThread) {
    std::atomic<int> step{0};
    std::thread other([&] {
        while (step.load() != 1) SpinPause();
        SetLastErrorCode(22);
        step.store(2);
        while (step.load() != 3) SpinPause();
        EXPECT_EQ(GetLastErrorCode(), 22u);
    });
    SetLastErrorCode(11);
    step.store(1);
    while (step.load() != 2) SpinPause();
    EXPECT_EQ(GetLastErrorCode(), 11u);
    step.store(3);
    other.join();
}

TEST(LastError, HasTheWindowsCodes) {
    errno = 0;
    SetOutOfMemoryError();
    EXPECT_EQ(GetLastErrorCode(), 8u);  // ERROR_NOT_ENOUGH_MEMORY
#ifndef _WIN32
    EXPECT_EQ(errno, ENOMEM);
#endif
    SetInvalidArgumentError();
    EXPECT_EQ(GetLastErrorCode(), 87u);  // ERROR_INVALID_PARAMETER
#ifndef _WIN32
    EXPECT_EQ(errno, EINVAL);
#endif
}

TEST(Process, IdIsNotZero) { EXPECT_NE(ProcessId(), 0u); }

class ProcessDeathTest : public test::DeathTest {};

TEST_F(ProcessDeathTest, WriteStandardErrorWritesJustThat) {
    const auto text = [](const char* whole) {
        return ::testing::Matcher<const std::string&>(::testing::Eq(std::string(whole)));
    };
    EXPECT_EXIT(
        {
            WriteStandardError("some text", 4);
            WriteStandardError("", 0);
            WriteStandardError(" and more", 9);
            std::_Exit(3);
        },
        ::testing::ExitedWithCode(3), text("some and more"));
}

TEST_F(ProcessDeathTest, FailFastEndsAtOnce) {
    EXPECT_FATAL_TEXT(
        {
            std::atexit([] { WriteStandardError("a handler ran", 13); });
            FailFast();
        },
        "");
}

#ifdef _WIN32
TEST_F(ProcessDeathTest, RaiseNoMemoryIsAStructuredException) {
    constexpr int kNoMemory = static_cast<int>(0xC0000017);
    EXPECT_EXIT(RaiseNoMemory(48), ::testing::ExitedWithCode(kNoMemory), "");
    constexpr int kAccessViolation = static_cast<int>(0xC0000005);
    EXPECT_EXIT(RaiseAccessViolation(nullptr), ::testing::ExitedWithCode(kAccessViolation), "");
}
#else
TEST_F(ProcessDeathTest, FailFastPassesOverTheProgramsHandler) {
    EXPECT_FATAL_TEXT(
        {
            std::signal(SIGABRT, [](int) { WriteStandardError("a handler ran", 13); });
            FailFast();
        },
        "");
}

TEST_F(ProcessDeathTest, RaiseNoMemoryIsFatalWithoutExceptions) {
    EXPECT_FATAL(RaiseNoMemory(48),
                 "^strata: fatal: out of memory: 48 bytes .* exceptions enabled\n$");
    EXPECT_FATAL(RaiseAccessViolation(nullptr), "^strata: fatal: use of invalid heap handle ");
}
#endif

}  // namespace
}  // namespace strata::os
