// Options from the environment.
#include "heap/options.h"

#include <gtest/gtest.h>

#include "arena/purge_policy.h"
#include "heap/modes.h"
#include "support/environment.h"

namespace strata::heap {
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
    EXPECT_STREQ(complaints_.text(),
                 "strata: option STRATA_DECAY_MS=soon is not a whole number from 0 to 30000; "
                 "the default is used\n"
                 "strata: option STRATA_RETAIN_KB=-5 is not a whole number from 0 to 4294967296; "
                 "the default is used\n"
                 "strata: option STRATA_HARDENED=2 is not a whole number from 0 to 1; "
                 "the default is used\n");
}

}  // namespace
}  // namespace strata::heap
