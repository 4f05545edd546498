// burst<n>: n blocks of one size allocated, then all freed, in the order they came (fifo), in the
// opposite one (lifo) or in a random one. 32 stay within what allocators keep at hand for a thread,
// 1000 do not.
#include <algorithm>
#include <array>
#include <numeric>
#include <random>

#include "micro.h"

namespace bench {

namespace {

enum class Order { kFifo, kLifo, kRandom };

template <size_t kCount>
std::array<uint16_t, kCount> Indices(Order order) {
    std::array<uint16_t, kCount> indices;
    std::iota(indices.begin(), indices.end(), uint16_t{0});
    if (order == Order::kLifo) std::reverse(indices.begin(), indices.end());
    if (order == Order::kRandom) {
        std::mt19937 random(1);
        for (size_t i = kCount - 1; i > 0; --i) std::swap(indices[i], indices[random() % (i + 1)]);
    }
    return indices;
}

// The order is a table for all three, so that they differ in nothing but the order.
template <size_t kCount, Order kOrder>
void Burst(benchmark::State& state, size_t size) {
    const std::array<uint16_t, kCount> order = Indices<kCount>(kOrder);
    std::array<void*, kCount> blocks;
    for (auto _ : state) {
        for (void*& block : blocks) {
            block = Malloc(size);
            Touch(block);
        }
        for (const uint16_t i : order) Free(blocks[i]);
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kCount));
}

template <size_t kCount>
void RegisterOrders(size_t size) {
    const std::string name = "burst" + std::to_string(kCount);
    Register(name + "_fifo", size, Burst<kCount, Order::kFifo>);
    Register(name + "_lifo", size, Burst<kCount, Order::kLifo>);
    Register(name + "_random", size, Burst<kCount, Order::kRandom>);
}

}  // namespace

void RegisterBursts() {
    for (const size_t size :
         {size_t{16}, size_t{256}, kKiB, 4 * kKiB, 16 * kKiB, 64 * kKiB, kMiB}) {
        RegisterOrders<32>(size);
    }
    for (const size_t size : {size_t{16}, size_t{256}, kKiB, 16 * kKiB}) RegisterOrders<1000>(size);
}

}  // namespace bench
