#include "cache/sampling.h"

#include "os/process.h"
#include "os/random.h"

namespace strata::cache {

namespace {

// A sample costs some microseconds (its page, two stacks) where the block it stands for costs
// nanoseconds. A program that allocates without pause would feel one in a thousand; so no more than
// these are made in one epoch of 128 ms, 250 in a second: half a hundredth of one processor's time
// at 20 us each.
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

// How many allocations until the next sample: any number, the period on average, so that no rhythm
// of the program's escapes it.
int32_t Draw(uint64_t period) noexcept {
    return static_cast<int32_t>(1 + os::FastRandom() % (2 * period - 1));
}

// After a sample that was one too many in its epoch: the next would be, too. To ask for each would
// cost such a program a hundredth of its time.
constexpr uint64_t kLonger = 8;
static_assert(store::kMaxSamplePeriod * kLonger * 2 < INT32_MAX);

}  // namespace

void CountForSample(ThreadCache& cache, uint32_t blocks) noexcept {
    if (cache.budgets.until_sample == 0) {
        cache.budgets.until_sample = Draw(store::g_modes.sample_period);
    } else {
        blocks += cache.budgets.swaps_given - cache.budgets.swaps_left;
    }
    cache.budgets.swaps_given = cache.budgets.swaps_left;
    cache.budgets.until_sample -= static_cast<int32_t>(blocks);
    if (cache.budgets.until_sample == 0) cache.budgets.until_sample = -1;  // 0 is a new thread
}

bool IsSampleDue() noexcept {
    ThreadCache* const cache = OwnOrNewCache();
    if (cache == nullptr) return false;
    CountForSample(*cache, 1);
    if (cache->budgets.until_sample > 0) return false;
    const bool taken = TakeTicket();
    cache->budgets.until_sample = Draw(store::g_modes.sample_period * (taken ? 1 : kLonger));
    return taken;
}

}  // namespace strata::cache
