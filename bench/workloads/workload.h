// What a workload is: a piece of a program as one meets it, with everything it allocates taken from
// the allocator that the program is linked with. It returns a checksum of what it computed, which
// has to be the same for every allocator.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench {

// One run.
struct Task {
    size_t percent = 100;  // of the full size
    uint64_t seed = 1;
    bool latency = false;  // the server only: time every call

    // At least 1.
    size_t Scaled(size_t full) const {
        const size_t scaled = full * percent / 100;
        return scaled == 0 ? 1 : scaled;
    }
};

struct Workload {
    const char* name;
    uint64_t (*run)(const Task& task);
    bool
        own_threads;  // starts its threads itself; else it runs once per thread, with different seeds
    bool needs_heaps;  // heaps of one's own
    bool is_probe;     // measures memory, not time
};

extern const Workload kWorkloads[];
extern const size_t kWorkloadCount;

// Tells the measurement that much memory is in use just now.
void MarkPeak();

// What a workload has to say beside its checksum: text that goes into the result as it is,
// `"name": value`.
void Report(const char* format, ...);

uint64_t RunTokens(const Task& task);
uint64_t RunJson(const Task& task);
uint64_t RunLru(const Task& task);
uint64_t RunOrders(const Task& task);
uint64_t RunMemtable(const Task& task);
uint64_t RunServer(const Task& task);
uint64_t RunPipeline(const Task& task);
uint64_t RunFrames(const Task& task);
uint64_t RunTiles(const Task& task);
uint64_t RunPool(const Task& task);
uint64_t RunDocuments(const Task& task);
uint64_t RunSpike(const Task& task);
uint64_t RunHeapMemory(const Task& task);

}  // namespace bench
