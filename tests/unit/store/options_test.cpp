// Options from the environment.
#include "store/options.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "arena/purge_policy.h"
#include "heap/heap.h"
#include "store/modes.h"
#include "support/environment.h"

namespace strata::store {
namespace {

TEST(Options, WholeNumbers) {
    uint64_t value = 99;
    EXPECT_TRUE(ParseNumber("0", 10, value));
    EXPECT_EQ(value, 0u);
    EXPECT_TRUE(ParseNumber("10", 10, value));
    EXPECT_EQ(value, 10u);
    EXPECT_TRUE(ParseNumber("007", 10, value));
    EXPECT_EQ(value, 7u);
    EXPECT_TRUE(ParseNumber("18446744073709551615", UINT64_MAX, value));
    EXPECT_EQ(value, UINT64_MAX);
}

TEST(Options, EverythingElseIsRefused) {
    uint64_t value = 99;
    for (const char* text : {"", " ", "1 ", " 1", "-1", "+1", "1.0", "0x10", "ten", "1k"}) {
        EXPECT_FALSE(ParseNumber(text, 1000, value)) << '"' << text << '"';
    }
    EXPECT_FALSE(ParseNumber("11", 10, value));
    EXPECT_FALSE(ParseNumber("5", 4, value));
    EXPECT_FALSE(ParseNumber("18446744073709551616", UINT64_MAX, value));
    EXPECT_FALSE(ParseNumber("99999999999999999999999999", UINT64_MAX, value));
    EXPECT_EQ(value, 99u) << "untouched";
}

class OptionsFromEnvironment : public testing::Test {
protected:
    void TearDown() override {
        for (const char* name : {"STRATA_DECAY_MS", "STRATA_RETAIN_KB", "STRATA_HARDENED",
                                 "STRATA_GUARD_SAMPLE", "STRATA_GUARD_BLOCKS"}) {
            test::UnsetVariable(name);
        }
    }
    os::TextBuffer<1024> complaints_;
};

TEST_F(OptionsFromEnvironment, SetThePurge) {
    test::SetVariable("STRATA_DECAY_MS", "1000");
    test::SetVariable("STRATA_RETAIN_KB", "640");
    const arena::PurgePolicy policy = ReadPurgePolicy(complaints_);
    EXPECT_EQ(policy.decay_epochs, 8u) << "epochs of 128 ms, rounded up";
    EXPECT_EQ(policy.retained_slices, 10u);
    EXPECT_STREQ(complaints_.text(), "");
}

TEST_F(OptionsFromEnvironment, SetTheModes) {
    test::SetVariable("STRATA_HARDENED", "1");
    test::SetVariable("STRATA_GUARD_SAMPLE", "1000");
    test::SetVariable("STRATA_GUARD_BLOCKS", "5");
    const Modes modes = ReadModes(complaints_);
    EXPECT_TRUE(modes.hardened);
    EXPECT_FALSE(modes.page_heap);
    EXPECT_EQ(modes.sample_period, 1000u);
    EXPECT_EQ(modes.guarded_blocks, 5u);
    EXPECT_STREQ(complaints_.text(), "");
}

TEST_F(OptionsFromEnvironment, NonsenseChangesNothingAndIsSaid) {
    test::SetVariable("STRATA_DECAY_MS", "soon");
    test::SetVariable("STRATA_RETAIN_KB", "-5");
    test::SetVariable("STRATA_HARDENED", "2");
    const arena::PurgePolicy policy = ReadPurgePolicy(complaints_);
    EXPECT_EQ(policy.decay_epochs, arena::PurgePolicy{}.decay_epochs);
    EXPECT_EQ(policy.retained_slices, arena::PurgePolicy{}.retained_slices);
    EXPECT_FALSE(ReadModes(complaints_).hardened);
    EXPECT_STREQ(
        complaints_.text(),
        "strata: option STRATA_DECAY_MS=soon is not a whole number from 0 to 30000; "
        "the default is used\n"
        "strata: option STRATA_RETAIN_KB=-5 is not a whole number from 0 to 4294967296; "
        "the default is used\n"
        "strata: option STRATA_HARDENED=2 is neither on (1, on, yes, true) nor off (0, off, "
        "no, false); the default is used\n");
}

TEST(Options, SwitchesAreOnOrOff) {
    for (const char* const on : {"1", "on", "yes", "true", "ON", "Yes", "TRUE"}) {
        bool value = false;
        EXPECT_TRUE(ParseSwitch(on, value)) << on;
        EXPECT_TRUE(value) << on;
    }
    for (const char* const off : {"0", "off", "no", "false", "Off", "NO", "False"}) {
        bool value = true;
        EXPECT_TRUE(ParseSwitch(off, value)) << off;
        EXPECT_FALSE(value) << off;
    }
    for (const char* const neither : {"", "2", "10", "o", "onn", " on", "on ", "y", "enabled"}) {
        for (const bool before : {false, true}) {
            bool value = before;
            EXPECT_FALSE(ParseSwitch(neither, value)) << neither;
            EXPECT_EQ(value, before) << "untouched";
        }
    }
}

TEST_F(OptionsFromEnvironment, EmptyIsNotSet) {
    test::SetVariable("STRATA_HARDENED", "");
    test::SetVariable("STRATA_DECAY_MS", "");
    EXPECT_FALSE(ReadModes(complaints_).hardened);
    ReadPurgePolicy(complaints_);
    EXPECT_STREQ(complaints_.text(), "");
}

TEST_F(OptionsFromEnvironment, WhatIsTooLongOrNotAsciiIsSaid) {
    test::SetVariable("STRATA_HARDENED", std::string(100, '1').c_str());
    test::SetVariable("STRATA_GUARD_SAMPLE", "\xc3\xa9");
    EXPECT_FALSE(ReadModes(complaints_).hardened);
    EXPECT_NE(std::strstr(complaints_.text(), "STRATA_HARDENED=... is neither"), nullptr);
    EXPECT_NE(std::strstr(complaints_.text(), "STRATA_GUARD_SAMPLE=... is not"), nullptr);
}

class NamesInTheEnvironment : public testing::Test {
protected:
    const char* Check(const char* name) {
        complaints_.Clear();
        test::SetVariable(name, "1");
        CheckNames(complaints_);
        test::UnsetVariable(name);
        return complaints_.text();
    }
    os::TextBuffer<1024> complaints_;
};

TEST_F(NamesInTheEnvironment, ThoseSpelledWrongAreSaidWithTheNearest) {
    EXPECT_STREQ(Check("STRATA_HARDEND"),
                 "strata: STRATA_HARDEND is no option; is STRATA_HARDENED meant?\n");
    EXPECT_STREQ(Check("STRATA_DECAY"),
                 "strata: STRATA_DECAY is no option; is STRATA_DECAY_MS meant?\n");
    EXPECT_STREQ(Check("STRATA_GUARD_SAMPEL"),
                 "strata: STRATA_GUARD_SAMPEL is no option; is STRATA_GUARD_SAMPLE meant?\n");
    EXPECT_STREQ(Check("STRATA_SOMETHING_ELSE"), "strata: STRATA_SOMETHING_ELSE is no option\n");
}

TEST_F(NamesInTheEnvironment, NothingIsSaidOfOthers) {
    for (const char* const name :
         {"STRATA_HARDENED", "STRATA_STATS_FILE", "STRATA_LOG", "STRATA_WINEPREFIX", "STRATA_JOBS",
          "STRATA_TEST_EFFORT", "STRATA", "STRATAGEM", "PATH_STRATA_X"}) {
        EXPECT_STREQ(Check(name), "") << name;
    }
}

TEST(Options, AreShownAsTheyAreInForce) {
    ASSERT_TRUE(heap::Initialize());
    os::TextBuffer<512> text;
    PutOptions(text);
    for (const char* const shown : {"STRATA_HARDENED=", "STRATA_PAGE_HEAP=", "STRATA_GUARD_SAMPLE=",
                                    "STRATA_DECAY_MS=", "STRATA_RETAIN_KB="}) {
        EXPECT_NE(std::strstr(text.text(), shown), nullptr) << text.text();
    }
}

}  // namespace
}  // namespace strata::store
