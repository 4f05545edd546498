// churn<slots>/<least>..<most>: a table of live blocks; again and again a slot is picked at random, its
// block freed, and one of a random size put there. Sizes are spread evenly over their logarithm.
#include <cmath>
#include <random>
#include <vector>

#include "micro.h"

namespace bench {

namespace {

struct Range {
    size_t slots;
    size_t least;
    size_t most;
};

struct Step {
    uint32_t slot;
    uint32_t size;
};

constexpr size_t kSteps = 32 * 1024;  // a power of two; drawn once, gone through again and again

std::vector<Step> Draw(const Range& range) {
    std::mt19937_64 random(1);
    std::uniform_int_distribution<size_t> slot(0, range.slots - 1);
    std::uniform_real_distribution<double> exponent(std::log2(range.least), std::log2(range.most));
    std::vector<Step> steps(kSteps);
    for (Step& step : steps) {
        step.slot = static_cast<uint32_t>(slot(random));
        step.size = static_cast<uint32_t>(std::exp2(exponent(random)));
    }
    return steps;
}

void Churn(benchmark::State& state, Range range) {
    const std::vector<Step> steps = Draw(range);
    std::vector<void*> blocks(range.slots);
    for (size_t i = 0; i < range.slots; ++i) {
        blocks[i] = Malloc(steps[i % kSteps].size);
        Touch(blocks[i]);
    }
    size_t next = 0;
    for (auto _ : state) {
        const Step step = steps[next++ % kSteps];
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
    // Working sets of about 60 KiB, 2.4 MiB, 1 MiB and 16 MiB.
    for (const Range& range : {Range{256, 16, kKiB}, Range{10'000, 16, kKiB},
                               Range{64, kKiB, 64 * kKiB}, Range{1'000, kKiB, 64 * kKiB}}) {
        const std::string name = "churn" + std::to_string(range.slots) + "/" +
                                 SizeName(range.least) + ".." + SizeName(range.most);
        benchmark::RegisterBenchmark(name.c_str(), Churn, range)->UseRealTime();
    }
}

}  // namespace bench
