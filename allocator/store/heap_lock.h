// Who may touch which part of a heap: the locks of its size classes and of its runs, and the gate
// that HeapLock closes before them.
//
// Who closes the gate names itself as lock_owner and then takes and gives back each part once. A
// thread that had a part before is done with it by then; one that gets a part later sees the gate
// closed and gives the part up again (WaitAtGate). So nothing of the heap changes under HeapLock,
// and nobody else holds a part of it while waiting.
#pragma once

#include "os/stack_room.h"
#include "store/heap_record.h"

namespace strata::store {

// Passes the closed gate when it opens: gives `part`, a lock of the heap, up for that time. Returns
// at once for the thread that closed it, and for guests.
STRATA_COLD void WaitAtGate(Heap& heap, os::Lock& part) noexcept STRATA_REQUIRES(part);
// True when nobody else has closed the gate, or the calling thread is a guest.
bool MayPassGate(const Heap& heap) noexcept;

// Holds one part of a heap: the lock of a size class, or of the runs, of one of its stores.
class STRATA_SCOPED_CAPABILITY PartGuard {
public:
    // What a holder is there for. Those who only look do not mind a closed gate.
    enum class Look : uint8_t { kOnly };

    // REQUIRES: `part` is one of the store's.
    PartGuard(Store& store, os::Lock& part) noexcept STRATA_ACQUIRE(part) : part_(part) {
        os::RequireStack(os::kStackForPart);
        part_.Acquire();
        // Who closes the gate takes each part once afterwards: from then on its holders see it
        // closed. Who sees it open comes after all that was done and read under it (UnlockHeap).
        if (STRATA_UNLIKELY(store.heap->lock_owner.load(std::memory_order_acquire) != 0)) {
            WaitAtGate(*store.heap, part_);
        }
    }
    PartGuard(Store& store, ClassStore& part) noexcept STRATA_ACQUIRE(part.depot.lock)
        : PartGuard(store, part.depot.lock) {}
    PartGuard(os::Lock& part, Look) noexcept STRATA_ACQUIRE(part) : part_(part) {
        os::RequireStack(os::kStackForPart);
        part_.Acquire();
    }
    ~PartGuard() STRATA_RELEASE() { part_.Release(); }
    PartGuard(const PartGuard&) = delete;
    PartGuard& operator=(const PartGuard&) = delete;

private:
    os::Lock& part_;
};

// The lock of a region, held. A heap that cannot grow has one store, and its region that store's
// lock of runs.
class STRATA_SCOPED_CAPABILITY RegionGuard {
public:
    explicit RegionGuard(Heap& heap) noexcept STRATA_ACQUIRE(heap.home().runs_lock)
        : guard_(heap.home(), heap.home().runs_lock) {}
    ~RegionGuard() STRATA_RELEASE() {}

private:
    PartGuard guard_;
};

// HeapLock. Recursive. Others' slow paths wait; their magazines stay usable. Unlock: false when the
// calling thread has not locked it.
void LockHeap(Heap& heap) noexcept;
bool UnlockHeap(Heap& heap) noexcept;

// The calling thread is in a call that does not wait for another thread's LockHeap
// (HEAP_NO_SERIALIZE). That nobody else is in the heap meanwhile is the caller's promise; if it is
// broken, the heap stays whole all the same.
class GuestCall {
public:
    explicit GuestCall(Heap& heap) noexcept;
    ~GuestCall();
    GuestCall(const GuestCall&) = delete;
    GuestCall& operator=(const GuestCall&) = delete;

private:
    // Where it is noted: in the thread's state, with what stood there before, or in the heap.
    const Heap** noted_ = nullptr;
    const Heap* before_ = nullptr;
    std::atomic<uintptr_t>* place_ = nullptr;
};

// All parts at once: LockParts waits at the gate, if another thread has closed it; LockPartsForFork
// does not, as whoever closed it changes nothing without them.
void LockParts(Heap& heap) noexcept;
void LockPartsForFork(Heap& heap) noexcept;
void UnlockParts(Heap& heap) noexcept;
// In the child of a fork other threads are gone: their pins, the gates they closed or were about
// to, and the calls they were in.
void ForgetOtherThreads(Heap& heap) noexcept;

}  // namespace strata::store
