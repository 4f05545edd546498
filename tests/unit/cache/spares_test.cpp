#include "cache/spares.h"

#include <gtest/gtest.h>

#include "support/process_fixture.h"

namespace strata::cache {
namespace {

class SparesTest : public test::ProcessFixture {};

TEST_F(SparesTest, AreHandedOutAgain) {
    Spares spares = {};
    Magazine* const small = spares.Create(3);
    Magazine* const large = spares.Create(127);
    ASSERT_TRUE(small != nullptr && large != nullptr);
    spares.Destroy(small);
    spares.Destroy(large);
    EXPECT_EQ(spares.Create(127), large) << "each capacity for itself";
    EXPECT_EQ(large->next, nullptr);
    EXPECT_EQ(spares.Create(3), small);
    spares.Destroy(small);
    spares.Destroy(large);
    EXPECT_EQ(spares.size(), 2u);
    spares.Clear();
    EXPECT_EQ(spares.size(), 0u);
}

TEST_F(SparesTest, AreFew) {
    Spares spares = {};
    Magazine* magazines[100];
    for (Magazine*& magazine : magazines) magazine = spares.Create(7);
    for (Magazine* magazine : magazines) spares.Destroy(magazine);
    EXPECT_LE(spares.size(), 8u);
    spares.Clear();
}

TEST_F(SparesTest, SurviveEveryFailure) {
    Spares spares = {};
    test::FaultInjector faults(arena::g_memory);
    Magazine* magazine = nullptr;
    test::FailEachInTurn(faults, test::kTakingMemory, true,
                         [&](size_t) { magazine = spares.Create(kMaxMagazineEntries); });
    ASSERT_NE(magazine, nullptr);
    spares.Destroy(magazine);
    spares.Clear();
}

}  // namespace
}  // namespace strata::cache
