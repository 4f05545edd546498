// Random operations on large runs, alone and on many threads: patterns are kept, zero is zero.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "slab/large_run.h"
#include "support/model.h"
#include "support/process_fixture.h"

namespace strata::slab {
namespace {

class LargeRunStorm : public test::ProcessFixture {};

struct Live {
    LargeRun* run;
    uint64_t seed;
};

// The pattern stands in the first and the last bytes, so that large sizes cost little.
constexpr size_t kMark = 64;

void Write(const Live& live) {
    const size_t bytes = live.run->requested.load();
    if (bytes < 2 * kMark) return;
    test::FillPattern(live.run->base, kMark, live.seed);
    test::FillPattern(live.run->base + bytes - kMark, kMark, live.seed);
}

bool Holds(const Live& live, size_t bytes) {
    if (bytes < 2 * kMark) return true;
    return test::FindPatternBreak(live.run->base, kMark, live.seed) == kMark &&
           test::FindPatternBreak(live.run->base + bytes - kMark, kMark, live.seed) == kMark;
}

void Storm(uint64_t seed, int steps) {
    test::Random random(seed);
    std::vector<Live> lives;
    for (int step = 0; step < steps; ++step) {
        const size_t bytes = random.Skewed(random.OneIn(50) ? 40 << 20 : 600'000);
        const bool zero = random.OneIn(2);
        if (lives.size() < 12 && !random.OneIn(3)) {
            const size_t alignment = size_t{1} << random.Below(20);
            const Live live = {
                AllocateRun(
                    {.bytes = bytes, .alignment = alignment, .zero = zero, .heap = nullptr}),
                random.Next()};
            ASSERT_NE(live.run, nullptr);
            ASSERT_EQ(AddressOf(live.run->base) % alignment, 0u);
            if (zero) {
                ASSERT_EQ(test::FindNonZero(live.run->base, 0, bytes), bytes);
            }
            Write(live);
            lives.push_back(live);
            continue;
        }
        if (lives.empty()) continue;
        const size_t at = random.Below(lives.size());
        const Live live = lives[at];
        const size_t old = live.run->requested.load();
        ASSERT_TRUE(Holds(live, old));
        if (random.OneIn(2)) {
            if (ResizeRun(*live.run, bytes, zero)) {
                const size_t kept = old < bytes ? old : bytes;
                if (kept >= kMark && old >= 2 * kMark) {
                    ASSERT_EQ(test::FindPatternBreak(live.run->base, kMark, live.seed), kMark);
                }
                if (zero) {
                    ASSERT_EQ(test::FindNonZero(live.run->base, kept, bytes), bytes);
                }
                ASSERT_EQ(live.run->requested.load(), bytes);
            } else {
                ASSERT_TRUE(Holds(live, old));
            }
            Write(live);
        } else {
            lives[at] = lives.back();
            lives.pop_back();
            ASSERT_TRUE(MarkFree(*live.run));
            FreeRun(live.run);
        }
        if (random.OneIn(300)) PurgeRuns(os::Milliseconds(), random.OneIn(2));
        if (random.OneIn(300)) arena::PurgeEverything();
    }
    for (const Live& live : lives) {
        ASSERT_TRUE(MarkFree(*live.run));
        FreeRun(live.run);
    }
}

TEST_F(LargeRunStorm, OnOneThread) {
    Storm(1, 2000);
    Purge();
    EXPECT_EQ(Committed(), 0u);
    EXPECT_EQ(DirectCommitted(), 0u);
    EXPECT_EQ(arena::g_arenas.NextOwned(0, kRunOwner), nullptr);
}

TEST_F(LargeRunStorm, OnManyThreads) {
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < 4; ++t) threads.emplace_back([t] { Storm(t + 10, 500); });
    for (std::thread& thread : threads) thread.join();
    Purge();
    EXPECT_EQ(Committed(), 0u);
    EXPECT_EQ(DirectCommitted(), 0u);
    EXPECT_EQ(arena::g_arenas.NextOwned(0, kRunOwner), nullptr);
}

}  // namespace
}  // namespace strata::slab
