// Runs a plan on the allocator that the program is linked with.
#pragma once

#include <cstdint>
#include <string>

#include "replay/plan.h"

namespace strata::replay {

// What a program would do with a new block: write to the first byte of ... nothing, of the block,
// of each of its pages, of each of its cache lines.
enum class Touch : uint8_t { kNone, kFirst, kPage, kLine };

struct RunOptions {
    Touch touch = Touch::kLine;
    uint32_t window = 2048;  // how many calls a thread may be ahead of the slowest
    uint32_t repeat = 1;
    bool verify = false;
    bool memory = false;  // sample the commit charge
};

struct RunResult {
    double seconds = 0;
    uint64_t operations = 0;  // done, in all repetitions
    uint64_t checksum = 0;    // of what was read from blocks: the same for every allocator
    size_t working_set_at_start = 0;
    size_t peak_working_set = 0;
    size_t commit_at_start = 0;  // with `memory`
    size_t peak_commit = 0;
    size_t own_peak_commit = 0;
    size_t peak_requested = 0;
    uint64_t faults = 0;  // what --verify found wrong
    std::string first_fault;
};

const char* AllocatorName();
std::string AllocatorVersion();

// Throws std::runtime_error when the allocator has no memory.
RunResult RunPlan(const Plan& plan, const RunOptions& options);

}  // namespace strata::replay
