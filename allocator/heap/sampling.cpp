#include "heap/sampling.h"

#include "arena/purge_policy.h"
#include "heap/fast_path.h"
#include "heap/guarded.h"
#include "heap/parked_runs.h"
#include "heap/runs.h"
#include "os/process.h"
#include "os/random.h"

namespace strata::heap {

namespace {

// A sample costs some microseconds (its page, two stacks) where the block it stands for costs nanoseconds.
// A program that allocates without pause would feel one in a thousand; so no more than these are made in
// one epoch of 128 ms, 250 in a second: half a hundredth of one processor's time at 20 us each.
constexpr uint32_t kSamplesPerEpoch = 32;

constinit std::atomic<uint64_t> g_epoch{0};
constinit std::atomic<uint32_t> g_samples{0};

bool TakeTicket() noexcept {
    const uint64_t epoch = os::Milliseconds() / kEpochMilliseconds;
    uint64_t last = g_epoch.load(std::memory_order_relaxed);
    if (last != epoch && g_epoch.compare_exchange_strong(last, epoch, std::memory_order_relaxed)) {
        g_samples.store(0, std::memory_order_relaxed);
    }
    return g_samples.fetch_add(1, std::memory_order_relaxed) < kSamplesPerEpoch;
}

// How many allocations until the next sample: any number, the period on average, so that no rhythm of the
// program's escapes it.
int32_t Draw(uint64_t period) noexcept {
    return static_cast<int32_t>(1 + os::FastRandom() % (2 * period - 1));
}

// After a sample that was one too many in its epoch: the next would be, too. To ask for each would cost
// such a program a hundredth of its time.
constexpr uint64_t kLonger = 8;
static_assert(kMaxSamplePeriod * kLonger * 2 < INT32_MAX);

}  // namespace

void CountForSample(cache::ThreadCache& cache, uint32_t blocks) noexcept {
    if (cache.until_sample == 0) {
        cache.until_sample = Draw(g_modes.sample_period);
    } else {
        blocks += cache.swaps_given - cache.swaps_left;
    }
    cache.swaps_given = cache.swaps_left;
    cache.until_sample -= static_cast<int32_t>(blocks);
    if (cache.until_sample == 0) cache.until_sample = -1;  // 0 is a new thread
}

bool IsSampleDue() noexcept {
    cache::ThreadCache* cache = cache::CurrentCache();
    if (cache == nullptr) cache = cache::CreateThreadCache();
    if (cache == nullptr || cache == &cache::g_detached_cache) return false;
    CountForSample(*cache, 1);
    if (cache->until_sample > 0) return false;
    const bool taken = TakeTicket();
    cache->until_sample = Draw(g_modes.sample_period * (taken ? 1 : kLonger));
    return taken;
}

void* AllocateSampling(size_t bytes, bool zero) noexcept {
    Heap& heap = *ProcessHeap();
    AllocateOptions options;
    options.zero = zero;
    if (!heap.is_plain) return AllocateWith(heap, bytes, options);
    if (void* const sample = AllocateGuarded(heap, bytes, options)) return sample;
    if (bytes <= kMaxSlabBlock) return AllocateFromSlab(heap, ClassOf(bytes), bytes, zero);
    slab::LargeRun* const run = TakeParkedRun(*cache::CurrentCache(), bytes, zero);
    return run != nullptr ? run->base : AllocateLarge(heap, bytes, options);
}

}  // namespace strata::heap
