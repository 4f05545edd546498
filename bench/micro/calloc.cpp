// calloc: as pair, zeroed. The block that comes back was written to before, so it has to be cleared,
// unless the allocator took its memory from the system anew.
#include "micro.h"

namespace bench {

namespace {

void Zeroed(benchmark::State& state, size_t size) {
    for (auto _ : state) {
        void* block = Calloc(size);
        Touch(block);
        Free(block);
    }
    state.SetItemsProcessed(state.iterations());
}

}  // namespace

void RegisterCalloc() {
    for (const size_t size : {size_t{16}, size_t{256}, 4 * kKiB, 64 * kKiB, kMiB}) {
        Register("calloc", size, Zeroed);
    }
}

}  // namespace bench
