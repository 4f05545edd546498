// calloc_dirty: as pair, zeroed. The block that comes back was written to before, so it has to be
// cleared, unless the allocator took its memory from the system anew.
//
// calloc_fresh: 32 MiB of zeroed blocks, none freed while the clock runs, each page written to:
// memory the process never had. The system's pages are zero already, and need not be cleared again.
// Runs once per process: a second time the memory would not be fresh.
#include <vector>

#include "micro.h"

namespace bench {

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kFresh = 32 * kMiB;

void Dirty(benchmark::State& state, size_t size) {
    for (auto _ : state) {
        void* block = Calloc(size);
        Touch(block);
        Free(block);
    }
    state.SetItemsProcessed(state.iterations());
}

void Fresh(benchmark::State& state, size_t size) {
    std::vector<void*> blocks;
    blocks.reserve(kFresh / size);
    for (auto _ : state) {
        void* block = Calloc(size);
        for (size_t at = 0; at < size; at += kPage) Touch(static_cast<char*>(block) + at);
        blocks.push_back(block);
    }
    // Never freed: the next size, in the same process, needs fresh memory, too.
    benchmark::DoNotOptimize(blocks.data());
    state.SetItemsProcessed(state.iterations());
}

}  // namespace

void RegisterCalloc() {
    for (const size_t size : {size_t{256}, 4 * kKiB, 64 * kKiB, kMiB}) {
        const std::string name = "calloc_fresh/" + SizeName(size);
        benchmark::RegisterBenchmark(name.c_str(), Fresh, size)
            ->Iterations(static_cast<int64_t>(kFresh / size))
            ->UseRealTime();
    }
    for (const size_t size : {size_t{16}, size_t{256}, 4 * kKiB, 64 * kKiB, kMiB}) {
        Register("calloc_dirty", size, Dirty);
    }
}

}  // namespace bench
