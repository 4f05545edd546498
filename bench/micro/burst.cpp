// burst<n>: n blocks of one size allocated, then all freed, in the order they came (fifo) or in the
// opposite one (lifo). 32 stay within what allocators keep at hand for a thread, 1000 do not.
#include <array>

#include "micro.h"

namespace bench {

namespace {

enum class Order { kFifo, kLifo };

template <size_t kCount, Order kOrder>
void Burst(benchmark::State& state, size_t size) {
    std::array<void*, kCount> blocks;
    for (auto _ : state) {
        for (void*& block : blocks) {
            block = Malloc(size);
            Touch(block);
        }
        if constexpr (kOrder == Order::kFifo) {
            for (size_t i = 0; i < kCount; ++i) Free(blocks[i]);
        } else {
            for (size_t i = kCount; i > 0; --i) Free(blocks[i - 1]);
        }
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kCount));
}

}  // namespace

void RegisterBursts() {
    for (const size_t size :
         {size_t{16}, size_t{256}, kKiB, 4 * kKiB, 16 * kKiB, 64 * kKiB, kMiB}) {
        Register("burst32_fifo", size, Burst<32, Order::kFifo>);
        Register("burst32_lifo", size, Burst<32, Order::kLifo>);
    }
    for (const size_t size : {size_t{16}, size_t{256}, kKiB, 16 * kKiB}) {
        Register("burst1000_fifo", size, Burst<1000, Order::kFifo>);
        Register("burst1000_lifo", size, Burst<1000, Order::kLifo>);
    }
}

}  // namespace bench
