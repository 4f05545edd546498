// Options from the environment.
#include "heap/options.h"

#include <gtest/gtest.h>

#include "arena/purge_policy.h"
#include "base/constants.h"
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
        test::UnsetVariable("STRATA_DECAY_MS");
        test::UnsetVariable("STRATA_RETAIN_KB");
        arena::g_purge_policy.decay_epochs = decay_epochs_;
        arena::g_purge_policy.retained_slices = retained_slices_;
    }
    const uint32_t decay_epochs_ = arena::g_purge_policy.decay_epochs;
    const size_t retained_slices_ = arena::g_purge_policy.retained_slices;
};

TEST_F(OptionsFromEnvironment, SetThePurge) {
    test::SetVariable("STRATA_DECAY_MS", "1000");
    test::SetVariable("STRATA_RETAIN_KB", "640");
    ReadOptions();
    EXPECT_EQ(arena::g_purge_policy.decay_epochs, 8u) << "epochs of 128 ms, rounded up";
    EXPECT_EQ(arena::g_purge_policy.retained_slices, 10u);
}

TEST_F(OptionsFromEnvironment, NonsenseChangesNothing) {
    test::SetVariable("STRATA_DECAY_MS", "soon");
    test::SetVariable("STRATA_RETAIN_KB", "-5");
    ReadOptions();
    EXPECT_EQ(arena::g_purge_policy.decay_epochs, decay_epochs_);
    EXPECT_EQ(arena::g_purge_policy.retained_slices, retained_slices_);
}

}  // namespace
}  // namespace strata::heap
