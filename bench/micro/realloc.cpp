// realloc_<step>/<size>: a block grows step by step until it has this size, as strings and vectors
// do, and is freed. The last word is written after every step.
#include "micro.h"

namespace bench {

namespace {

template <typename NextSize>
void Grow(benchmark::State& state, size_t first, size_t last, NextSize next_size) {
    int64_t steps = 0;
    for (auto _ : state) {
        auto* block = static_cast<char*>(Malloc(first));
        Touch(block);
        for (size_t size = next_size(first); size <= last; size = next_size(size)) {
            block = static_cast<char*>(Realloc(block, size));
            Touch(block);
            block[size - 1] = 1;
            ++steps;
        }
        Free(block);
    }
    state.SetItemsProcessed(steps);
}

void AddSixteen(benchmark::State& state, size_t last) {
    Grow(state, 16, last, [](size_t size) { return size + 16; });
}

void AddPage(benchmark::State& state, size_t last) {
    Grow(state, 4 * kKiB, last, [](size_t size) { return size + 4 * kKiB; });
}

void TimesOneAndAHalf(benchmark::State& state, size_t last) {
    Grow(state, 16, last, [](size_t size) { return size + size / 2; });
}

}  // namespace

void RegisterRealloc() {
    Register("realloc_add16", 4 * kKiB, AddSixteen);
    Register("realloc_add4K", kMiB, AddPage);
    Register("realloc_x1.5", 4 * kKiB, TimesOneAndAHalf);
    Register("realloc_x1.5", kMiB, TimesOneAndAHalf);
}

}  // namespace bench
