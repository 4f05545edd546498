// The highest commit charge of the process while something runs: looked at every few milliseconds
// by a thread of its own, and whenever somebody says that much memory is in use just now.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>

#include "process_memory.h"

namespace bench {

class CommitSampler {
public:
    CommitSampler() = default;
    CommitSampler(const CommitSampler&) = delete;
    CommitSampler& operator=(const CommitSampler&) = delete;
    ~CommitSampler() { Stop(); }

    void Start() {
        running_ = true;
        thread_ = std::thread([this] {
            while (running_.load(std::memory_order_relaxed)) {
                Sample();
                std::this_thread::sleep_for(std::chrono::milliseconds(5));
            }
        });
    }

    // Takes one more sample, when it runs. Any thread.
    void Mark() {
        if (running_.load(std::memory_order_relaxed)) Sample();
    }

    // What was the most, 0 when it never ran.
    // No sample is taken at the end: a peak is marked where it is.
    size_t Stop() {
        running_ = false;
        if (thread_.joinable()) thread_.join();
        return most_.load(std::memory_order_relaxed);
    }

private:
    void Sample() {
        const size_t now = PrivateCommit();
        size_t seen = most_.load(std::memory_order_relaxed);
        while (now > seen && !most_.compare_exchange_weak(seen, now)) {
        }
    }

    std::atomic<bool> running_{false};
    std::atomic<size_t> most_{0};
    std::thread thread_;
};

}  // namespace bench
