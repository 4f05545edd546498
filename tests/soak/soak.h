// The parts of the soak: each is a thread's work until it is told to stop. All that they hold is
// given back at their end.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

namespace strata::soak {

struct Shared {
    std::atomic<bool> stop{false};
    std::atomic<bool> broken{false};  // a block did not hold what was written into it
    std::atomic<uint64_t> operations{0};
    std::atomic<uint64_t> heaps_made{0};
    std::atomic<uint64_t> threads_made{0};
    std::atomic<double> phase{0};  // 0 to 1 over the whole run: what sizes drift with

    // Blocks that one thread makes and another frees; bounded.
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::vector<void*>> batches;
};

void Produce(Shared& shared, uint64_t seed);
void Consume(Shared& shared);
// A set of blocks whose sizes wander from small to large and back.
void Drift(Shared& shared, uint64_t seed);
// Private heaps that are made, filled, kept for a while and destroyed.
void MakeHeaps(Shared& shared, uint64_t seed);
// Threads that live for a moment and leave blocks to the next.
void MakeThreads(Shared& shared, uint64_t seed);

}  // namespace strata::soak
