// Death tests whose outcome differs by platform.
#pragma once

#include <gtest/gtest.h>

#include <string>

#ifndef _WIN32
#include <csignal>
#endif

namespace strata::test {

#ifdef _WIN32
// os::FailFast: STATUS_STACK_BUFFER_OVERRUN, the status of every __fastfail.
inline constexpr int kFailFastStatus = static_cast<int>(0xC0000409);
inline ::testing::ExitedWithCode FailedFast() { return ::testing::ExitedWithCode(kFailFastStatus); }
#else
inline ::testing::KilledBySignal FailedFast() { return ::testing::KilledBySignal(SIGABRT); }
#endif

// A fixture for them: the child starts afresh instead of being forked out of a program with
// threads.
class DeathTest : public ::testing::Test {
protected:
    void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

}  // namespace strata::test

// The statement ends in os::FailFast after a line on standard error that matches `message`.
#define EXPECT_FATAL(statement, message) \
    EXPECT_EXIT(statement, ::strata::test::FailedFast(), message)

// The statement touches memory that is not there. Nothing is asked of the text and the exit code:
// sanitizers report such a fault in their own way.
#define EXPECT_FAULT(statement) EXPECT_DEATH(statement, "")

// The same with the exact text, which may hold characters that mean something in a pattern.
#define EXPECT_FATAL_TEXT(statement, text)               \
    EXPECT_EXIT(statement, ::strata::test::FailedFast(), \
                ::testing::Matcher<const std::string&>(::testing::Eq(std::string(text))))
