// A lock of four bytes: one locked instruction each way when nobody else wants it, a wait in the
// kernel when somebody holds on to it. Not recursive. Never allocates; usable under the loader
// lock.
//
// At process exit the system ends all other threads wherever they stand, some of them holding
// locks. A lock that then cannot be had is taken by force instead of waited for (see WaitOnWord). A
// thread that is ended alone (TerminateThread) while it holds a lock leaves what the lock guards
// half changed, for good: who waits for such a lock ends the process with a message, instead of
// waiting for ever.
//
// Each lock has a rank, and a thread takes locks in the order of their ranks only (os/lock_rank.h).
#pragma once

#include <atomic>
#include <cstdint>

#include "base/compiler.h"
#include "base/thread_safety.h"
#include "os/lock_rank.h"
#include "os/stack_room.h"
#include "os/thread.h"

namespace strata::os {

class STRATA_CAPABILITY("lock") Lock {
public:
    explicit constexpr Lock(LockRank rank) noexcept
        : state_(kCheckLockRanks ? static_cast<uint32_t>(rank) << kRankShift : kFree) {}
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

    STRATA_INLINE void Acquire() noexcept STRATA_ACQUIRE() {
        if constexpr (kCheckLockRanks) CheckLockRank(rank());
        if (STRATA_UNLIKELY(!TryTake())) AcquireSlow();
        if constexpr (kCheckLockRanks) NoteLocked(rank());
    }

    STRATA_INLINE bool TryAcquire() noexcept STRATA_TRY_ACQUIRE(true) {
        if (!TryTake()) return false;
        if constexpr (kCheckLockRanks) NoteLocked(rank());
        return true;
    }

    STRATA_INLINE void Release() noexcept STRATA_RELEASE() {
        if constexpr (kCheckLockRanks) NoteUnlocked(rank());
        GiveUp();
    }

    // Of a lock that a thread may have held which is no more: in the child of a fork.
    void ReleaseOfGone() noexcept STRATA_RELEASE() { GiveUp(); }

private:
    // Free, or the holder's mark and whether somebody may sleep; with ranks checked, the rank in
    // the highest byte, always.
    static constexpr uint32_t kFree = 0;
    static constexpr uint32_t kContended = 1;
    static constexpr unsigned kRankShift = 24;
    static constexpr uint32_t kRankBits = kCheckLockRanks ? 0xffu << kRankShift : 0;

    // What the word is when nobody holds the lock.
    STRATA_INLINE uint32_t Unheld() const noexcept {
        if constexpr (kCheckLockRanks) return state_.load(std::memory_order_relaxed) & kRankBits;
        return kFree;
    }
    LockRank rank() const noexcept { return static_cast<LockRank>(Unheld() >> kRankShift); }

    // Acquire, here and in AcquireSlow, sees what was done under the lock until GiveUp's release.
    STRATA_INLINE bool TryTake() noexcept {
        uint32_t expected = Unheld();
        return state_.compare_exchange_strong(expected, expected | HolderMark(),
                                              std::memory_order_acquire, std::memory_order_relaxed);
    }
    STRATA_INLINE void GiveUp() noexcept {
        const uint32_t was = state_.exchange(Unheld(), std::memory_order_release);
        if (STRATA_UNLIKELY((was & kContended) != 0)) WakeOne();
    }

    STRATA_COLD void AcquireSlow() noexcept;
    STRATA_COLD void WakeOne() noexcept;

    std::atomic<uint32_t> state_;
};

class STRATA_SCOPED_CAPABILITY LockGuard {
public:
    // `stack`: what is needed while it is held, by the lock's rank (os/stack_room.h).
    explicit LockGuard(Lock& lock, size_t stack = kStackForArenas) noexcept STRATA_ACQUIRE(lock)
        : lock_(lock) {
        RequireStack(stack);
        lock_.Acquire();
    }
    ~LockGuard() STRATA_RELEASE() { lock_.Release(); }
    LockGuard(const LockGuard&) = delete;
    LockGuard& operator=(const LockGuard&) = delete;

private:
    Lock& lock_;
};

// The platform's part. Sleeps while *word == value, or returns early; false when the process is
// ending and the holder may be gone, so that the caller has to go on without the lock.
bool WaitOnWord(std::atomic<uint32_t>& word, uint32_t value) noexcept;
// Ends the process when the thread with this mark (HolderMark) is gone, and the process is not
// ending.
void RequireHolder(uint32_t mark) noexcept;
void WakeOneOnWord(std::atomic<uint32_t>& word) noexcept;
void SpinPause() noexcept;

}  // namespace strata::os
