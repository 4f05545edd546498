// size/<size>: the size of one of 256 live blocks asked for, one after the other: HeapSize, which
// the default heap and Strata answer exactly; the others with what they rounded it to.
#include <array>

#include "micro.h"

namespace bench {

namespace {

void AskSize(benchmark::State& state, size_t size) {
    std::array<void*, 256> blocks;
    for (void*& block : blocks) {
        block = Malloc(size);
        Touch(block);
    }
    size_t next = 0;
    for (auto _ : state) benchmark::DoNotOptimize(BlockSize(blocks[next++ % blocks.size()]));
    for (void* block : blocks) Free(block);
    state.SetItemsProcessed(state.iterations());
}

}  // namespace

void RegisterBlockSize() {
    for (const size_t size : {size_t{40}, size_t{1000}, 20 * kKiB}) Register("size", size, AskSize);
}

}  // namespace bench
