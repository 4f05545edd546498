// Runs what headers_c_test.c compiled as C. The other headers stand first in the tests of their own
// functions, so that each is known to compile alone.
#include <strata/override.h>

#include <gtest/gtest.h>

extern "C" int strata_test_from_c(void);

TEST(Headers, WorkFromC) { EXPECT_EQ(strata_test_from_c(), 0); }

TEST(Headers, OverrideInfoIsOfAFixedSize) {
    // A program and a DLL of different versions exchange it.
    EXPECT_EQ(sizeof(StrataOverrideInfo), 256u);
}
