// Memory calls that fail on demand: a table of os::MemoryCalls in front of the system's own, which
// counts the calls and refuses those it is told to.
//
//   FaultInjector faults(arena::g_memory);
//   faults.FailNth(kCommit, 3);              // the third commit from now on fails, once
//   faults.FailFrom(kReserve | kCommit, 1);  // every reserve and commit fails from now on
//   faults.StopFailing();
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "os/memory.h"

namespace strata::test {

// A set of kinds of calls: combine them with |.
using CallSet = unsigned;
inline constexpr CallSet kReserve = 1;
inline constexpr CallSet kCommit = 2;
inline constexpr CallSet kDecommit = 4;
inline constexpr CallSet kRelease = 8;
inline constexpr CallSet kProtect = 16;
inline constexpr CallSet kTakingMemory = kReserve | kCommit;
inline constexpr CallSet kGivingBack = kDecommit | kRelease;
inline constexpr CallSet kAnyCall = kTakingMemory | kGivingBack | kProtect;
inline constexpr size_t kCallKinds = 5;

// Installs itself in `memory` and puts the system's calls back when it ends. One at a time in a
// process. While threads use the memory, the counts and the failures stay exact, but installing and
// ending require that no thread is inside a call.
class FaultInjector {
public:
    explicit FaultInjector(os::Memory& memory);
    ~FaultInjector();
    FaultInjector(const FaultInjector&) = delete;
    FaultInjector& operator=(const FaultInjector&) = delete;

    // Of the calls in `set`, counted together, the nth from now on fails (1: the very next).
    // Replaces any earlier order.
    void FailNth(CallSet set, size_t n) noexcept { Order(set, n, 1); }
    // The nth and all later ones fail.
    void FailFrom(CallSet set, size_t n) noexcept { Order(set, n, SIZE_MAX); }
    // `count` calls from the nth on fail.
    void FailSome(CallSet set, size_t n, size_t count) noexcept { Order(set, n, count); }
    // Commits fail that would bring the books of `memory` above so many bytes, as under a real
    // limit.
    void LimitCommit(size_t bytes) noexcept { limit_.store(bytes, std::memory_order_relaxed); }
    // Calls succeed again, as far as the system lets them. Counts go on. A limit stays.
    void StopFailing() noexcept { Order(0, 1, 0); }

    // Calls of these kinds since the injector was made or ResetCounts; refused ones included.
    size_t Calls(CallSet set = kAnyCall) const noexcept;
    // Calls that were refused since the last order (not the system's own failures).
    size_t Failures() const noexcept { return failures_.load(std::memory_order_relaxed); }
    void ResetCounts() noexcept;

    // Whether the call that just arrives is refused. For the table.
    bool Refuses(CallSet kind) noexcept;
    bool IsAboveLimit(size_t more) const noexcept {
        return memory_.Counters().committed + more > limit_.load(std::memory_order_relaxed);
    }

private:
    void Order(CallSet set, size_t first, size_t count) noexcept;

    os::Memory& memory_;
    std::atomic<CallSet> set_{0};
    std::atomic<size_t> seen_{0};  // calls of set_ since the order
    std::atomic<size_t> first_{1};
    std::atomic<size_t> count_{0};
    std::atomic<size_t> failures_{0};
    std::atomic<size_t> limit_{SIZE_MAX / 2};
    std::atomic<size_t> calls_[kCallKinds] = {};
};

// Runs `body(n)` with the nth call of `set` failing (with `from_then_on`, all later ones, too), for
// n = 1, 2, 3 … until a run meets no failure. Returns how many runs met one; `limit` when there was
// no end to it. Between the runs, and when `after(n)` is called, nothing fails.
template <typename Body, typename After>
size_t FailEachInTurn(FaultInjector& faults, CallSet set, bool from_then_on, Body body, After after,
                      size_t limit = 100'000) {
    for (size_t n = 1; n <= limit; ++n) {
        if (from_then_on) {
            faults.FailFrom(set, n);
        } else {
            faults.FailNth(set, n);
        }
        body(n);
        const bool failed = faults.Failures() != 0;
        faults.StopFailing();
        after(n);
        if (!failed) return n - 1;
    }
    return limit;
}

template <typename Body>
size_t FailEachInTurn(FaultInjector& faults, CallSet set, bool from_then_on, Body body) {
    return FailEachInTurn(faults, set, from_then_on, body, [](size_t) {});
}

}  // namespace strata::test
