#include "override/crt_table.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>

#include "override/redirect.h"

namespace strata::override {
namespace {

TEST(CrtTableTest, NamesOccurOnce) {
    std::set<std::string> names;
    for (const CrtFunction& function : kCrtFunctions) {
        EXPECT_TRUE(names.insert(function.name).second) << function.name;
    }
    EXPECT_LE(kCrtFunctionCount, kMaxRedirects);
}

// The original of a kind is the first of its functions that is redirected.
TEST(CrtTableTest, TheNeededFunctionsComeFirst) {
    bool optional = false;
    for (const CrtFunction& function : kCrtFunctions) {
        EXPECT_FALSE(optional && function.needed) << function.name;
        optional |= !function.needed;
    }
}

TEST(CrtTableTest, EveryKindHasAFunctionAndReplacementsOfItsOwn) {
    std::set<const void*> replacements;
    for (size_t kind = 0; kind < kCrtKinds; ++kind) {
        bool found = false;
        for (const CrtFunction& function : kCrtFunctions) found |= Index(function.kind) == kind;
        EXPECT_TRUE(found) << kCrtKindNames[kind];
        for (size_t crt = 0; crt < kCrtCount; ++crt) {
            for (const bool counting : {false, true}) {
                const void* const replacement =
                    CrtReplacement(crt, static_cast<CrtKind>(kind), counting);
                ASSERT_NE(nullptr, replacement);
                EXPECT_TRUE(replacements.insert(replacement).second) << kCrtKindNames[kind];
            }
        }
    }
}

// The debug runtime's entries have other parameters, and blocks with a header.
TEST(CrtTableTest, NothingOfTheDebugRuntime) {
    for (const CrtFunction& function : kCrtFunctions) {
        EXPECT_EQ(nullptr, std::strstr(function.name, "_dbg")) << function.name;
        EXPECT_EQ(nullptr, std::strstr(function.name, "aligned")) << function.name;
    }
}

}  // namespace
}  // namespace strata::override
