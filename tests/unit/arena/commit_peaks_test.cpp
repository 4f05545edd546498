// How much was in use within the last epochs.
#include "arena/commit_peaks.h"

#include <gtest/gtest.h>

namespace strata::arena {
namespace {

TEST(CommitPeaksTest, RemembersTheHighestOfTheLastEpochs) {
    CommitPeaks peaks;
    EXPECT_EQ(peaks.Highest(100), 0u);
    peaks.Note(100, 7);
    peaks.Note(100, 9);
    peaks.Note(100, 8);
    EXPECT_EQ(peaks.Highest(100), 9u);
    peaks.Note(101, 5);
    for (uint64_t later = 1; later < kDecayEpochs; ++later) {
        EXPECT_EQ(peaks.Highest(100 + later), 9u);
    }
    EXPECT_EQ(peaks.Highest(100 + kDecayEpochs), 5u);
    EXPECT_EQ(peaks.Highest(101 + kDecayEpochs), 0u);
    peaks.Note(100 + kDecayEpochs, 3);
    EXPECT_EQ(peaks.Highest(100 + kDecayEpochs), 5u) << "took the place of 9";
}

}  // namespace
}  // namespace strata::arena
