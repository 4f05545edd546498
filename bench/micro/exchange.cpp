// Blocks that one thread allocates and another frees; they pass through rings of 256 pointers. Two
// threads in each, as many as the smallest machine has processors. The time is that of the slower
// side, and of the ring, which is the same for every allocator.
//
//   exchange   one allocates, the other frees
//   ring       both allocate, and free what the other sends
//   n_to_1     both allocate, one frees all of it
//   1_to_n     one allocates, both free half of it
#include <thread>

#include "micro.h"
#include "ring.h"

namespace bench {

namespace {

void* Make(size_t size) {
    void* block = Malloc(size);
    Touch(block);
    return block;
}

void Consume(void* block) {
    benchmark::DoNotOptimize(*static_cast<volatile uint64_t*>(block));
    Free(block);
}

void DrainUntilEnd(Ring* ring) {
    while (void* block = ring->Pop()) Consume(block);
}

void Exchange(benchmark::State& state, size_t size) {
    Ring ring;
    std::thread consumer(DrainUntilEnd, &ring);
    for (auto _ : state) ring.Push(Make(size));
    ring.Push(nullptr);
    consumer.join();
    state.SetItemsProcessed(state.iterations());
}

void OneToMany(benchmark::State& state, size_t size) {
    Ring ring;
    std::thread consumer(DrainUntilEnd, &ring);
    for (auto _ : state) {
        ring.Push(Make(size));
        Consume(Make(size));
    }
    ring.Push(nullptr);
    consumer.join();
    state.SetItemsProcessed(2 * state.iterations());
}

// The other thread of `ring` and `n_to_1`: sends blocks until it is told to stop, and frees those
// that come back.
struct Partner {
    Ring to_main;
    Ring from_main;
    std::atomic<bool> stop{false};

    void Run(size_t size) {
        void* ready = Make(size);
        for (int spins = 0; !stop.load(std::memory_order_relaxed); ++spins) {
            void* received = nullptr;
            if (from_main.TryPop(&received)) {
                Consume(received);
                spins = 0;
            }
            if (to_main.TryPush(ready)) {
                ready = Make(size);
                spins = 0;
            }
            Ring::Pause(spins);
        }
        Free(ready);
    }

    void Finish(std::thread& thread) {
        stop.store(true, std::memory_order_relaxed);
        thread.join();
        void* block = nullptr;
        while (to_main.TryPop(&block)) Free(block);
        while (from_main.TryPop(&block)) Free(block);
    }
};

void BothWays(benchmark::State& state, size_t size) {
    Partner partner;
    std::thread thread(&Partner::Run, &partner, size);
    for (auto _ : state) {
        partner.from_main.Push(Make(size));
        Consume(partner.to_main.Pop());
    }
    partner.Finish(thread);
    state.SetItemsProcessed(2 * state.iterations());
}

void ManyToOne(benchmark::State& state, size_t size) {
    Partner partner;
    std::thread thread(&Partner::Run, &partner, size);
    for (auto _ : state) {
        Consume(Make(size));
        Consume(partner.to_main.Pop());
    }
    partner.Finish(thread);
    state.SetItemsProcessed(2 * state.iterations());
}

}  // namespace

void RegisterExchange() {
    for (const size_t size : {size_t{16}, size_t{256}, 4 * kKiB, 64 * kKiB}) {
        Register("exchange", size, Exchange);
    }
    for (const size_t size : {size_t{64}, kKiB}) {
        Register("ring", size, BothWays);
        Register("n_to_1", size, ManyToOne);
        Register("1_to_n", size, OneToMany);
    }
}

}  // namespace bench
