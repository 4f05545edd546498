// Who may touch which part of a heap: the locks of its size classes and of its runs, and the gate
// that HeapLock closes before them (heap_lock.cpp). Internal to this folder.
#pragma once

#include "heap/heap_record.h"

namespace strata::heap {

// Passes the closed gate when it opens: gives `part`, a lock of the heap, up for that time. Returns
// at once for the thread that closed it, and for guests.
STRATA_COLD void WaitAtGate(Heap& heap, os::Lock& part) noexcept;
// True when nobody else has closed the gate, or the calling thread is a guest.
bool MayPassGate(const Heap& heap) noexcept;

// Holds one part of a heap: the lock of a size class, or of its runs.
class PartGuard {
public:
    // What a holder is there for. Those who only look do not mind a closed gate.
    enum class Look : uint8_t { kOnly };

    PartGuard(Heap& heap, os::Lock& part) noexcept : part_(part) {
        os::RequireStack(os::kStackForPart);
        part_.Acquire();
        // Who closes the gate takes each part once afterwards: from then on its holders see it
        // closed. Who sees it open comes after all that was done and read under it (UnlockHeap).
        if (STRATA_UNLIKELY(heap.lock_owner.load(std::memory_order_acquire) != 0)) {
            WaitAtGate(heap, part_);
        }
    }
    PartGuard(Heap& heap, SizeClass size_class) noexcept
        : PartGuard(heap, heap.classes[Index(size_class)].depot.lock) {}
    PartGuard(os::Lock& part, Look) noexcept : part_(part) {
        os::RequireStack(os::kStackForPart);
        part_.Acquire();
    }
    ~PartGuard() { part_.Release(); }
    PartGuard(const PartGuard&) = delete;
    PartGuard& operator=(const PartGuard&) = delete;

private:
    os::Lock& part_;
};

// All parts at once, past the gate when `heap` is open or the calling thread's; for walks and fork.
void LockParts(Heap& heap) noexcept;
void UnlockParts(Heap& heap) noexcept;

}  // namespace strata::heap
