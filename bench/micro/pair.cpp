// pair: malloc, free, malloc, free … of one size: the shortest way through an allocator.
#include "micro.h"

namespace bench {

namespace {

void Pair(benchmark::State& state, size_t size) {
    for (auto _ : state) {
        void* block = Malloc(size);
        Touch(block);
        Free(block);
    }
    state.SetItemsProcessed(state.iterations());
}

}  // namespace

void RegisterPairs() {
    for (const size_t size :
         {size_t{16}, size_t{64}, size_t{256}, kKiB, 4 * kKiB, 16 * kKiB, 64 * kKiB, 128 * kKiB,
          256 * kKiB, 512 * kKiB, kMiB, 2 * kMiB, 4 * kMiB}) {
        Register("pair", size, Pair);
    }
}

}  // namespace bench
