// churn<working set>/<least>..<most>: a table of live blocks that hold so many bytes in all; again
// and again a slot is picked at random, its block freed, and one of a random size put there. Sizes
// are spread evenly over their logarithm.
#include <cmath>
#include <random>
#include <vector>

#include "micro.h"

namespace bench {

namespace {

struct Range {
    size_t working_set;
    size_t least;
    size_t most;
};

struct Step {
    uint32_t slot;
    uint32_t size;
};

// Drawn once, gone through again and again. More steps than the largest table has slots, or part of
// that would never be looked at again.
constexpr size_t kSteps = size_t{2} << 20;

size_t Slots(const Range& range) {
    const auto least = static_cast<double>(range.least);
    const auto most = static_cast<double>(range.most);
    const double mean = (most - least) / std::log(most / least);
    return static_cast<size_t>(static_cast<double>(range.working_set) / mean);
}

std::vector<Step> Draw(const Range& range, size_t slots, size_t count) {
    std::mt19937_64 random(1);
    std::uniform_int_distribution<size_t> slot(0, slots - 1);
    std::uniform_real_distribution<double> exponent(std::log2(range.least), std::log2(range.most));
    std::vector<Step> steps(count);
    for (Step& step : steps) {
        step.slot = static_cast<uint32_t>(slot(random));
        step.size = static_cast<uint32_t>(std::exp2(exponent(random)));
    }
    return steps;
}

void Churn(benchmark::State& state, Range range) {
    const size_t slots = Slots(range);
    const size_t count = slots < 32 * kKiB ? 32 * kKiB : kSteps;
    const std::vector<Step> steps = Draw(range, slots, count);
    std::vector<void*> blocks(slots);
    for (size_t i = 0; i < slots; ++i) {
        blocks[i] = Malloc(steps[i % count].size);
        Touch(blocks[i]);
    }
    size_t next = 0;
    for (auto _ : state) {
        const Step step = steps[next++ & (count - 1)];
        void*& block = blocks[step.slot];
        Free(block);
        block = Malloc(step.size);
        Touch(block);
    }
    for (void* block : blocks) Free(block);
    state.SetItemsProcessed(state.iterations());
}

}  // namespace

void RegisterChurn() {
    for (const Range& range :
         {Range{64 * kKiB, 16, kKiB}, Range{kMiB, 16, kKiB}, Range{256 * kMiB, 16, kKiB},
          Range{kMiB, kKiB, 64 * kKiB}, Range{16 * kMiB, kKiB, 64 * kKiB},
          Range{256 * kMiB, kKiB, 64 * kKiB}}) {
        const std::string name = "churn" + SizeName(range.working_set) + "/" +
                                 SizeName(range.least) + ".." + SizeName(range.most);
        auto* registered = benchmark::RegisterBenchmark(name.c_str(), Churn, range)->UseRealTime();
        // Filling the large ones takes a second; the library would do it again for each guess at
        // how many iterations it takes.
        if (range.working_set >= 256 * kMiB) registered->Iterations(400'000);
    }
}

}  // namespace bench
