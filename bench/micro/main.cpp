// The micro benchmarks of one allocator. Options are Google Benchmark's; tools/bench.sh gives them.
#include <string>

#include "micro.h"

namespace bench {

std::string SizeName(size_t size) {
    if (size >= kMiB && size % kMiB == 0) return std::to_string(size / kMiB) + "M";
    if (size >= kKiB && size % kKiB == 0) return std::to_string(size / kKiB) + "K";
    return std::to_string(size);
}

void Register(const std::string& name, size_t size, Body body) {
    const std::string full_name = name + "/" + SizeName(size);
    benchmark::RegisterBenchmark(full_name.c_str(), body, size)->UseRealTime();
}

}  // namespace bench

int main(int argc, char** argv) {
    benchmark::AddCustomContext("allocator", bench::kAllocator);
    benchmark::AddCustomContext("version", bench::Version());
    benchmark::AddCustomContext("compiler", STRATA_BENCH_COMPILER);
    benchmark::AddCustomContext("flags", STRATA_BENCH_FLAGS);

    bench::RegisterPairs();
    bench::RegisterBursts();
    bench::RegisterChurn();
    bench::RegisterRealloc();
    bench::RegisterCalloc();
    bench::RegisterAligned();
    bench::RegisterBlockSize();
    bench::RegisterExchange();
    bench::RegisterThreads();
    bench::RegisterHeaps();

    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    return benchmark::RunSpecifiedBenchmarks() == 0 ? 1 : 0;
}
