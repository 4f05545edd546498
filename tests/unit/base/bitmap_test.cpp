#include "base/bitmap.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/model.h"

namespace strata {
namespace {

constexpr size_t kBits = 512;
using Map = Bitmap<kBits>;

TEST(Bitmap, StartsEmpty) {
    const Map map;
    for (size_t i = 0; i < kBits; ++i) EXPECT_FALSE(map.Test(i));
    EXPECT_EQ(map.FindSet(0), Map::kNone);
    EXPECT_EQ(map.FindClear(0), 0u);
    EXPECT_FALSE(map.AnyInRange(0, kBits));
}

TEST(Bitmap, AnEmptyRangeChangesNothing) {
    Map map;
    map.SetRange(100, 0);
    EXPECT_EQ(map.FindSet(0), Map::kNone);
    map.SetRange(0, kBits);
    map.ClearRange(kBits, 0);
    EXPECT_EQ(map.FindClear(0), Map::kNone);
    EXPECT_FALSE(map.AnyInRange(64, 0));
}

// Every range against every word boundary.
TEST(Bitmap, RangesSetAndClearExactlyTheirMembers) {
    for (size_t first : {0, 1, 62, 63, 64, 65, 127, 128, 300, 447, 448, 511}) {
        for (size_t count : {1, 2, 63, 64, 65, 128, 130, 212, 512}) {
            if (first + count > kBits) continue;
            Map map;
            map.SetRange(first, count);
            Map inverse;
            inverse.SetRange(0, kBits);
            inverse.ClearRange(first, count);
            for (size_t i = 0; i < kBits; ++i) {
                const bool inside = i >= first && i < first + count;
                ASSERT_EQ(map.Test(i), inside) << first << '+' << count << " at " << i;
                ASSERT_EQ(inverse.Test(i), !inside) << first << '+' << count << " at " << i;
            }
            EXPECT_EQ(map.FindSet(0), first);
            EXPECT_EQ(inverse.FindClear(0), first);
            EXPECT_EQ(map.FindSet(first + count), Map::kNone);
            EXPECT_EQ(inverse.FindClear(first + count), Map::kNone);
            EXPECT_FALSE(map.AnyInRange(0, first));
            EXPECT_FALSE(map.AnyInRange(first + count, kBits - first - count));
            EXPECT_TRUE(map.AnyInRange(first + count - 1, 1));
        }
    }
}

TEST(Bitmap, SearchesStopAtTheEnd) {
    Map map;
    EXPECT_EQ(map.FindSet(kBits), Map::kNone);
    EXPECT_EQ(map.FindClear(kBits), Map::kNone);
    map.SetRange(kBits - 1, 1);
    EXPECT_EQ(map.FindSet(0), kBits - 1);
    EXPECT_EQ(map.FindClear(kBits - 1), Map::kNone);
}

TEST(Bitmap, FindClearRunHonoursAlignment) {
    Map map;
    EXPECT_EQ(map.FindClearRun(kBits, 1), 0u);
    map.SetRange(0, 1);
    EXPECT_EQ(map.FindClearRun(1, 1), 1u);
    EXPECT_EQ(map.FindClearRun(1, 8), 8u);
    EXPECT_EQ(map.FindClearRun(4, 128), 128u);
    EXPECT_EQ(map.FindClearRun(kBits, 1), Map::kNone);
    EXPECT_EQ(map.FindClearRun(kBits - 1, 1), 1u);
    EXPECT_EQ(map.FindClearRun(kBits - 1, 2), Map::kNone);
    map.SetRange(0, kBits);
    EXPECT_EQ(map.FindClearRun(1, 1), Map::kNone);
    map.ClearRange(kBits - 3, 3);
    EXPECT_EQ(map.FindClearRun(3, 1), kBits - 3);
    EXPECT_EQ(map.FindClearRun(3, 2), Map::kNone);
    EXPECT_EQ(map.FindClearRun(2, 2), kBits - 2);
}

// Against a plain vector, with random contents.
TEST(Bitmap, AgreesWithASlowModel) {
    test::Random random(1);
    Map map;
    std::vector<bool> model(kBits, false);
    for (int round = 0; round < 4000; ++round) {
        const size_t first = random.Below(kBits);
        const size_t count =
            random.Below(std::min<size_t>(kBits - first, 1 + random.Below(90)) + 1);
        const bool set = random.OneIn(2);
        set ? map.SetRange(first, count) : map.ClearRange(first, count);
        bool any = false;
        for (size_t i = first; i < first + count; ++i) model[i] = set;
        const size_t from = random.Below(kBits);
        const size_t wide = random.Below(kBits - from + 1);
        for (size_t i = from; i < from + wide; ++i) any |= model[i];
        ASSERT_EQ(map.AnyInRange(from, wide), any);
        size_t next_set = from;
        while (next_set < kBits && !model[next_set]) ++next_set;
        size_t next_clear = from;
        while (next_clear < kBits && model[next_clear]) ++next_clear;
        ASSERT_EQ(map.FindSet(from), next_set);
        ASSERT_EQ(map.FindClear(from), next_clear);

        const size_t want = 1 + random.Below(40);
        const size_t alignment = size_t{1} << random.Below(6);
        size_t expected = Map::kNone;
        for (size_t at = 0; at + want <= kBits && expected == Map::kNone; at += alignment) {
            size_t run = 0;
            while (run < want && !model[at + run]) ++run;
            if (run == want) expected = at;
        }
        ASSERT_EQ(map.FindClearRun(want, alignment), expected) << want << " at " << alignment;
    }
}

}  // namespace
}  // namespace strata
