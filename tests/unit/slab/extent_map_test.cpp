#include "slab/extent_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace strata::slab {
namespace {

constexpr size_t kNone = ExtentMap::kNone;

class ExtentMapTest : public ::testing::Test {
protected:
    // First-fit over a plain list of all extents: what the map must agree with.
    std::map<size_t, ExtentMap::Extent> Extents() const {
        std::map<size_t, ExtentMap::Extent> extents;
        for (size_t i = 0; i < map_.size();) {
            extents[i] = map_.At(i);
            i = extents[i].end();
        }
        return extents;
    }
    size_t FirstFit(size_t count, size_t step, size_t phase) const {
        for (const auto& [first, extent] : Extents()) {
            const size_t place = RoundUp(first + phase, step) - phase;
            if (!extent.live && place + count <= extent.end()) return place;
        }
        return kNone;
    }

    std::vector<uint8_t> bytes_ = std::vector<uint8_t>(1 << 16, 0xcc);
    ExtentMap map_{bytes_.data()};
};

TEST_F(ExtentMapTest, GrowsByFreeGranules) {
    EXPECT_EQ(map_.Find(1, 1, 0), kNone);
    map_.Grow(1);
    EXPECT_EQ(map_.FreeAtEnd(), 1u);
    map_.Grow(11);
    map_.Grow(1);
    map_.Grow(1000);
    EXPECT_EQ(map_.At(0).count, 1013u);
    EXPECT_FALSE(map_.At(0).live);
    EXPECT_TRUE(map_.IsConsistent());
    EXPECT_EQ(map_.Find(1013, 1, 0), 0u);
    EXPECT_EQ(map_.Find(1014, 1, 0), kNone);
}

TEST_F(ExtentMapTest, EveryLengthIsReadBackFromBothEnds) {
    map_.Grow(60'000);
    std::vector<size_t> firsts;
    for (size_t count = 1; count <= 300; ++count) {
        const size_t place = map_.Find(count, 1, 0);
        ASSERT_NE(place, kNone);
        map_.Take(place, count, static_cast<uint8_t>(count % 64));
        firsts.push_back(place);
    }
    for (size_t count = 1; count <= 300; ++count) {
        const size_t first = firsts[count - 1];
        EXPECT_EQ(map_.At(first).count, count);
        EXPECT_TRUE(map_.IsLive(first));
        EXPECT_EQ(map_.Mark(first), count % 64);
        for (size_t i = first + 1; i < first + count; ++i) {
            ASSERT_FALSE(map_.IsHead(i)) << "a granule in the middle is nobody's beginning";
            ASSERT_EQ(map_.Around(i).first, first);
        }
    }
    EXPECT_TRUE(map_.IsConsistent());
    // Freed from the back, each merges with what is behind; from the front, with what is before.
    for (size_t i = 300; i > 150; --i) map_.Release(firsts[i - 1]);
    for (size_t i = 0; i < 150; ++i) map_.Release(firsts[i]);
    EXPECT_EQ(map_.At(0).count, 60'000u);
    EXPECT_TRUE(map_.IsConsistent());
}

TEST_F(ExtentMapTest, FindsAlignedPlaces) {
    map_.Grow(1000);
    map_.Take(0, 3, 0);
    EXPECT_EQ(map_.Find(4, 16, 0), 16u);
    EXPECT_EQ(map_.Find(4, 16, 5), 11u) << "the first granule is 5 steps behind a multiple";
    map_.Take(16, 4, 0);
    EXPECT_EQ(map_.At(3).count, 13u) << "what was left out stays free";
    EXPECT_TRUE(map_.IsConsistent());
}

TEST_F(ExtentMapTest, Resizes) {
    map_.Grow(100);
    map_.Take(0, 10, 7);
    map_.Take(10, 10, 8);
    EXPECT_FALSE(map_.Resize(0, 11)) << "somebody is behind";
    EXPECT_TRUE(map_.Resize(0, 4));
    EXPECT_EQ(map_.At(4).count, 6u);
    EXPECT_TRUE(map_.Resize(0, 10)) << "the whole gap";
    EXPECT_EQ(map_.Mark(0), 7);
    EXPECT_TRUE(map_.Resize(10, 90)) << "to the very end";
    EXPECT_FALSE(map_.Resize(10, 91));
    EXPECT_TRUE(map_.Resize(10, 1));
    EXPECT_TRUE(map_.IsConsistent());
    EXPECT_EQ(map_.FreeAtEnd(), 89u);
}

TEST_F(ExtentMapTest, Shrinks) {
    map_.Grow(50);
    map_.Take(0, 10, 0);
    map_.Shrink(15);
    EXPECT_EQ(map_.size(), 35u);
    EXPECT_EQ(map_.FreeAtEnd(), 25u);
    map_.Shrink(25);
    EXPECT_EQ(map_.FreeAtEnd(), 0u);
    EXPECT_EQ(map_.Find(1, 1, 0), kNone);
    map_.Grow(5);
    EXPECT_EQ(map_.Find(5, 1, 0), 10u);
    EXPECT_TRUE(map_.IsConsistent());
}

TEST_F(ExtentMapTest, AgreesWithFirstFitUnderRandomUse) {
    std::mt19937 random(20261122);
    std::map<size_t, uint8_t> live;
    const auto any = [&] { return std::next(live.begin(), random() % live.size())->first; };
    for (int step = 0; step < 40'000; ++step) {
        const size_t count = random() % 8 == 0 ? random() % 600 + 1 : random() % 20 + 1;
        switch (random() % 8) {
            case 0:
                if (map_.size() + 700 < bytes_.size()) map_.Grow(random() % 40 + 1);
                break;
            case 1:
                if (const size_t spare = map_.FreeAtEnd()) map_.Shrink(random() % spare + 1);
                break;
            case 2:
            case 3:
                if (!live.empty()) {
                    const size_t first = any();
                    ASSERT_EQ(map_.Mark(first), live[first]);
                    map_.Release(first);
                    live.erase(first);
                }
                break;
            case 4:
                if (!live.empty()) {
                    const size_t first = any();
                    const auto all = Extents();
                    size_t room = map_.At(first).count;
                    const auto behind = all.upper_bound(first);
                    if (behind != all.end() && !behind->second.live) room += behind->second.count;
                    ASSERT_EQ(map_.Resize(first, count), count <= room);
                    ASSERT_EQ(map_.Mark(first), live[first]);
                }
                break;
            default: {
                const size_t align = random() % 4 == 0 ? size_t{1} << random() % 6 : 1;
                const size_t phase = random() % align;
                const size_t place = map_.Find(count, align, phase);
                ASSERT_EQ(place, FirstFit(count, align, phase)) << step;
                if (place == kNone) break;
                live[place] = static_cast<uint8_t>(random() % 64);
                map_.Take(place, count, live[place]);
            }
        }
        if (step % 16 == 0) {
            ASSERT_TRUE(map_.IsConsistent()) << step;
        }
    }
    size_t seen = 0;
    for (const auto& [first, extent] : Extents()) seen += extent.live ? 1 : 0;
    EXPECT_EQ(seen, live.size());
}

}  // namespace
}  // namespace strata::slab
