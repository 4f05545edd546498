#include <windows.h>

#include <psapi.h>

#include "process_memory.h"

namespace bench {

namespace {

PROCESS_MEMORY_COUNTERS Counters() {
    PROCESS_MEMORY_COUNTERS counters = {};
    counters.cb = sizeof(counters);
    GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof(counters));
    return counters;
}

}  // namespace

size_t WorkingSet() { return Counters().WorkingSetSize; }
size_t PeakWorkingSet() { return Counters().PeakWorkingSetSize; }

// Not PagefileUsage: Wine gives resident memory there.
size_t PrivateCommit() {
    size_t sum = 0;
    MEMORY_BASIC_INFORMATION region = {};
    for (const char* at = nullptr; VirtualQuery(at, &region, sizeof(region)) != 0;
         at = static_cast<const char*>(region.BaseAddress) + region.RegionSize) {
        if (region.State == MEM_COMMIT && region.Type == MEM_PRIVATE) sum += region.RegionSize;
    }
    return sum;
}

}  // namespace bench
