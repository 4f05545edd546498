#include "os/lock.h"

namespace strata::os {

namespace {
// A holder does a few dozen instructions, or one system call of some microseconds: spin for about
// the former before sleeping for the latter.
constexpr int kSpins = 64;
}  // namespace

void Lock::AcquireSlow() noexcept {
    for (int i = 0; i < kSpins; ++i) {
        if (state_.load(std::memory_order_relaxed) == kFree && TryAcquire()) return;
        SpinPause();
    }
    while (state_.exchange(kContended, std::memory_order_acquire) != kFree) {
        if (!WaitOnWord(state_, kContended)) return;
    }
}

void Lock::WakeOne() noexcept { WakeOneOnWord(state_); }

}  // namespace strata::os
