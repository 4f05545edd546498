#include "store/heap_lock.h"

#include <iterator>

#include "store/thread_state.h"

namespace strata::store {

// The analysis of locks sees no loop over an array of them, and no gate that is held from one call
// to another: functions that take or give back all parts of a heap, or its gate, are not looked at.

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

bool IsGuest(const Heap& heap, uintptr_t self) noexcept {
    const ThreadState* const state = CurrentThreadState();
    if (state != nullptr && state->guest_of == &heap) return true;
    for (const std::atomic<uintptr_t>& guest : heap.guests) {
        if (guest.load(kRelaxed) == self) return true;
    }
    return false;
}

std::atomic<uintptr_t>* TakePlace(Heap& heap) noexcept {
    for (;;) {
        for (std::atomic<uintptr_t>& guest : heap.guests) {
            uintptr_t nobody = 0;
            if (guest.compare_exchange_strong(nobody, os::ThreadToken(), kRelaxed)) return &guest;
        }
        os::SpinPause();
    }
}

// All parts but the first `held` classes of the first store, which the caller has.
void LockPartsFrom(Heap& heap, size_t held) noexcept STRATA_NO_THREAD_SAFETY_ANALYSIS {
    // By index, store after store; and heap after heap, oldest first, for fork.
    const os::SeveralLocks parts(os::LockRank::kClass, os::LockRank::kRuns);
    for (Store& store : heap.stores()) {
        for (size_t i = held; i < std::size(store.classes); ++i) {
            store.classes[i].depot.lock.Acquire();
        }
        store.runs_lock.Acquire();
        held = 0;
    }
}

}  // namespace

bool MayPassGate(const Heap& heap) noexcept {
    const uintptr_t owner = heap.lock_owner.load(std::memory_order_acquire);
    const uintptr_t self = os::ThreadToken();
    return owner == 0 || owner == self || IsGuest(heap, self);
}

void WaitAtGate(Heap& heap, os::Lock& part) noexcept {
    while (!MayPassGate(heap)) {
        part.Release();
        // The program may hold the gate of another heap: it has locked that one before this.
        const os::SeveralLocks gates(os::LockRank::kGate, os::LockRank::kGate);
        heap.gate.Acquire();
        heap.gate.Release();
        part.Acquire();
    }
}

GuestCall::GuestCall(Heap& heap) noexcept {
    ThreadState* const state = CurrentThreadState();
    if (state == nullptr || !state->has_cache) {
        place_ = TakePlace(heap);
        return;
    }
    noted_ = &state->guest_of;
    before_ = *noted_;
    *noted_ = &heap;
}

GuestCall::~GuestCall() {
    if (place_ != nullptr) {
        place_->store(0, kRelaxed);
    } else {
        *noted_ = before_;
    }
}

void LockHeap(Heap& heap) noexcept STRATA_NO_THREAD_SAFETY_ANALYSIS {
    const uintptr_t self = os::ThreadToken();
    if (heap.lock_owner.load(kRelaxed) == self) {
        ++heap.lock_depth;
        return;
    }
    os::RequireStack(os::kStackForPart);
    {
        // As many as the program locks, in its order.
        const os::SeveralLocks gates(os::LockRank::kGate, os::LockRank::kGate);
        heap.gate.Acquire();
    }
    heap.lock_owner.store(self, kRelaxed);
    heap.lock_depth = 1;
    for (Store& store : heap.stores()) {
        for (ClassStore& part : store.classes) {
            part.depot.lock.Acquire();
            part.depot.lock.Release();
        }
        store.runs_lock.Acquire();
        store.runs_lock.Release();
    }
}

bool UnlockHeap(Heap& heap) noexcept STRATA_NO_THREAD_SAFETY_ANALYSIS {
    if (heap.lock_owner.load(kRelaxed) != os::ThreadToken()) return false;
    if (--heap.lock_depth != 0) return true;
    heap.lock_owner.store(0, std::memory_order_release);
    heap.gate.Release();
    return true;
}

void LockParts(Heap& heap) noexcept STRATA_NO_THREAD_SAFETY_ANALYSIS {
    os::Lock& first = heap.stores().front().classes[0].depot.lock;
    os::RequireStack(os::kStackForPart);
    first.Acquire();
    // Who has the first part and may pass has all of them: the gate's owner takes that one, too.
    if (heap.lock_owner.load(std::memory_order_acquire) != 0) WaitAtGate(heap, first);
    LockPartsFrom(heap, 1);
}

void LockPartsForFork(Heap& heap) noexcept { LockPartsFrom(heap, 0); }

void UnlockParts(Heap& heap) noexcept STRATA_NO_THREAD_SAFETY_ANALYSIS {
    for (Store& store : heap.stores()) {
        store.runs_lock.Release();
        for (ClassStore& part : store.classes) part.depot.lock.Release();
    }
}

void ForgetOtherThreads(Heap& heap) noexcept STRATA_NO_THREAD_SAFETY_ANALYSIS {
    heap.pins.store(1, kRelaxed);
    for (std::atomic<uintptr_t>& guest : heap.guests) guest.store(0, kRelaxed);
    if (heap.lock_owner.load(kRelaxed) == os::ThreadToken()) return;
    heap.lock_owner.store(0, kRelaxed);
    heap.gate.ReleaseOfGone();
}

}  // namespace strata::store
