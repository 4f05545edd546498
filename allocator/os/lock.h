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
// Ranks, outermost first: a heap's gate, its parts (class locks by index, then runs), registry,
// guarded blocks' queue, run cache, metadata, arenas, the list of caches, veils. A thread takes
// locks in this order only. Two heaps' gates at once are held only by one who calls HeapLock for
// both, in an order of his own; nothing here takes a second heap's gate for him. Nobody waits for a
// gate while he holds a part.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/compiler.h"
#include "base/thread_safety.h"
#include "os/stack_room.h"
#include "os/thread.h"

namespace strata::os {

class STRATA_CAPABILITY("lock") Lock {
public:
    constexpr Lock() noexcept = default;
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

    STRATA_INLINE void Acquire() noexcept STRATA_ACQUIRE() {
        uint32_t expected = kFree;
        if (STRATA_UNLIKELY(!state_.compare_exchange_strong(
                expected, HolderMark(), std::memory_order_acquire, std::memory_order_relaxed))) {
            AcquireSlow();
        }
    }

    STRATA_INLINE bool TryAcquire() noexcept STRATA_TRY_ACQUIRE(true) {
        uint32_t expected = kFree;
        return state_.compare_exchange_strong(expected, HolderMark(), std::memory_order_acquire,
                                              std::memory_order_relaxed);
    }

    STRATA_INLINE void Release() noexcept STRATA_RELEASE() {
        const uint32_t was = state_.exchange(kFree, std::memory_order_release);
        if (STRATA_UNLIKELY((was & kContended) != 0)) WakeOne();
    }

private:
    // 0, or the holder's mark, and whether somebody may sleep.
    static constexpr uint32_t kFree = 0;
    static constexpr uint32_t kContended = 1;

    STRATA_COLD void AcquireSlow() noexcept STRATA_ACQUIRE();
    STRATA_COLD void WakeOne() noexcept;

    std::atomic<uint32_t> state_{kFree};
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
