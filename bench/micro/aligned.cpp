// aligned<alignment>/<size>: as pair, aligned.
#include "micro.h"

namespace bench {

namespace {

template <size_t kAlignment>
void Aligned(benchmark::State& state, size_t size) {
    for (auto _ : state) {
        void* block = AlignedMalloc(kAlignment, size);
        Touch(block);
        AlignedFree(block);
    }
    state.SetItemsProcessed(state.iterations());
}

}  // namespace

void RegisterAligned() {
    for (const size_t size : {size_t{64}, kKiB, 16 * kKiB})
        Register("aligned64", size, Aligned<64>);
    for (const size_t size : {size_t{64}, 16 * kKiB}) Register("aligned4096", size, Aligned<4096>);
}

}  // namespace bench
