#include "os/lock.h"

#include "os/process.h"

namespace strata::os {

namespace {
// A holder does a few dozen instructions, or one system call of some microseconds: spin for about
// the former before sleeping for the latter.
constexpr int kSpins = 64;
// No change that a lock guards takes that long; and a process that is about to end, whose threads
// are ended one after the other, has ended by then.
constexpr uint64_t kPatienceMilliseconds = 3000;
}  // namespace

void Lock::AcquireSlow() noexcept {
    for (int i = 0; i < kSpins; ++i) {
        if (state_.load(std::memory_order_relaxed) == Unheld() && TryTake()) return;
        SpinPause();
    }
    const uint32_t self = Unheld() | HolderMark() | kContended;  // others may sleep beside this one
    uint64_t waiting_since = 0;
    for (;;) {
        uint32_t seen = state_.load(std::memory_order_relaxed);
        if (seen == Unheld()) {
            if (state_.compare_exchange_strong(seen, self, std::memory_order_acquire,
                                               std::memory_order_relaxed)) {
                return;
            }
            continue;
        }
        if ((seen & kContended) == 0 &&
            !state_.compare_exchange_strong(seen, seen | kContended, std::memory_order_relaxed,
                                            std::memory_order_relaxed)) {
            continue;
        }
        seen |= kContended;
        const uint64_t now = Milliseconds();
        if (waiting_since == 0) waiting_since = now;
        if (now - waiting_since >= kPatienceMilliseconds) {
            RequireHolder(seen & ~(kContended | kRankBits));
            waiting_since = now;
        }
        if (!WaitOnWord(state_, seen)) return;
    }
}

void Lock::WakeOne() noexcept { WakeOneOnWord(state_); }

}  // namespace strata::os
