#include "store/depot.h"

#include <gtest/gtest.h>

namespace strata::store {
namespace {

TEST(Depot, GivesBackTheLastFirst) {
    Depot depot;
    EXPECT_EQ(depot.Take(), nullptr);
    EXPECT_EQ(depot.magazines(), 0u);
    Magazine magazines[3] = {};
    for (uint32_t i = 0; i < 3; ++i) {
        EXPECT_TRUE(depot.Put(&magazines[i], i + 1, ClassOf(64)));
        EXPECT_EQ(depot.magazines(), i + 1);
    }
    for (uint32_t i = 3; i-- > 0;) {
        Magazine* const magazine = depot.Take();
        EXPECT_EQ(magazine, &magazines[i]);
        EXPECT_EQ(magazine->count, i + 1);
    }
    EXPECT_EQ(depot.Take(), nullptr);
    EXPECT_EQ(depot.magazines(), 0u);
}

TEST(Depot, RefusesMoreThanItsLimit) {
    for (const size_t size : {size_t{16}, size_t{10'000}, kMaxSlabBlock}) {
        const SizeClass size_class = ClassOf(size);
        const uint32_t limit = Depot::LimitOf(size_class);
        Depot depot;
        Magazine magazines[kMaxDepotMagazines + 1] = {};
        for (uint32_t i = 0; i < limit; ++i) ASSERT_TRUE(depot.Put(&magazines[i], 1, size_class));
        Magazine& refused = magazines[limit];
        refused.count = 77;
        EXPECT_FALSE(depot.HasRoom(size_class));
        EXPECT_FALSE(depot.Put(&refused, 1, size_class));
        EXPECT_EQ(refused.count, 77u) << "the caller keeps it as it was";
        EXPECT_EQ(depot.magazines(), limit);
        EXPECT_EQ(depot.Take(), &magazines[limit - 1]);
        EXPECT_TRUE(depot.HasRoom(size_class));
        EXPECT_TRUE(depot.Put(&refused, 1, size_class));
    }
}

TEST(Depot, SurplusIsWhatNobodyNeeded) {
    const SizeClass size_class = ClassOf(64);
    Depot depot;
    Magazine magazines[6] = {};
    for (Magazine& magazine : magazines) ASSERT_TRUE(depot.Put(&magazine, 1, size_class));
    EXPECT_EQ(depot.TakeSurplus(), 0u) << "it was empty a moment ago";
    EXPECT_EQ(depot.TakeSurplus(), 6u);
    for (int i = 0; i < 4; ++i) depot.Take();
    ASSERT_TRUE(depot.Put(&magazines[0], 1, size_class));
    EXPECT_EQ(depot.TakeSurplus(), 2u) << "the fewest since the last call";
    EXPECT_EQ(depot.TakeSurplus(), 3u);
    EXPECT_EQ(depot.magazines(), 3u) << "to ask takes nothing";
}

TEST(Depot, LimitsAreInMagazinesAndInBytes) {
    for (size_t i = 0; i < kSizeClasses; ++i) {
        const ClassInfo& info = kClassTable[i];
        const uint32_t limit = Depot::LimitOf(static_cast<SizeClass>(i));
        const size_t bytes = size_t{info.magazine_max} * info.spacing;
        EXPECT_GE(limit, 1u) << i;
        EXPECT_LE(limit, kMaxDepotMagazines) << i;
        EXPECT_LE(limit * bytes, kMaxDepotBytes) << i;
        if (limit < kMaxDepotMagazines) {
            EXPECT_GT((limit + 1) * bytes, kMaxDepotBytes) << i;
        }
    }
}

TEST(Depot, ItsLockIsItsUsersConcern) {
    Depot depot;
    const os::LockGuard guard(depot.lock);
    EXPECT_EQ(depot.Take(), nullptr) << "no function of the depot locks";
}

}  // namespace
}  // namespace strata::store
