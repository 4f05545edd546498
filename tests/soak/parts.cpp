#include <cmath>
#include <cstring>
#include <thread>

#include "soak.h"
#include "support/model.h"

#include <strata/strata.h>

namespace strata::soak {

namespace {

constexpr size_t kMostBatches = 64;
constexpr double kPi = 3.14159265358979;

// At both ends of every block.
struct Stamp {
    size_t bytes;
    uint64_t seed;
};

void* Stamped(void* block, size_t bytes, uint64_t seed) {
    if (block == nullptr) return nullptr;
    const Stamp stamp{bytes, seed};
    std::memcpy(block, &stamp, sizeof stamp);
    std::memcpy(static_cast<char*>(block) + bytes - sizeof stamp, &stamp, sizeof stamp);
    return block;
}

void CheckAndFree(Shared& shared, void* block) {
    if (block == nullptr) return;
    Stamp front, back;
    std::memcpy(&front, block, sizeof front);
    const size_t bytes = strata_requested_size(block);
    std::memcpy(&back, static_cast<char*>(block) + bytes - sizeof back, sizeof back);
    if (front.bytes != bytes || back.bytes != bytes || front.seed != back.seed) {
        shared.broken = true;
    }
    strata_free(block);
}

size_t AtLeastStamp(size_t bytes) { return bytes < 2 * sizeof(Stamp) ? 2 * sizeof(Stamp) : bytes; }

size_t AnySize(test::Random& random) {
    return AtLeastStamp(random.Skewed(random.OneIn(100) ? 400'000
                                      : random.OneIn(8) ? 20'000
                                                        : 1'500));
}

}  // namespace

void Produce(Shared& shared, uint64_t seed) {
    test::Random random(seed);
    while (!shared.stop) {
        std::vector<void*> batch;
        for (int i = 0; i < 100; ++i) {
            const size_t bytes = AnySize(random);
            batch.push_back(Stamped(strata_malloc(bytes), bytes, random.Next()));
        }
        shared.operations += batch.size();
        std::unique_lock guard(shared.mutex);
        shared.changed.wait(guard,
                            [&] { return shared.stop || shared.batches.size() < kMostBatches; });
        shared.batches.push_back(std::move(batch));
        shared.changed.notify_all();
    }
}

void Consume(Shared& shared) {
    for (;;) {
        std::vector<void*> batch;
        {
            std::unique_lock guard(shared.mutex);
            shared.changed.wait(guard, [&] { return shared.stop || !shared.batches.empty(); });
            if (shared.batches.empty()) return;
            batch = std::move(shared.batches.front());
            shared.batches.pop_front();
            shared.changed.notify_all();
        }
        for (void* block : batch) CheckAndFree(shared, block);
        shared.operations += batch.size();
    }
}

void Drift(Shared& shared, uint64_t seed) {
    constexpr size_t kBlocks = 6'000;
    test::Random random(seed);
    std::vector<void*> blocks(kBlocks, nullptr);
    while (!shared.stop) {
        // Five waves over the run, from a mean of 48 bytes to one of 6 KiB.
        const double wave = 0.5 - 0.5 * std::cos(shared.phase * 10 * kPi);
        const double mean = 48 * std::pow(128.0, wave);
        for (int i = 0; i < 2'000; ++i) {
            void*& place = blocks[random.Below(kBlocks)];
            const size_t bytes = AtLeastStamp(static_cast<size_t>(mean / 2) +
                                              random.Below(static_cast<size_t>(mean)));
            CheckAndFree(shared, place);
            place = Stamped(strata_malloc(bytes), bytes, random.Next());
        }
        shared.operations += 4'000;
    }
    for (void* block : blocks) CheckAndFree(shared, block);
}

void MakeHeaps(Shared& shared, uint64_t seed) {
    test::Random random(seed);
    std::vector<strata_heap*> heaps;
    while (!shared.stop) {
        strata_heap* const heap = strata_heap_create();
        if (heap == nullptr) continue;
        ++shared.heaps_made;
        heaps.push_back(heap);
        const uint64_t count = 10 + random.Skewed(600);
        for (uint64_t i = 0; i < count; ++i) {
            const size_t bytes = AnySize(random);
            void* const block = Stamped(strata_heap_malloc(heap, bytes), bytes, i);
            if (random.OneIn(3)) CheckAndFree(shared, block);
        }
        shared.operations += count;
        if (heaps.size() > 40) {
            const size_t index = random.Below(heaps.size());
            strata_heap_destroy(heaps[index]);
            heaps[index] = heaps.back();
            heaps.pop_back();
        }
        std::this_thread::yield();
    }
    for (strata_heap* heap : heaps) strata_heap_destroy(heap);
}

void MakeThreads(Shared& shared, uint64_t seed) {
    test::Random random(seed);
    std::vector<void*> left(500, nullptr);
    while (!shared.stop) {
        std::thread([&] {
            for (int i = 0; i < 300; ++i) {
                void*& place = left[random.Below(left.size())];
                CheckAndFree(shared, place);
                const size_t bytes = AnySize(random);
                place = Stamped(strata_malloc(bytes), bytes, random.Next());
            }
        }).join();
        ++shared.threads_made;
        shared.operations += 600;
    }
    for (void* block : left) CheckAndFree(shared, block);
}

}  // namespace strata::soak
