// exchange: one thread allocates, another frees; the blocks pass through a ring of 256 pointers. The
// time is that of the slower side, and of the ring, which is the same for every allocator.
#include <atomic>
#include <thread>

#include "micro.h"

namespace bench {

namespace {

constexpr size_t kLine = 64;

// One producer, one consumer. Each side keeps what it last saw of the other's position, and looks
// again only when that is used up.
class Ring {
public:
    void Push(void* block) {
        const size_t at = tail_.load(std::memory_order_relaxed);
        for (int spins = 0; at - head_seen_ == kSlots; ++spins) {
            Pause(spins);
            head_seen_ = head_.load(std::memory_order_acquire);
        }
        slots_[at % kSlots] = block;
        tail_.store(at + 1, std::memory_order_release);
    }

    void* Pop() {
        const size_t at = head_.load(std::memory_order_relaxed);
        for (int spins = 0; at == tail_seen_; ++spins) {
            Pause(spins);
            tail_seen_ = tail_.load(std::memory_order_acquire);
        }
        void* block = slots_[at % kSlots];
        head_.store(at + 1, std::memory_order_release);
        return block;
    }

private:
    static constexpr size_t kSlots = 256;

    // Gives the processor away after a while: there may be but one for the two of them.
    static void Pause(int spins) {
        if (spins > 256) std::this_thread::yield();
    }

    alignas(kLine) std::atomic<size_t> tail_{0};
    size_t head_seen_ = 0;  // the producer's
    alignas(kLine) std::atomic<size_t> head_{0};
    size_t tail_seen_ = 0;  // the consumer's
    alignas(kLine) void* slots_[kSlots] = {};
};

void Exchange(benchmark::State& state, size_t size) {
    Ring ring;
    std::thread consumer([&ring] {
        while (void* block = ring.Pop()) {
            benchmark::DoNotOptimize(*static_cast<volatile uint64_t*>(block));
            Free(block);
        }
    });
    for (auto _ : state) {
        void* block = Malloc(size);
        Touch(block);
        ring.Push(block);
    }
    ring.Push(nullptr);
    consumer.join();
    state.SetItemsProcessed(state.iterations());
}

}  // namespace

void RegisterExchange() {
    for (const size_t size : {size_t{16}, size_t{256}, 4 * kKiB, 64 * kKiB}) {
        Register("exchange", size, Exchange);
    }
}

}  // namespace bench
