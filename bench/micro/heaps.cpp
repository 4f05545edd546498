// heap/<blocks>: a heap is made, so many blocks of 16 to 256 bytes are allocated in it, and it is
// destroyed with them. heaps100/64: a block in each of 100 heaps in turn, in the place of the one
// that was allocated there before. Only for allocators that have heaps.
#include <array>

#include "micro.h"

namespace bench {

namespace {

void CreateAndDestroy(benchmark::State& state, size_t blocks) {
    for (auto _ : state) {
        Heap heap = CreateHeap();
        if (heap == nullptr) std::abort();
        for (size_t i = 0; i < blocks; ++i) Touch(HeapMalloc(heap, 16 + i % 16 * 16));
        DestroyHeap(heap);
    }
    state.SetItemsProcessed(state.iterations());
}

void RoundRobin(benchmark::State& state, size_t size) {
    struct Place {
        Heap heap;
        std::array<void*, 8> blocks;
    };
    std::array<Place, 100> places;
    for (Place& place : places) {
        place.heap = CreateHeap();
        if (place.heap == nullptr) std::abort();
        for (void*& block : place.blocks) block = HeapMalloc(place.heap, size);
    }
    size_t next = 0;
    for (auto _ : state) {
        Place& place = places[next % places.size()];
        void*& block = place.blocks[next / places.size() % place.blocks.size()];
        HeapRelease(place.heap, block);
        block = HeapMalloc(place.heap, size);
        Touch(block);
        ++next;
    }
    for (Place& place : places) DestroyHeap(place.heap);
    state.SetItemsProcessed(state.iterations());
}

void RegisterCount(const std::string& count, size_t blocks) {
    const std::string name = "heap/" + count;
    benchmark::RegisterBenchmark(name.c_str(), CreateAndDestroy, blocks)->UseRealTime();
}

}  // namespace

void RegisterHeaps() {
    if (!kHasHeaps) return;
    RegisterCount("0", 0);
    RegisterCount("1", 1);
    RegisterCount("100", 100);
    RegisterCount("10000", 10'000);
    Register("heaps100", 64, RoundRobin);
}

}  // namespace bench
