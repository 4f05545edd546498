// Who sets the error mode of which process, and when. Wine's processes do not inherit it, Windows'
// do.
#include <gtest/gtest.h>

#include "override/quiet_errors.h"

namespace strata::override {
namespace {

// Stands for the process' own.
UINT g_mode = 0;

const ErrorModeCalls kCalls = {[]() -> UINT { return g_mode; },
                               [](UINT mode) -> UINT {
                                   const UINT before = g_mode;
                                   g_mode = mode;
                                   return before;
                               }};

TEST(ErrorMode, IsQuietWhileAProcessIsCreated) {
    g_mode = SEM_NOOPENFILEERRORBOX;
    QuietErrors quiet(kCalls);
    const ErrorModes modes = quiet.Enter();
    EXPECT_EQ(SEM_NOOPENFILEERRORBOX | kQuietErrors, g_mode);
    EXPECT_EQ(g_mode, modes.quiet);
    EXPECT_EQ(UINT{SEM_NOOPENFILEERRORBOX}, modes.right);
    quiet.Leave();
    EXPECT_EQ(UINT{SEM_NOOPENFILEERRORBOX}, g_mode);
}

TEST(ErrorMode, StaysQuietForTheLastOfSeveralThreads) {
    g_mode = 0;
    QuietErrors quiet(kCalls);
    quiet.Enter();
    const ErrorModes second = quiet.Enter();
    EXPECT_EQ(0u, second.right) << "not what the first has made of it";
    quiet.Leave();
    EXPECT_EQ(kQuietErrors, g_mode);
    quiet.Leave();
    EXPECT_EQ(0u, g_mode);
}

TEST(ErrorMode, WhatTheProgramSetsMeanwhileStays) {
    g_mode = 0;
    QuietErrors quiet(kCalls);
    quiet.Enter();
    g_mode = SEM_NOOPENFILEERRORBOX;
    quiet.Leave();
    EXPECT_EQ(UINT{SEM_NOOPENFILEERRORBOX}, g_mode);
}

TEST(ErrorMode, IsPutBackWhereItWasInherited) {
    const ErrorModes modes = {kQuietErrors, SEM_NOOPENFILEERRORBOX};
    g_mode = kQuietErrors;
    RestoreErrorMode(modes, kCalls);
    EXPECT_EQ(UINT{SEM_NOOPENFILEERRORBOX}, g_mode);
    // The default was asked for, or the system does not hand modes on.
    g_mode = 0;
    RestoreErrorMode(modes, kCalls);
    EXPECT_EQ(0u, g_mode);
    g_mode = kQuietErrors;
    RestoreErrorMode({kQuietErrors, kQuietErrors}, kCalls);
    RestoreErrorMode({}, kCalls);
    EXPECT_EQ(kQuietErrors, g_mode);
}

}  // namespace
}  // namespace strata::override
