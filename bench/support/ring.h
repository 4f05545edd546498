// A ring of pointers from one thread to one other.
#pragma once

#include <atomic>
#include <cstddef>
#include <thread>

namespace bench {

// Each side keeps what it last saw of the other's position, and looks again only when that is used
// up.
class Ring {
public:
    // False when the ring is full.
    bool TryPush(void* block) {
        const size_t at = tail_.load(std::memory_order_relaxed);
        if (at - head_seen_ == kSlots) {
            head_seen_ = head_.load(std::memory_order_acquire);
            if (at - head_seen_ == kSlots) return false;
        }
        slots_[at % kSlots] = block;
        tail_.store(at + 1, std::memory_order_release);
        return true;
    }

    // False when it is empty.
    bool TryPop(void** block) {
        const size_t at = head_.load(std::memory_order_relaxed);
        if (at == tail_seen_) {
            tail_seen_ = tail_.load(std::memory_order_acquire);
            if (at == tail_seen_) return false;
        }
        *block = slots_[at % kSlots];
        head_.store(at + 1, std::memory_order_release);
        return true;
    }

    void Push(void* block) {
        for (int spins = 0; !TryPush(block); ++spins) Pause(spins);
    }

    void* Pop() {
        void* block = nullptr;
        for (int spins = 0; !TryPop(&block); ++spins) Pause(spins);
        return block;
    }

    // Gives the processor away after a while: there may be but one for both sides.
    static void Pause(int spins) {
        if (spins > 256) std::this_thread::yield();
    }

private:
    static constexpr size_t kLine = 64;
    static constexpr size_t kSlots = 256;

    alignas(kLine) std::atomic<size_t> tail_{0};
    size_t head_seen_ = 0;  // the producer's
    alignas(kLine) std::atomic<size_t> head_{0};
    size_t tail_seen_ = 0;  // the consumer's
    alignas(kLine) void* slots_[kSlots] = {};
};

}  // namespace bench
